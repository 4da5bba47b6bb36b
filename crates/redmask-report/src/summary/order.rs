//! Which attack is ahead: claimed only if it is so in every seed of every setting.

use std::collections::BTreeMap;

use super::{Sentence, Topic, counted, listed};
use crate::names::{Names, attack_of};
use crate::schema::{Conditions, Measurement};

/// An attack's value by setting and seed.
type Scores<'a> = BTreeMap<(Conditions, u64), f64>;

pub(super) fn sentence(findings: &[&Measurement], names: &Names) -> Option<Sentence> {
    // The published form of an attack is another attack than the corrected one.
    let mut attacks: BTreeMap<(&str, bool), Scores<'_>> = BTreeMap::new();
    for m in findings {
        let mut setting = m.conditions.clone();
        setting.remove("attack");
        let compatible = setting.remove("paper_compat") == Some(true.into());
        let scores = attacks
            .entry((attack_of(&m.name)?, compatible))
            .or_default();
        let runs = m.seeds.iter().zip(&m.per_seed);
        scores.extend(runs.map(|(&seed, &v)| ((setting.clone(), seed), v)));
    }
    if attacks.len() < 2 {
        return None;
    }
    let mean = |scores: &Scores<'_>| scores.values().sum::<f64>() / scores.len() as f64;
    let (&first, lead) = attacks
        .iter()
        .filter(|(_, scores)| !scores.is_empty())
        .max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)))?;

    let name = |(attack, compatible): (&str, bool)| {
        let form = if compatible { " (as published)" } else { "" };
        format!("{}{form}", names.label(attack))
    };
    let (mut behind, mut open) = (Vec::new(), Vec::new());
    let mut runs = 0;
    for (&attack, scores) in attacks.iter().filter(|(attack, _)| **attack != first) {
        let differences = lead
            .iter()
            .filter_map(|(at, v)| scores.get(at).map(|other| v - other));
        let differences = differences.collect::<Vec<_>>();
        // One training each shows an order of two trainings, not of two attacks.
        let claimed = differences.len() > 1 && differences.iter().all(|&d| d > 0.0);
        runs = runs.max(differences.len());
        if claimed { &mut behind } else { &mut open }.push(name(attack));
    }
    let first = name(first);
    let text = if runs < 2 {
        "Attacks are not ranked: one seed shows no order.".to_owned()
    } else {
        let claim = (!behind.is_empty()).then(|| {
            format!(
                "{first} is ahead of {} in each of {}.",
                listed(&behind),
                counted(runs, "run")
            )
        });
        let rest = (!open.is_empty()).then(|| {
            format!(
                "Between {first} and {} no order is claimed: the runs disagree.",
                listed(&open)
            )
        });
        claim.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
    };
    Some(Sentence {
        topic: Topic::Order,
        text,
    })
}
