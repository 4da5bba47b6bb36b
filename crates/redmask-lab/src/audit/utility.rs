//! How well the audited model does its work, and whether it was fed rightly.

use std::fmt::Write as _;

use redmask_core::{Predictor, Result, SegDataset, Session, Subset};
use redmask_metrics::{ClassCounts, GroupedBootstrap, Groups, Interval};
use redmask_report::schema::{Counts, Measurement, Unit, Warning};

use super::measure::Statistics;
use super::model::OpenModel;
use super::observe::Observation;
use crate::quality::{RecordQuality, measure, miou, pixel_accuracy, pooled};
use crate::results::Findings;
use crate::results::utility::{HELD_OUT, MEMBERS};
use crate::stages::QUERY_BATCH;

/// Records that other scalings are tried on.
const PROBED: usize = 12;

/// How much better another scaling must do to be worth a warning.
const BETTER: f64 = 0.05;

const SIDE: [(&str, Unit); 4] = [
    ("miou", Unit::Fraction),
    ("pixel_accuracy", Unit::Fraction),
    ("dice", Unit::Fraction),
    ("loss", Unit::Loss),
];

/// Measures the model on both sides, and the gap between them.
pub(super) fn measure_utility(
    statistics: &Statistics,
    target: [&[Observation]; 2],
    findings: &mut Findings,
) -> Result<()> {
    let bootstrap = GroupedBootstrap {
        replicates: statistics.replicates,
        ..GroupedBootstrap::new(statistics.seed.child("utility"))
    };
    let sides = target.map(qualities);
    for (records, split) in sides.iter().zip([MEMBERS, HELD_OUT]) {
        let groups = groups(records);
        let intervals = bootstrap.weighted(&[&groups], SIDE.len(), |weights, out| {
            let pool = pooled(records, weights[0]);
            out[0] = miou(&pool);
            out[1] = pixel_accuracy(&pool);
            out[2] = mean(records, weights[0], |r| 1.0 - r.dice_loss);
            out[3] = mean(records, weights[0], |r| r.cross_entropy);
        })?;
        for ((name, unit), interval) in SIDE.into_iter().zip(intervals) {
            let n = records.len();
            push(
                statistics,
                format!("segmentation.{name}"),
                unit,
                interval,
                n,
                Some(split),
                findings,
            );
        }
    }
    let strata = [groups(&sides[0]), groups(&sides[1])];
    let gap = bootstrap.weighted(&[&strata[0], &strata[1]], 2, |weights, out| {
        let dice = |r: &RecordQuality| 1.0 - r.dice_loss;
        out[0] = mean(&sides[0], weights[0], dice) - mean(&sides[1], weights[1], dice);
        out[1] = miou(&pooled(&sides[0], weights[0])) - miou(&pooled(&sides[1], weights[1]));
    })?;
    let n = sides[0].len() + sides[1].len();
    push(
        statistics,
        "segmentation.gap".to_owned(),
        Unit::Difference,
        gap[0],
        n,
        None,
        findings,
    );
    push(
        statistics,
        "segmentation.miou_gap".to_owned(),
        Unit::Difference,
        gap[1],
        n,
        None,
        findings,
    );
    Ok(())
}

fn push(
    statistics: &Statistics,
    name: String,
    unit: Unit,
    interval: Interval,
    images: usize,
    split: Option<&str>,
    findings: &mut Findings,
) {
    let mut measurement = Measurement::new(name, unit, interval.value)
        .interval(interval.low, interval.high)
        .conditions(&statistics.conditions)
        .counts(Counts {
            images: Some(images as u64),
            ..Counts::default()
        });
    if let Some(split) = split {
        measurement = measurement.condition("split", split);
    }
    findings.measurements.push(measurement);
}

fn qualities(records: &[Observation]) -> Vec<RecordQuality> {
    let records = records.iter();
    records
        .map(|o| RecordQuality {
            id: o.id.clone(),
            group: o.group.clone(),
            dice_loss: o.signals.dice,
            cross_entropy: o.signals.loss,
            classes: o.classes.clone(),
            // Audits report the boundary F1 of the signals, whose tolerance is in pixels.
            boundary_f1: None,
        })
        .collect()
}

fn groups(records: &[RecordQuality]) -> Groups {
    Groups::new(&records.iter().map(|r| r.group.clone()).collect::<Vec<_>>())
}

