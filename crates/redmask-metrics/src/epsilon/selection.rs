//! A bound that stays true although its threshold was chosen.
//!
//! Taking the best of many thresholds without correction, as TensorFlow Privacy and ML Privacy Meter do, reports a
//! positive epsilon for a perfectly private model more often than `alpha` allows.

use rand::seq::SliceRandom;
use redmask_core::Seed;
use serde::{Deserialize, Serialize};

use super::{EpsilonBound, epsilon_lower_bound};
use crate::error::{MetricError, Result};
use crate::roc::{BinaryCounts, Roc};

/// Where the threshold of a decision rule comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ThresholdSelection {
    /// One threshold, fixed without these scores (on shadow models, say). Nothing to correct.
    Fixed(f64),
    /// The best of several thresholds, all fixed without these scores; each is tested at `alpha` over their number.
    Bonferroni(Vec<f64>),
    /// The best threshold on a random half of the scores, tested on the other half.
    Split(Seed),
}

/// A bound with the threshold and the counts it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SelectedBound {
    /// The bound.
    pub bound: EpsilonBound,
    /// The rule "member iff score >= threshold".
    pub threshold: f64,
    /// Its counts, on the scores that were used to test it.
    pub counts: BinaryCounts,
}

/// The lower bound on epsilon of the rule "member iff score >= threshold", corrected for the choice of the threshold.
///
/// ```
/// use redmask_core::Seed;
/// use redmask_metrics::epsilon::{ThresholdSelection, select_epsilon_bound};
/// let members: Vec<f64> = (0..400).map(f64::from).collect();
/// let non_members: Vec<f64> = (0..400).map(|i| f64::from(i) - 300.0).collect();
/// let fixed = ThresholdSelection::Fixed(100.0);
/// // At 100 no non-member is accused and 300 of 400 members are found.
/// let fixed = select_epsilon_bound(&members, &non_members, &fixed, 0.0, 0.05)?;
/// assert_eq!((fixed.counts.tp, fixed.counts.fp), (300, 0));
/// // Choosing costs: half of the scores are spent on it.
/// let split = ThresholdSelection::Split(Seed::root(0));
/// let split = select_epsilon_bound(&members, &non_members, &split, 0.0, 0.05)?;
/// assert!(0.0 < split.bound.epsilon && split.bound.epsilon < fixed.bound.epsilon);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// As [`epsilon_lower_bound`]; also if a score or threshold is NaN, no threshold is given, or a side is too small to be
/// halved.
pub fn select_epsilon_bound(
    members: &[f64],
    non_members: &[f64],
    selection: &ThresholdSelection,
    delta: f64,
    alpha: f64,
) -> Result<SelectedBound> {
    match selection {
        ThresholdSelection::Fixed(threshold) => {
            at_threshold(members, non_members, *threshold, delta, alpha)
        }
        ThresholdSelection::Bonferroni(thresholds) => {
            let level = alpha / thresholds.len() as f64;
            let mut best: Option<SelectedBound> = None;
            for &threshold in thresholds {
                let found = at_threshold(members, non_members, threshold, delta, level)?;
                if best.is_none_or(|b| found.bound.epsilon > b.bound.epsilon) {
                    best = Some(found);
                }
            }
            best.ok_or(MetricError::Empty("the set of candidate thresholds"))
        }
        ThresholdSelection::Split(seed) => {
            let (choose_in, test_in) = halves(members, &seed.child("members"));
            let (choose_out, test_out) = halves(non_members, &seed.child("non-members"));
            let roc = Roc::new(&choose_in, &choose_out)?;
            let mut best = (f64::NEG_INFINITY, f64::INFINITY);
            let points = roc.points();
            for (i, point) in points.iter().enumerate() {
                let bound = epsilon_lower_bound(&roc.counts(point), delta, alpha)?;
                if bound.epsilon > best.0 {
                    // Between two neighbouring scores every threshold decides alike here; the middle serves the other half best.
                    let below = points
                        .get(i + 1)
                        .map_or(point.threshold, |next| next.threshold);
                    let middle = f64::midpoint(below, point.threshold);
                    let sound = middle.is_finite() && middle > below;
                    best = (bound.epsilon, if sound { middle } else { point.threshold });
                }
            }
            at_threshold(&test_in, &test_out, best.1, delta, alpha)
        }
    }
}

fn at_threshold(
    members: &[f64],
    non_members: &[f64],
    threshold: f64,
    delta: f64,
    alpha: f64,
) -> Result<SelectedBound> {
    if threshold.is_nan() {
        return Err(MetricError::NotANumber {
            what: "threshold",
            index: 0,
        });
    }
    let counts = BinaryCounts::at_threshold(members, non_members, threshold)?;
    Ok(SelectedBound {
        bound: epsilon_lower_bound(&counts, delta, alpha)?,
        threshold,
        counts,
    })
}

fn halves(scores: &[f64], seed: &Seed) -> (Vec<f64>, Vec<f64>) {
    let mut shuffled = scores.to_vec();
    shuffled.shuffle(&mut seed.rng());
    let test = shuffled.split_off(shuffled.len() / 2);
    (shuffled, test)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn null_scores(seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Seed::root(seed).rng();
        let mut side = || (0..120).map(|_| rng.random::<f64>()).collect();
        (side(), side())
    }

    #[test]
    fn a_private_model_is_accused_no_more_often_than_alpha_allows() {
        let trials = 300u64;
        let (mut naive, mut split, mut bonferroni) = (0, 0, 0);
        let grid: Vec<f64> = (1..20).map(|i| f64::from(i) / 20.0).collect();
        for seed in 0..trials {
            let (members, non_members) = null_scores(seed);
            let positive = |s: &ThresholdSelection| {
                let found = select_epsilon_bound(&members, &non_members, s, 0.0, 0.05).unwrap();
                u32::from(found.bound.epsilon > 0.0)
            };
            split += positive(&ThresholdSelection::Split(Seed::root(seed).child("split")));
            bonferroni += positive(&ThresholdSelection::Bonferroni(grid.clone()));
            let roc = Roc::new(&members, &non_members).unwrap();
            naive += u32::from(roc.points().iter().any(|p| {
                let bound = epsilon_lower_bound(&roc.counts(p), 0.0, 0.05).unwrap();
                bound.epsilon > 0.0
            }));
        }
        // 15 of 300 would be 5 %.
        assert!(split <= 15 && bonferroni <= 15, "{split} {bonferroni}");
        assert!(
            naive > 2 * (split + bonferroni) + 3,
            "the uncorrected maximum: {naive}"
        );
    }

    #[test]
    fn nothing_to_choose_from_is_refused() {
        let none = ThresholdSelection::Bonferroni(vec![]);
        assert!(select_epsilon_bound(&[1.0], &[0.0], &none, 0.0, 0.05).is_err());
        let split = ThresholdSelection::Split(Seed::root(0));
        assert!(select_epsilon_bound(&[1.0], &[0.0], &split, 0.0, 0.05).is_err());
        let nan = ThresholdSelection::Fixed(f64::NAN);
        assert!(select_epsilon_bound(&[1.0], &[0.0], &nan, 0.0, 0.05).is_err());
    }
}
