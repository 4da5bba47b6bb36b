//! What each attack finds.

use super::{CHANCE, Sentence, Topic, above_chance, counted, metric_label};
use crate::names::{Names, attack_of};
use crate::number::{Style, with_interval};
use crate::schema::Measurement;

/// From here on, luck alone is likely to lift an interval above chance, and the reader is told.
const MANY: usize = 5;

pub(super) fn sentences(findings: &[&Measurement], names: &Names) -> Vec<Sentence> {
    let mut attacks = findings
        .iter()
        .filter_map(|m| attack_of(&m.name))
        .collect::<Vec<_>>();
    attacks.sort_by_key(|id| (names.attack_index(id).unwrap_or(usize::MAX), *id));
    attacks.dedup();
    let mut out = attacks
        .into_iter()
        .map(|attack| {
            let of_attack = findings
                .iter()
                .copied()
                .filter(|m| attack_of(&m.name) == Some(attack));
            sentence(&names.label(attack), &of_attack.collect::<Vec<_>>())
        })
        .collect::<Vec<_>>();
    let joint = findings
        .iter()
        .all(|m| m.name.ends_with(".auc_simultaneous"));
    if joint && findings.len() > 1 {
        out.push(format!(
            "The {} intervals hold together: the chance that luck alone lifts any of them above chance is at most 1 in 40.",
            findings.len()
        ));
    } else if findings.len() >= MANY {
        out.push(format!(
            "With {} intervals of 95 %, about {:.1} lie above chance by luck alone.",
            findings.len(),
            findings.len() as f64 * 0.025
        ));
    }
    let sentence = |text| Sentence {
        topic: Topic::Attacks,
        text,
    };
    out.into_iter().map(sentence).collect()
}

fn sentence(attack: &str, findings: &[&Measurement]) -> String {
    let metric = metric_label(findings[0]);
    let style = Style::of(findings[0]);
    if let [only] = findings {
        let place = match only.bounds() {
            None => "no interval".to_owned(),
            Some((low, _)) if low > CHANCE => format!("above {CHANCE}"),
            Some((_, high)) if high < CHANCE => format!("below {CHANCE}"),
            Some(_) => format!("the interval covers {CHANCE}"),
        };
        return format!(
            "{attack}: {metric} {}, {place}{}.",
            with_interval(only),
            seeds(only)
        );
    }
    let values = || findings.iter().map(|m| m.value);
    let above = findings.iter().filter(|m| above_chance(m)).count();
    format!(
        "{attack}: {metric} {} to {} in {}; {above} of the intervals {} above {CHANCE}.",
        style.full(values().fold(f64::INFINITY, f64::min)),
        style.full(values().fold(f64::NEG_INFINITY, f64::max)),
        counted(findings.len(), "setting"),
        if above == 1 { "lies" } else { "lie" },
    )
}

/// Retraining varies too: says what each seed gave.
fn seeds(m: &Measurement) -> String {
    let style = Style::of(m);
    match m.per_seed.len() {
        0 => String::new(),
        1 => " (one seed, so retraining may give another number)".into(),
        n => {
            let values = m
                .per_seed
                .iter()
                .map(|&v| style.bare(v))
                .collect::<Vec<_>>();
            format!(" ({n} seeds: {})", values.join(", "))
        }
    }
}
