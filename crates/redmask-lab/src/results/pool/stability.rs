//! Whether two targets point at the same records.
//!
//! Jebreel et al. (PoPETs 2026) find that rankings of records are stable between trainings while the set of those flagged
//! is not; an audit that names records must say how it stands.

use std::collections::BTreeMap;

use redmask_core::SampleId;
use redmask_report::schema::{Conditions, Measurement, Unit};

use crate::results::Findings;
use crate::results::outcomes::AttackPair;

/// The share of common members that counts as the most exposed.
const TOP: f64 = 0.05;
/// Fewer common members than this show nothing.
const LEAST_COMMON: usize = 20;

/// Rank correlation of the scores of common members, and overlap of the most exposed of them, over all pairs of targets:
/// the mean, from the least to the largest.
pub(super) fn measure(
    pairs: &[AttackPair],
    prefix: &str,
    conditions: &Conditions,
    findings: &mut Findings,
) {
    let members: Vec<BTreeMap<&SampleId, f64>> = pairs
        .iter()
        .map(|pair| {
            let members = pair.victim.records.iter().filter(|r| r.member);
            members.map(|r| (&r.id, r.score)).collect()
        })
        .collect();
    let (mut correlations, mut overlaps) = (Vec::new(), Vec::new());
    for (i, a) in members.iter().enumerate() {
        for b in &members[i + 1..] {
            let common = a.iter().filter_map(|(id, &x)| Some((x, *b.get(id)?)));
            let (x, y): (Vec<f64>, Vec<f64>) = common.unzip();
            if x.len() < LEAST_COMMON {
                continue;
            }
            correlations.extend(rank_correlation(&x, &y));
            overlaps.push(overlap(&x, &y));
        }
    }
    for (name, unit, values) in [
        ("rank_correlation", Unit::Difference, correlations),
        ("jaccard_top", Unit::Fraction, overlaps),
    ] {
        let Some(m) = spread(format!("{prefix}.{name}"), unit, &values) else {
            continue;
        };
        findings.measurements.push(m.conditions(conditions));
    }
}

fn spread(name: String, unit: Unit, values: &[f64]) -> Option<Measurement> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(Measurement::new(name, unit, mean).interval(low, high))
}

/// Spearman's correlation, ties by their mean rank; `None` where one side is constant.
pub(super) fn rank_correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = (ranks(x), ranks(y));
    let n = x.len() as f64;
    let mean = (n - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let scale = (product(&x, &x) * product(&y, &y)).sqrt();
    // Rounding may leave a perfect correlation a little above one.
    (scale > 0.0).then(|| (product(&x, &y) / scale).clamp(-1.0, 1.0))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = first as f64 + (tied.len() - 1) as f64 / 2.0;
        for &i in tied {
            ranks[i] = rank;
        }
        first += tied.len();
    }
    ranks
}

/// Jaccard index of the two sets of highest values; ties go by position.
pub(super) fn overlap(x: &[f64], y: &[f64]) -> f64 {
    let size = ((x.len() as f64 * TOP).ceil() as usize).max(1);
    let top = |values: &[f64]| -> Vec<usize> {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        order.truncate(size);
        order
    };
    let (a, b) = (top(x), top(y));
    let shared = a.iter().filter(|i| b.contains(i)).count();
    shared as f64 / (2 * size - shared) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_correlation_by_hand() {
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-12, "{a:?} {b}");
        close(rank_correlation(&[1.0, 2.0, 9.0], &[0.0, 5.0, 6.0]), 1.0);
        close(rank_correlation(&[1.0, 2.0, 9.0], &[6.0, 5.0, 0.0]), -1.0);
        // Ranks 0 1 2 3 against 1 0 3 2: 1 - 6 * 4 / (4 * 15).
        close(
            rank_correlation(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 4.0, 3.0]),
            0.6,
        );
        // Ranks 0.5 0.5 2 against 0 1 2.
        close(
            rank_correlation(&[1.0, 1.0, 2.0], &[1.0, 2.0, 3.0]),
            3f64.sqrt() / 2.0,
        );
        assert_eq!(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn overlap_of_the_first_twentieth() {
        let ascending: Vec<f64> = (0..40).map(f64::from).collect();
        let mut other = ascending.clone();
        assert_eq!(overlap(&ascending, &other), 1.0);
        // The two highest are 39 and 38 there, 39 and 0 here: one shared of three.
        other[0] = 100.0;
        assert!((overlap(&ascending, &other) - 1.0 / 3.0).abs() < 1e-12);
    }
}
