//! Curve statistics of weighted records, so that a resample costs one pass and no sort.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, Result};
use crate::roc::allowed_false_positives;

/// A statistic that the bootstrap knows how to compute without sorting each resample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RocStatistic {
    /// Area under the curve.
    Auc,
    /// Largest true-positive rate at a false-positive rate of at most `fpr`.
    TprAtFpr {
        /// The rate allowed.
        fpr: f64,
    },
    /// Largest `TPR - FPR` over thresholds.
    Advantage,
    /// Share of right decisions of "member iff score >= threshold".
    Accuracy {
        /// The threshold, chosen without these records.
        threshold: f64,
    },
    /// Mean of TPR and TNR at a threshold.
    BalancedAccuracy {
        /// The threshold, chosen without these records.
        threshold: f64,
    },
    /// F1 at a threshold; 0 if nobody is accused.
    F1 {
        /// The threshold, chosen without these records.
        threshold: f64,
    },
    /// True-positive rate at a threshold.
    Tpr {
        /// The threshold, chosen without these records.
        threshold: f64,
    },
    /// False-positive rate at a threshold.
    Fpr {
        /// The threshold, chosen without these records.
        threshold: f64,
    },
}

/// Scores in descending order, ready to be weighted.
pub(super) struct Prepared<'a> {
    statistics: &'a [RocStatistic],
    /// Records by descending score: members are `0..members`, non-members follow.
    order: Vec<u32>,
    /// Whether the next record has another score.
    last_of_tie: Vec<bool>,
    members: u32,
    member_scores: &'a [f64],
    non_member_scores: &'a [f64],
}

pub(super) fn prepare<'a>(
    members: &'a [f64],
    non_members: &'a [f64],
    statistics: &'a [RocStatistic],
) -> Result<Prepared<'a>> {
    for statistic in statistics {
        match *statistic {
            RocStatistic::TprAtFpr { fpr } => {
                allowed_false_positives(fpr, non_members.len() as u64)?;
            }
            RocStatistic::Accuracy { threshold }
            | RocStatistic::BalancedAccuracy { threshold }
            | RocStatistic::F1 { threshold }
            | RocStatistic::Tpr { threshold }
            | RocStatistic::Fpr { threshold } => {
                if threshold.is_nan() {
                    return Err(MetricError::NotANumber {
                        what: "threshold",
                        index: 0,
                    });
                }
            }
            RocStatistic::Auc | RocStatistic::Advantage => {}
        }
    }
    let m = members.len() as u32;
    let score = |i: u32| match members.get(i as usize) {
        Some(&s) => s,
        None => non_members[(i - m) as usize],
    };
    let mut order: Vec<u32> = (0..m + non_members.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        let by_score = score(b).partial_cmp(&score(a)).unwrap_or(Ordering::Equal);
        by_score.then(a.cmp(&b))
    });
    let last_of_tie = (0..order.len())
        .map(|i| i + 1 == order.len() || score(order[i]) != score(order[i + 1]))
        .collect();
    Ok(Prepared {
        statistics,
        order,
        last_of_tie,
        members: m,
        member_scores: members,
        non_member_scores: non_members,
    })
}

/// Counts at a threshold, weighted.
struct Decision {
    tp: u64,
    fp: u64,
}

impl Prepared<'_> {
    /// Fills `out` with the statistics of a resample in which each record appears as often as its weight says.
    pub(super) fn at(&self, member_weights: &[u32], non_member_weights: &[u32], out: &mut [f64]) {
        let total = |weights: &[u32]| weights.iter().map(|&w| u64::from(w)).sum::<u64>();
        let (p, n) = (total(member_weights), total(non_member_weights));
        if p == 0 || n == 0 {
            out.fill(f64::NAN);
            return;
        }
        let allowed: Vec<u64> = self
            .statistics
            .iter()
            .map(|s| match s {
                // A resample of uneven groups can hold too few non-members for the rate; it then allows none.
                RocStatistic::TprAtFpr { fpr } => allowed_false_positives(*fpr, n).unwrap_or(0),
                _ => 0,
            })
            .collect();
        let needs_curve = self.statistics.iter().any(|s| {
            matches!(
                s,
                RocStatistic::Auc | RocStatistic::Advantage | RocStatistic::TprAtFpr { .. }
            )
        });

        let (mut doubled_wins, mut best_gain) = (0u128, 0i128);
        let mut tp_within = vec![0u64; self.statistics.len()];
        if needs_curve {
            let (mut tp, mut fp, mut up, mut right) = (0u64, 0u64, 0u64, 0u64);
            for (&record, &last) in self.order.iter().zip(&self.last_of_tie) {
                if record < self.members {
                    up += u64::from(member_weights[record as usize]);
                } else {
                    right += u64::from(non_member_weights[(record - self.members) as usize]);
                }
                if last {
                    doubled_wins += u128::from(right) * u128::from(2 * tp + up);
                    tp += up;
                    fp += right;
                    (up, right) = (0, 0);
                    let gain = i128::from(tp) * i128::from(n) - i128::from(fp) * i128::from(p);
                    best_gain = best_gain.max(gain);
                    for (best, &limit) in tp_within.iter_mut().zip(&allowed) {
                        if fp <= limit {
                            *best = tp;
                        }
                    }
                }
            }
        }
        let pairs = p as f64 * n as f64;
        for (k, statistic) in self.statistics.iter().enumerate() {
            out[k] = match *statistic {
                RocStatistic::Auc => doubled_wins as f64 / (2.0 * pairs),
                RocStatistic::Advantage => best_gain as f64 / pairs,
                RocStatistic::TprAtFpr { .. } => tp_within[k] as f64 / p as f64,
                RocStatistic::Accuracy { threshold } => {
                    let d = self.decide(threshold, member_weights, non_member_weights);
                    (d.tp + n - d.fp) as f64 / (p + n) as f64
                }
                RocStatistic::BalancedAccuracy { threshold } => {
                    let d = self.decide(threshold, member_weights, non_member_weights);
                    f64::midpoint(d.tp as f64 / p as f64, (n - d.fp) as f64 / n as f64)
                }
                RocStatistic::F1 { threshold } => {
                    let d = self.decide(threshold, member_weights, non_member_weights);
                    // 2 tp + fp + fn, where fn = p - tp.
                    2.0 * d.tp as f64 / (d.tp + d.fp + p) as f64
                }
                RocStatistic::Tpr { threshold } => {
                    let d = self.decide(threshold, member_weights, non_member_weights);
                    d.tp as f64 / p as f64
                }
                RocStatistic::Fpr { threshold } => {
                    let d = self.decide(threshold, member_weights, non_member_weights);
                    d.fp as f64 / n as f64
                }
            };
        }
    }

    fn decide(&self, threshold: f64, members: &[u32], non_members: &[u32]) -> Decision {
        let accused = |scores: &[f64], weights: &[u32]| -> u64 {
            let pairs = scores.iter().zip(weights);
            pairs
                .filter(|(s, _)| **s >= threshold)
                .map(|(_, &w)| u64::from(w))
                .sum()
        };
        Decision {
            tp: accused(self.member_scores, members),
            fp: accused(self.non_member_scores, non_members),
        }
    }
}
