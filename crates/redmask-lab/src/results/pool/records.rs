//! What the pool says of every single record.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use redmask_attacks::signals::Signal;
use redmask_core::{Result, SampleId, SegDataset};
use redmask_report::schema::{Measurement, Unit};

use super::stability::{overlap, rank_correlation};
use super::{PoolOutcomes, conditions_of_pool, is_whole};
use crate::plan::{Plan, PoolRun, target_key};
use crate::results::outcomes::Outcomes;
use crate::results::seeds::combine_plain;
use crate::results::{Findings, Setting, conditions_of_victim};
use crate::stages::signal;

/// The file of the run, and of the stage that makes it.
pub(crate) const RECORDS: &str = "records.csv";

/// The signal whose medians are compared: near Gaussian across models, and known for every model.
const SIGNAL: Signal = Signal::Margin;

/// The median margin of every record under the models that did and did not train on it.
pub(crate) struct Gaps {
    /// `[audited]`: over all models that saw the record, and over all that did not.
    medians: Vec<(f64, f64)>,
}

/// Reads a pool's signals, and measures whether two halves of the models agree on how much each record's margin gains from
/// being trained on.
pub(crate) fn gaps(
    setting: &Setting<'_>,
    outcomes: &Outcomes<'_>,
    findings: &mut Findings,
) -> Result<Vec<Gaps>> {
    let plan = outcomes.plan;
    let mut all = Vec::with_capacity(plan.pool_runs.len());
    let mut agreements: BTreeMap<usize, Vec<(u64, [f64; 2])>> = BTreeMap::new();
    for run in &plan.pool_runs {
        let total = run.deal.records.len() + run.deal.population.len();
        let mut margins = Vec::with_capacity(run.signals.len());
        for &stage in &run.signals {
            let signals = signal::read(&outcomes.stage(stage)?, total)?;
            let of_record = |&r: &usize| SIGNAL.of(&signals[r][0]);
            margins.push(run.audited.iter().map(of_record).collect::<Vec<f64>>());
        }
        let models = run.signals.len();
        let medians = medians(run, &margins, 0..models);
        // Pairs stay together, so that either half has models on both sides of every record.
        let middle = models / 4 * 2;
        if middle >= 2 {
            let gap = |range| -> Vec<f64> {
                let medians = self::medians(run, &margins, range);
                medians.iter().map(|(inside, out)| inside - out).collect()
            };
            let (first, second) = (gap(0..middle), gap(middle..models));
            if let Some(correlation) = rank_correlation(&first, &second) {
                let both = [correlation, overlap(&first, &second)];
                agreements
                    .entry(run.pool)
                    .or_default()
                    .push((run.seed, both));
            }
        }
        all.push(Gaps { medians });
    }
    for (pool, values) in agreements {
        let Some(cell) = plan.pool_cells.iter().find(|c| c.pool == pool) else {
            continue;
        };
        let mut conditions = conditions_of_victim(setting, &cell.model);
        conditions.extend(conditions_of_pool(setting, pool));
        for (i, (name, unit)) in [
            ("rank_correlation", Unit::Difference),
            ("jaccard_top", Unit::Fraction),
        ]
        .into_iter()
        .enumerate()
        {
            let values: Vec<(u64, f64)> = values.iter().map(|(s, v)| (*s, v[i])).collect();
            let m: Measurement = combine_plain(format!("records.gap.{name}"), unit, &values);
            findings.measurements.push(m.conditions(&conditions));
        }
    }
    Ok(all)
}

fn medians(run: &PoolRun, margins: &[Vec<f64>], models: std::ops::Range<usize>) -> Vec<(f64, f64)> {
    run.audited
        .iter()
        .enumerate()
        .map(|(i, &r)| {
            let side = |wanted: bool| {
                let saw = |m: &usize| run.deal.inside[*m][r] == wanted;
                median(models.clone().filter(saw).map(|m| margins[m][i]).collect())
            };
            (side(true), side(false))
        })
        .collect()
}

/// Pairs give each side at least one value.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => f64::NAN,
        _ => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}

/// One line for each record under each target: whose record it is, whether the target saw it, how much its margin gains
/// from being trained on, and the score of every attack.
pub(crate) fn table(
    setting: &Setting<'_>,
    plan: &Plan,
    dataset: &dyn SegDataset,
    gaps: &[Gaps],
    cells: &[PoolOutcomes],
) -> Option<String> {
    if plan.pool_runs.is_empty() {
        return None;
    }
    let mut attacks: Vec<&str> = Vec::new();
    for outcomes in cells {
        if !attacks.contains(&outcomes.id.as_str()) {
            attacks.push(&outcomes.id);
        }
    }
    let mut text = String::from(
        "pool,seed,target,record,group,member,models_in,margin_in,margin_out,margin_gap",
    );
    for attack in &attacks {
        text.push(',');
        text.push_str(attack);
    }
    text.push('\n');
    for (run, gaps) in plan.pool_runs.iter().zip(gaps) {
        let models = run.deal.inside.len();
        for &target in &run.targets {
            let scores = scores(setting, plan, cells, run, target);
            for (&r, &(inside, out)) in run.audited.iter().zip(&gaps.medians) {
                let record = run.deal.records[r];
                let id = dataset.id(record);
                let saw = (0..models).filter(|&m| run.deal.inside[m][r]).count();
                // Writing into a String cannot fail.
                let _ = write!(
                    text,
                    "{},{},{target},{},{},{},{saw},{inside},{out},{}",
                    run.pool,
                    run.seed,
                    quoted(id.as_str()),
                    quoted(&dataset.group(record).0),
                    run.deal.inside[target][r],
                    inside - out,
                );
                for attack in &attacks {
                    text.push(',');
                    let score = scores.get(attack).and_then(|s| s.get(&id));
                    if let Some(score) = score {
                        let _ = write!(text, "{score}");
                    }
                }
                text.push('\n');
            }
        }
    }
    Some(text)
}

/// The scores of one target by attack and record.
fn scores<'a>(
    setting: &Setting<'_>,
    plan: &Plan,
    cells: &'a [PoolOutcomes],
    run: &PoolRun,
    target: usize,
) -> BTreeMap<&'a str, BTreeMap<SampleId, f64>> {
    let key = target_key(run.seed, run.deal.inside.len(), target);
    let mut scores = BTreeMap::new();
    for (cell, outcomes) in plan.pool_cells.iter().zip(cells) {
        if cell.pool != run.pool || !is_whole(setting, cell) {
            continue;
        }
        let Some(at) = cell.outcomes.iter().position(|(k, _)| *k == key) else {
            continue;
        };
        let records = outcomes.pairs[at].victim.records.iter();
        let records = records.map(|r| (r.id.clone(), r.score)).collect();
        scores.insert(outcomes.id.as_str(), records);
    }
    scores
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quotes() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("train/0001"), "train/0001");
    }
}
