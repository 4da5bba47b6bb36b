//! Measurements of attacks and of their controls.

use redmask_attacks::membership::{EpochSpread, MembershipStatistics, StatisticsConfig};
use redmask_core::{Result, Seed};
use redmask_metrics::Interval;
use redmask_report::schema::{Conditions, Counts, Measurement, Unit, Warning};

use crate::plan::{Cell, Plan};
use crate::results::outcomes::AttackPair;
use crate::results::seeds::{combine, combine_plain};
use crate::results::{Findings, Setting, conditions_of};

type Field = fn(&MembershipStatistics) -> Interval;

const FIELDS: [(&str, Unit, Field); 7] = [
    ("auc", Unit::Fraction, |s| s.auc),
    ("advantage", Unit::Fraction, |s| s.advantage),
    ("accuracy", Unit::Fraction, |s| s.accuracy),
    ("balanced_accuracy", Unit::Fraction, |s| s.balanced_accuracy),
    ("f1", Unit::Fraction, |s| s.f1),
    ("tpr", Unit::Fraction, |s| s.tpr),
    ("fpr", Unit::Fraction, |s| s.fpr),
];

/// Measures one cell: the attack on the victim and on the null victim, under every seed.
pub(super) fn measure(
    setting: &Setting<'_>,
    plan: &Plan,
    cell: &Cell,
    pairs: &[AttackPair],
    findings: &mut Findings,
) -> Result<()> {
    let attack = &pairs[0].victim.attack;
    let conditions = conditions_of(setting, cell, attack);
    measure_pairs(setting, &plan.seeds, attack, &conditions, pairs, findings)
}

/// Measures an attack on a victim and on its null victim, under every seed, with these conditions.
pub(super) fn measure_pairs(
    setting: &Setting<'_>,
    seeds: &[u64],
    attack: &str,
    conditions: &Conditions,
    pairs: &[AttackPair],
    findings: &mut Findings,
) -> Result<()> {
    let victims = statistics(setting, seeds, pairs.iter().map(|p| Some(&p.victim)))?;
    let prefix = format!("membership.{attack}");
    push_fields(&prefix, &victims, conditions, findings);
    push_rates(setting, &prefix, &victims, conditions, findings);
    push_spreads(&prefix, seeds, pairs, conditions, findings);
    for (seed, pair) in seeds.iter().zip(pairs) {
        for text in &pair.victim.diagnostics.warnings {
            findings.warnings.push(
                Warning::new(
                    "attack",
                    format!("{} under seed {seed}: {text}", setting.label(attack)),
                )
                .about(format!("{prefix}.*")),
            );
        }
    }
    let nulls = statistics(setting, seeds, pairs.iter().map(|p| p.null.as_ref()))?;
    if nulls.is_empty() {
        findings.warnings.push(
            Warning::new(
                "control-not-measured",
                "No null victim was attacked: the attacks' numbers may be a property of the records.",
            )
            .about(format!("{prefix}.*")),
        );
    } else {
        let auc: Vec<(u64, Interval)> = nulls.iter().map(|(s, m)| (*s, m.auc)).collect();
        findings.measurements.push(
            combine(
                format!("control.null_victim.{attack}.auc"),
                Unit::Fraction,
                &auc,
            )
            .conditions(conditions)
            .counts(counts(&nulls)),
        );
    }
    Ok(())
}

pub(super) fn statistics<'a>(
    setting: &Setting<'_>,
    seeds: &[u64],
    outcomes: impl Iterator<Item = Option<&'a redmask_attacks::membership::MembershipOutcome>>,
) -> Result<Vec<(u64, MembershipStatistics)>> {
    let mut measured = Vec::new();
    for (&seed, outcome) in seeds.iter().zip(outcomes) {
        let Some(outcome) = outcome else { continue };
        let config = StatisticsConfig {
            replicates: setting.recipe.statistics.replicates,
            fprs: setting.recipe.statistics.fpr.clone(),
            ..StatisticsConfig::new(Seed::root(seed).child("bootstrap"))
        };
        measured.push((seed, MembershipStatistics::measure(outcome, &config)?));
    }
    Ok(measured)
}

