//! Where membership leaks: by group, by class, by region, and among easy or unusual records.

use std::collections::BTreeMap;

use redmask_core::{Capability, ClassTable, GroupId, Result};
use redmask_metrics::Interval;
use redmask_report::schema::{Measurement, Unit};

use super::attacks::{Evidence, Played};
use super::measure::Statistics;
use super::observe::Observation;
use crate::results::Findings;

/// Quarters of the records that slices are made of.
const QUARTERS: usize = 4;

/// Sides of the region grid.
pub(super) const GRID: usize = 4;

/// Measures every grain and slice.
pub(super) fn measure(
    statistics: &Statistics,
    played: &[Played],
    evidence: &Evidence<'_>,
    offered: Capability,
    classes: &ClassTable,
    findings: &mut Findings,
) -> Result<()> {
    for attack in played {
        by_group(statistics, attack, findings)?;
    }
    by_class(statistics, evidence, classes, findings)?;
    if offered >= Capability::Scores {
        by_region(statistics, evidence, findings)?;
    }
    if let Some(primary) = primary(played) {
        if let Some(difficulty) = difficulty(evidence) {
            slices(statistics, primary, "difficulty", &difficulty, findings)?;
        }
        if let Some(outlierness) = outlierness(evidence) {
            slices(statistics, primary, "outlierness", &outlierness, findings)?;
        }
    }
    Ok(())
}

/// The attack that slices are shown for: the best informed one that ran.
pub(super) fn primary(played: &[Played]) -> Option<&Played> {
    [
        "lira_offline",
        "rmia_offline",
        "threshold_loss",
        "global_loss",
    ]
    .iter()
    .find_map(|name| played.iter().find(|p| p.outcome.attack == *name))
}

/// Groups as the unit of inference: was this patient, this drive, in the training set? The score of a group is the mean
/// over its records.
fn by_group(statistics: &Statistics, played: &Played, findings: &mut Findings) -> Result<()> {
    let mut groups: BTreeMap<(&GroupId, bool), (f64, usize)> = BTreeMap::new();
    for record in &played.outcome.records {
        let entry = groups.entry((&record.group, record.member)).or_default();
        entry.0 += record.score;
        entry.1 += 1;
    }
    // Where every record is its own group this is the grain of images again.
    if groups.values().all(|(_, n)| *n == 1) {
        return Ok(());
    }
    let side = |member: bool| -> Vec<(f64, &GroupId)> {
        let of_side = groups.iter().filter(|((_, m), _)| *m == member);
        of_side
            .map(|((id, _), (sum, n))| (sum / *n as f64, *id))
            .collect()
    };
    let (members, others) = (side(true), side(false));
    let counts = (members.len(), others.len());
    if let Some(auc) = statistics.area(&members, &others)? {
        push(statistics, "grain.group.auc", auc, counts, findings, |m| {
            m.condition("attack", played.outcome.attack.as_str())
        });
    }
    Ok(())
}

/// The loss on the pixels of one class, over the records whose mask has it.
fn by_class(
    statistics: &Statistics,
    evidence: &Evidence<'_>,
    classes: &ClassTable,
    findings: &mut Findings,
) -> Result<()> {
    for (id, class) in classes.classes().iter().enumerate() {
        let side = |records: &'_ [Observation]| -> Vec<(f64, GroupId)> {
            let with = records.iter();
            with.filter_map(|o| Some((-(o.class_loss.get(id).copied()??), o.group.clone())))
                .collect()
        };
        let sides = evidence.target.map(side);
        area_of(statistics, &sides, "grain.class.auc", findings, |m| {
            m.condition("class", class.name.as_str())
        })?;
    }
    Ok(())
}

/// The margin in each cell of a grid over the image.
fn by_region(
    statistics: &Statistics,
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> Result<()> {
    for cell in 0..GRID * GRID {
        let side = |records: &'_ [Observation]| -> Vec<(f64, GroupId)> {
            let all = records.iter();
            all.map(|o| (o.signals.grid4[cell], o.group.clone()))
                .collect()
        };
        let sides = evidence.target.map(side);
        area_of(statistics, &sides, "grain.region.auc", findings, |m| {
            m.condition("row", cell / GRID + 1)
                .condition("column", cell % GRID + 1)
        })?;
    }
    Ok(())
}

fn area_of(
    statistics: &Statistics,
    sides: &[Vec<(f64, GroupId)>; 2],
    name: &str,
    findings: &mut Findings,
    condition: impl Fn(Measurement) -> Measurement,
) -> Result<()> {
    let [members, others] = sides.each_ref().map(|side| {
        let side = side.iter();
        side.map(|(score, group)| (*score, group))
            .collect::<Vec<_>>()
    });
    let counts = (members.len(), others.len());
    if let Some(auc) = statistics.area(&members, &others)? {
        push(statistics, name, auc, counts, findings, condition);
    }
    Ok(())
}

/// How hard a record is for a model that never saw it: the references' mean loss. The audited model's own loss would not
/// do, since it holds the membership that is looked for.
fn difficulty(evidence: &Evidence<'_>) -> Option<Vec<f64>> {
    let models = evidence.references.len();
    let records: usize = evidence.target.iter().map(|side| side.len()).sum();
    (models > 0).then(|| {
        let mut sums = vec![0.0; records];
        for reference in evidence.references {
            for (sum, o) in sums.iter_mut().zip(reference.target.iter().flatten()) {
                *sum += o.signals.loss / models as f64;
            }
        }
        sums
    })
}

/// How unusual a record looks: the mean square of its standardised descriptors, each of which has variance one.
fn outlierness(evidence: &Evidence<'_>) -> Option<Vec<f64>> {
    let sets = evidence.descriptors?;
    let rows = sets.iter().take(2).flatten();
    Some(
        rows.map(|row| row.iter().map(|z| z * z).sum::<f64>() / row.len().max(1) as f64)
            .collect(),
    )
}

/// The attack within each quarter of the records by some property, members and others pooled for the cut.
fn slices(
    statistics: &Statistics,
    played: &Played,
    property: &str,
    values: &[f64],
    findings: &mut Findings,
) -> Result<()> {
    let records = &played.outcome.records;
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    for quarter in 0..QUARTERS {
        let slice =
            &order[quarter * order.len() / QUARTERS..(quarter + 1) * order.len() / QUARTERS];
        let side = |member: bool| -> Vec<(f64, &GroupId)> {
            let of_side = slice.iter().filter(|&&i| records[i].member == member);
            of_side
                .map(|&i| (records[i].score, &records[i].group))
                .collect()
        };
        let (members, others) = (side(true), side(false));
        let counts = (members.len(), others.len());
        if let Some(auc) = statistics.area(&members, &others)? {
            let name = format!("slice.{property}.auc");
            push(statistics, &name, auc, counts, findings, |m| {
                m.condition("attack", played.outcome.attack.as_str())
                    .condition("quarter", quarter + 1)
            });
        }
    }
    Ok(())
}

fn push(
    statistics: &Statistics,
    name: &str,
    auc: Interval,
    (members, others): (usize, usize),
    findings: &mut Findings,
    condition: impl Fn(Measurement) -> Measurement,
) {
    let measurement = Measurement::new(name, Unit::Fraction, auc.value)
        .interval(auc.low, auc.high)
        .conditions(&statistics.conditions)
        .records(members as u64, others as u64);
    findings.measurements.push(condition(measurement));
}
