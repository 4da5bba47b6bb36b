//! Measurements of the audited models themselves, and of the blind control.

use redmask_attacks::controls::BlindOutcome;
use redmask_core::{Result, Seed};
use redmask_metrics::{GroupedBootstrap, Groups, Interval};
use redmask_report::schema::{Condition, Conditions, Counts, Unit, Warning};

use crate::plan::{BlindCell, QualityCell};
use crate::quality::{self, Quality, RecordQuality};
use crate::results::pool::conditions_of_pool;
use crate::results::seeds::combine;
use crate::results::{Findings, Setting, conditions_of_victim};

/// The value of the condition `split` for training records.
pub(crate) const MEMBERS: &str = "members";
/// The value of the condition `split` for records that the model did not see.
pub(crate) const HELD_OUT: &str = "held-out";

/// Measures a victim on its training and its held-out records, under every seed.
pub(super) fn measure(
    setting: &Setting<'_>,
    cell: &QualityCell,
    qualities: &[Quality],
    findings: &mut Findings,
) -> Result<()> {
    let conditions = conditions_of_quality(setting, cell);
    for (split, side) in [
        (
            MEMBERS,
            (|q| &q.members) as fn(&Quality) -> &Vec<RecordQuality>,
        ),
        (HELD_OUT, |q| &q.held_out),
    ] {
        let measured = cell
            .seeds
            .iter()
            .zip(qualities)
            .map(|(&seed, q)| Ok((seed, side_intervals(setting, seed, side(q))?)))
            .collect::<Result<Vec<_>>>()?;
        let records = qualities.first().map_or(0, |q| side(q).len());
        for (i, (name, unit)) in SIDE.into_iter().enumerate() {
            let values: Vec<(u64, Interval)> = measured.iter().map(|(s, v)| (*s, v[i])).collect();
            findings.measurements.push(
                combine(format!("segmentation.{name}"), unit, &values)
                    .conditions(&conditions)
                    .condition("split", split)
                    .counts(images(records)),
            );
        }
    }
    let gaps = cell
        .seeds
        .iter()
        .zip(qualities)
        .map(|(&seed, q)| Ok((seed, gap(setting, seed, q)?)))
        .collect::<Result<Vec<_>>>()?;
    findings.measurements.push(
        combine("segmentation.gap", Unit::Difference, &gaps)
            .conditions(&conditions)
            .counts(images(
                qualities
                    .first()
                    .map_or(0, |q| q.members.len() + q.held_out.len()),
            )),
    );
    Ok(())
}

/// Conditions of a victim's quality; of a pool's targets, those of the pool too.
pub(crate) fn conditions_of_quality(setting: &Setting<'_>, cell: &QualityCell) -> Conditions {
    let mut conditions = conditions_of_victim(setting, &cell.victim);
    if let Some(pool) = cell.pool {
        conditions.extend(conditions_of_pool(setting, pool));
    }
    conditions
}

const SIDE: [(&str, Unit); 5] = [
    ("miou", Unit::Fraction),
    ("pixel_accuracy", Unit::Fraction),
    ("dice", Unit::Fraction),
    ("loss", Unit::Loss),
    ("boundary_f1", Unit::Fraction),
];

fn images(records: usize) -> Counts {
    Counts {
        images: Some(records as u64),
        ..Counts::default()
    }
}

fn bootstrap(setting: &Setting<'_>, seed: u64) -> GroupedBootstrap {
    GroupedBootstrap {
        replicates: setting.recipe.statistics.replicates,
        ..GroupedBootstrap::new(Seed::root(seed).child("bootstrap").child("utility"))
    }
}

fn groups(records: &[RecordQuality]) -> Groups {
    let ids: Vec<_> = records.iter().map(|r| r.group.clone()).collect();
    Groups::new(&ids)
}

/// Mean over weighted records; resamples never weigh all of them zero.
fn mean(records: &[RecordQuality], weights: &[u32], value: fn(&RecordQuality) -> f64) -> f64 {
    let total: u32 = weights.iter().sum();
    let sum: f64 = records
        .iter()
        .zip(weights)
        .map(|(r, &w)| f64::from(w) * value(r))
        .sum();
    sum / f64::from(total)
}

/// Mean over the weighted records that have a contour; 0 if none has.
fn boundary_f1(records: &[RecordQuality], weights: &[u32]) -> f64 {
    let (mut sum, mut total) = (0.0, 0u32);
    for (record, &weight) in records.iter().zip(weights) {
        if let Some(f1) = record.boundary_f1 {
            sum += f64::from(weight) * f1;
            total += weight;
        }
    }
    if total == 0 {
        0.0
    } else {
        sum / f64::from(total)
    }
}

/// Intervals in the order of [`SIDE`].
fn side_intervals(
    setting: &Setting<'_>,
    seed: u64,
    records: &[RecordQuality],
) -> Result<Vec<Interval>> {
    Ok(
        bootstrap(setting, seed).weighted(&[&groups(records)], SIDE.len(), |weights, out| {
            let pooled = quality::pooled(records, weights[0]);
            out[0] = quality::miou(&pooled);
            out[1] = quality::pixel_accuracy(&pooled);
            out[2] = mean(records, weights[0], |r| 1.0 - r.dice_loss);
            out[3] = mean(records, weights[0], |r| r.dice_loss);
            out[4] = boundary_f1(records, weights[0]);
        })?,
    )
}

/// Mean soft Dice coefficient of the training records minus that of the held-out ones.
fn gap(setting: &Setting<'_>, seed: u64, quality: &Quality) -> Result<Interval> {
    let strata = [groups(&quality.members), groups(&quality.held_out)];
    let intervals =
        bootstrap(setting, seed).weighted(&[&strata[0], &strata[1]], 1, |weights, out| {
            let dice = |r: &RecordQuality| 1.0 - r.dice_loss;
            out[0] = mean(&quality.members, weights[0], dice)
                - mean(&quality.held_out, weights[1], dice);
        })?;
    Ok(intervals[0])
}

/// Measures the blind control on one audited set, under every seed.
pub(super) fn measure_blind(
    setting: &Setting<'_>,
    cell: &BlindCell,
    outcomes: &[BlindOutcome],
    findings: &mut Findings,
) {
    let aucs: Vec<(u64, Interval)> = cell
        .seeds
        .iter()
        .zip(outcomes)
        .map(|(&seed, o)| (seed, o.auc))
        .collect();
    let count = |member| {
        outcomes
            .first()
            .map(|o| o.records.iter().filter(|r| r.member == member).count() as u64)
    };
    let mut conditions = Conditions::from([
        (
            "data".to_owned(),
            Condition::from(setting.data_name.clone()),
        ),
        (
            "train_records".to_owned(),
            Condition::from(cell.train_records),
        ),
    ]);
    if let Some(pool) = cell.pool {
        conditions.extend(conditions_of_pool(setting, pool));
    }
    findings.measurements.push(
        combine("control.blind.auc", Unit::Fraction, &aucs)
            .conditions(&conditions)
            .counts(Counts {
                members: count(true),
                non_members: count(false),
                groups: outcomes.first().map(|o| o.units as u64),
                ..Counts::default()
            }),
    );
    for (seed, outcome) in cell.seeds.iter().zip(outcomes) {
        for text in &outcome.warnings {
            findings.warnings.push(
                Warning::new(
                    "blind-control",
                    format!("Blind control under seed {seed}: {text}"),
                )
                .about("control.blind.auc"),
            );
        }
    }
}
