//! Low false positive rates, utility, and the comparison with published numbers.

use super::{Sentence, Topic, counted, listed, setting, telling};
use crate::names::{Names, attack_of};
use crate::number::{Style, short_percent, with_interval};
use crate::schema::{Measurement, Metric, Results};

/// What the best attack finds at the least false positive rate that was measured, and which rates n cannot measure.
pub(super) fn low_fpr(results: &Results, names: &Names) -> Option<Sentence> {
    let attacks = || {
        let all = results.measurements().iter();
        all.filter(|m| !m.control && attack_of(&m.name).is_some())
    };
    let smallest = attacks()
        .filter_map(|m| m.n.smallest_fpr())
        .fold(None, |least: Option<f64>, f| {
            Some(least.map_or(f, |l| l.min(f)))
        });
    let best = ["tpr_at_fpr_1e-3", "tpr_at_fpr_1e-2"]
        .iter()
        .find_map(|metric| {
            attacks()
                .filter(|m| m.name.rsplit('.').next() == Some(metric))
                .max_by(|a, b| a.value.total_cmp(&b.value))
        });
    let found = best.map(|m| {
        let rate = if m.name.ends_with("1e-3") {
            0.001
        } else {
            0.01
        };
        let attack = names.label(attack_of(&m.name).unwrap_or_default());
        format!(
            "With at most {} false alarms, {attack} finds {} of the members.",
            short_percent(rate),
            with_interval(m)
        )
    });
    let limit = smallest.map(|f| {
        format!(
            "With {} non-members, no false positive rate below {} can be measured.",
            (1.0 / f).round(),
            short_percent(f)
        )
    });
    let text = found.into_iter().chain(limit).collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(Sentence {
        topic: Topic::LowFpr,
        text,
    })
}

/// A run with more victims than this shows their utility in a table instead.
const FEW: usize = 4;

pub(super) fn utility(results: &Results, names: &Names) -> Option<Sentence> {
    let of = |name: &str| results.named(name).collect::<Vec<_>>();
    let of_kind = ["segmentation.miou", "segmentation.dice", "segmentation.gap"].map(of);
    let parts = of_kind.iter().filter(|list| !list.is_empty()).map(|list| {
        let label = Metric::of(&list[0].name).map_or("value", |m| m.label);
        if list.len() > FEW {
            return range(label, list);
        }
        let values = list.iter().map(|m| match m.conditions.get("split") {
            Some(split) => format!(
                "{} ({})",
                with_interval(m),
                names.condition("split", split).to_lowercase()
            ),
            None => with_interval(m),
        });
        format!("{label} {}", listed(&values.collect::<Vec<_>>()))
    });
    let parts = parts.collect::<Vec<_>>();
    (!parts.is_empty()).then(|| Sentence {
        topic: Topic::Utility,
        text: format!("The model's work: {}.", parts.join("; ")),
    })
}

fn range(label: &str, list: &[&Measurement]) -> String {
    let style = Style::of(list[0]);
    let least = list.iter().map(|m| m.value).fold(f64::INFINITY, f64::min);
    let most = list
        .iter()
        .map(|m| m.value)
        .fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{label} {} to {} in {}",
        style.full(least),
        style.full(most),
        counted(list.len(), "setting")
    )
}

/// How many published numbers lie within the measured intervals, and the one that lies farthest off.
pub(super) fn published(results: &Results, names: &Names) -> Option<Sentence> {
    let pairs = results.measurements().iter().filter(|m| !m.control);
    let pairs = pairs
        .filter_map(|m| m.published.as_ref().map(|p| (m, p.value)))
        .collect::<Vec<_>>();
    let within = pairs
        .iter()
        .filter(|(m, p)| m.bounds().is_some_and(|(l, h)| (l..=h).contains(p)))
        .count();
    let off = |(m, p): &(&Measurement, f64)| (m.value - p).abs();
    let (farthest, printed) = pairs
        .iter()
        .copied()
        .max_by(|a, b| off(a).total_cmp(&off(b)))?;
    let style = Style::of(farthest);
    let telling = telling(pairs.iter().map(|(m, _)| *m));
    let place = match setting(farthest, &telling, names) {
        setting if setting.is_empty() => setting,
        setting => format!(" ({setting})"),
    };
    Some(Sentence {
        topic: Topic::Published,
        text: format!(
            "Of {} with a published counterpart, {within} {} the published one within the interval. Farthest off: {}{place}, measured {}, published {}.",
            counted(pairs.len(), "number"),
            if within == 1 { "has" } else { "have" },
            names.measurement(&farthest.name),
            style.full(farthest.value),
            style.full(printed),
        ),
    })
}