/// Mean over weighted records; resamples never weigh all of them zero.
fn mean(records: &[RecordQuality], weights: &[u32], value: impl Fn(&RecordQuality) -> f64) -> f64 {
    let total: u32 = weights.iter().sum();
    let sum: f64 = records
        .iter()
        .zip(weights)
        .map(|(r, &w)| f64::from(w) * value(r))
        .sum();
    sum / f64::from(total)
}

/// Says so if the model does no better than painting every pixel in the commonest class, and which other scaling of the
/// input does better on a few records.
pub(super) fn check_collapse(
    model: &OpenModel,
    members: &[Observation],
    data: &Subset,
    session: &Session,
    findings: &mut Findings,
) -> Result<()> {
    let records = qualities(members);
    let pool = pooled(&records, &vec![1; records.len()]);
    let (reached, constant) = (miou(&pool), constant_miou(&pool));
    // A model that paints one class everywhere reaches the constant's value exactly.
    let collapsed = reached <= constant + 0.01;
    let better = better_scaling(model, data, session)?;
    let mut text = String::new();
    if collapsed {
        text = format!(
            "On its own training records the model reaches a mIoU of {reached:.3}; painting every pixel in the commonest class \
             reaches {constant:.3}. It is most likely fed wrongly, and every number of this audit is then about noise."
        );
    }
    if let Some((name, probed, now)) = &better {
        let joint = if collapsed { " " } else { "" };
        text.push_str(joint);
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "On {} of its training records its mIoU is {now:.3} as configured and {probed:.3} with the input scaled as: {name}.",
            PROBED.min(data.len())
        );
    }
    if !text.is_empty() {
        let code = if collapsed {
            "utility-collapsed"
        } else {
            "input-scaling"
        };
        findings.warnings.push(Warning::new(code, text));
    }
    Ok(())
}

/// The mIoU of painting everything in the commonest class of the truth.
fn constant_miou(pool: &[ClassCounts]) -> f64 {
    let total: u64 = pool.iter().map(|c| c.truth).sum();
    let present = pool.iter().filter(|c| c.truth > 0).count();
    let most = pool.iter().map(|c| c.truth).max().unwrap_or(0);
    most as f64 / total.max(1) as f64 / present.max(1) as f64
}

/// The scaling under which the model does clearly best, with that mIoU and the present one.
fn better_scaling(
    model: &OpenModel,
    data: &Subset,
    session: &Session,
) -> Result<Option<(String, f64, f64)>> {
    let others = model.rescaled();
    if others.is_empty() {
        return Ok(None);
    }
    let few = data.with_indices(data.indices()[..PROBED.min(data.len())].to_vec())?;
    let of = |predictor: &dyn Predictor| -> Result<f64> {
        if predictor.capability() == redmask_core::Capability::Labels {
            return labels_miou(predictor, &few);
        }
        let records = measure(predictor, &few, QUERY_BATCH, session)?;
        Ok(miou(&pooled(&records, &vec![1; records.len()])))
    };
    let now = of(model.predictor())?;
    let mut best: Option<(String, f64, f64)> = None;
    for (name, other) in others {
        // A scaling that makes the network overflow is no better one.
        let Ok(reached) = of(other.as_ref()) else {
            continue;
        };
        if reached > now + BETTER && best.as_ref().is_none_or(|b| reached > b.1) {
            best = Some((name, reached, now));
        }
    }
    Ok(best)
}

fn labels_miou(predictor: &dyn Predictor, data: &Subset) -> Result<f64> {
    let classes = predictor.class_count();
    let mut confusion =
        redmask_metrics::ConfusionMatrix::with_ignore(classes, redmask_core::IGNORE);
    for i in 0..data.len() {
        let sample = data.sample(i)?;
        let found = predictor.predict(&[&sample])?.labels();
        confusion.add(&sample.labels, &found[0])?;
    }
    Ok(miou(&confusion.class_counts()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painting_one_class() {
        let class = |truth| ClassCounts {
            truth,
            ..ClassCounts::default()
        };
        // Three quarters background: IoU 0.75 for it, 0 for the other present class; an absent class does not count.
        assert_eq!(constant_miou(&[class(75), class(25), class(0)]), 0.375);
    }
}