pub(super) fn counts(measured: &[(u64, MembershipStatistics)]) -> Counts {
    let first = &measured[0].1;
    Counts {
        members: Some(first.n_members as u64),
        non_members: Some(first.n_non_members as u64),
        ..Counts::default()
    }
}

fn push_fields(
    prefix: &str,
    measured: &[(u64, MembershipStatistics)],
    conditions: &Conditions,
    findings: &mut Findings,
) {
    for (name, unit, field) in FIELDS {
        let values: Vec<(u64, Interval)> = measured.iter().map(|(s, m)| (*s, field(m))).collect();
        findings.measurements.push(
            combine(format!("{prefix}.{name}"), unit, &values)
                .conditions(conditions)
                .counts(counts(measured)),
        );
    }
}

/// True positive rates at fixed false positive rates, and what an accusation is worth at each prior.
fn push_rates(
    setting: &Setting<'_>,
    prefix: &str,
    measured: &[(u64, MembershipStatistics)],
    conditions: &Conditions,
    findings: &mut Findings,
) {
    for (i, &fpr) in setting.recipe.statistics.fpr.iter().enumerate() {
        let name = format!("{prefix}.tpr_at_fpr_{fpr:e}");
        let values: Option<Vec<(u64, Interval)>> = measured
            .iter()
            .map(|(seed, m)| Some((*seed, m.tpr_at_fpr[i].tpr?)))
            .collect();
        match values {
            Some(values) => findings.measurements.push(
                combine(name, Unit::Fraction, &values)
                    .conditions(conditions)
                    .counts(counts(measured)),
            ),
            None => findings.warnings.push(
                Warning::new(
                    "fpr-not-measurable",
                    format!(
                        "A false positive rate of {fpr} cannot be measured with {} non-members; the smallest is {}.",
                        measured[0].1.n_non_members, measured[0].1.smallest_fpr
                    ),
                )
                .about(format!("membership.*.tpr_at_fpr_{fpr:e}")),
            ),
        }
    }
    for i in 0..measured[0].1.ppv.len() {
        let prior = measured[0].1.ppv[i].prior;
        let values: Option<Vec<(u64, Interval)>> = measured
            .iter()
            .map(|(seed, m)| Some((*seed, m.ppv[i].ppv?)))
            .collect();
        // Where nobody is accused there is no accusation to be right.
        if let Some(values) = values {
            findings.measurements.push(
                combine(format!("{prefix}.ppv"), Unit::Fraction, &values)
                    .conditions(conditions)
                    .condition("prior", prior)
                    .counts(counts(measured)),
            );
        }
    }
}

/// How far the last epochs of an attack classifier swing: the mean over seeds, from the least to the largest value.
fn push_spreads(
    prefix: &str,
    seeds: &[u64],
    pairs: &[AttackPair],
    conditions: &Conditions,
    findings: &mut Findings,
) {
    let spreads: Option<Vec<(u64, EpochSpread)>> = seeds
        .iter()
        .zip(pairs)
        .map(|(&seed, pair)| Some((seed, pair.victim.diagnostics.last_epochs?)))
        .collect();
    let Some(spreads) = spreads else { return };
    type Of = fn(&EpochSpread) -> redmask_attacks::membership::Spread;
    let fields: [(&str, Of); 3] = [
        ("auc", |e| e.auc),
        ("accuracy", |e| e.accuracy),
        ("f1", |e| e.f1),
    ];
    for (name, of) in fields {
        let means: Vec<(u64, f64)> = spreads.iter().map(|(s, e)| (*s, of(e).mean)).collect();
        let low = spreads
            .iter()
            .map(|(_, e)| of(e).min)
            .fold(f64::INFINITY, f64::min);
        let high = spreads.iter().map(|(_, e)| of(e).max).fold(0.0, f64::max);
        let m: Measurement = combine_plain(
            format!("{prefix}.{name}_last_epochs"),
            Unit::Fraction,
            &means,
        );
        findings
            .measurements
            .push(m.interval(low, high).conditions(conditions));
    }
}
