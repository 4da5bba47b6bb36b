//! The exact step curve, with ties handled jointly.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::BinaryCounts;
use crate::error::{MetricError, Result, fraction, no_nan};
use crate::interval::clopper_pearson_upper;

/// One corner of the curve: the decision "member iff score >= threshold".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// The threshold; infinite at the first point, where nobody is accused.
    pub threshold: f64,
    /// Members at or above it.
    pub tp: u64,
    /// Non-members at or above it.
    pub fp: u64,
}

/// The ROC curve of membership scores.
///
/// ```
/// use redmask_metrics::Roc;
/// let roc = Roc::new(&[0.9, 0.7, 0.4], &[0.7, 0.2])?;
/// // Of the 6 pairs, members win 0.9 > 0.7, 0.9 > 0.2, 0.7 > 0.2, 0.4 > 0.2, lose 0.4 < 0.7, and tie 0.7 = 0.7.
/// assert_eq!(roc.auc(), 4.5 / 6.0);
/// // Nobody wrongly accused: only 0.9. One of two wrongly accused: threshold 0.7 or 0.4.
/// assert_eq!(roc.tpr_at_fpr(0.5)?, 1.0);
/// assert_eq!(roc.advantage(), 0.5);
/// // Two non-members cannot show a rate of 1 %.
/// assert!(roc.tpr_at_fpr(0.01).is_err());
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Roc {
    points: Vec<RocPoint>,
    members: u64,
    non_members: u64,
    /// Pairs won plus half the pairs tied, doubled to stay an integer.
    doubled_wins: u128,
}

impl Roc {
    /// The curve of these scores. Infinite scores are allowed.
    ///
    /// # Errors
    /// If one side is empty or a score is NaN.
    pub fn new(members: &[f64], non_members: &[f64]) -> Result<Self> {
        if members.is_empty() {
            return Err(MetricError::Empty("the set of members"));
        }
        if non_members.is_empty() {
            return Err(MetricError::Empty("the set of non-members"));
        }
        no_nan("member score", members)?;
        no_nan("non-member score", non_members)?;
        let mut scored: Vec<(f64, bool)> = members
            .iter()
            .map(|&s| (s, true))
            .chain(non_members.iter().map(|&s| (s, false)))
            .collect();
        scored.sort_unstable_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal));

        let mut points = vec![RocPoint {
            threshold: f64::INFINITY,
            tp: 0,
            fp: 0,
        }];
        let (mut tp, mut fp, mut doubled_wins) = (0u64, 0u64, 0u128);
        for tied in scored.chunk_by(|a, b| a.0 == b.0) {
            let up = tied.iter().filter(|s| s.1).count() as u64;
            let right = tied.len() as u64 - up;
            doubled_wins += u128::from(right) * u128::from(2 * tp + up);
            tp += up;
            fp += right;
            points.push(RocPoint {
                threshold: tied[0].0,
                tp,
                fp,
            });
        }
        Ok(Self {
            points,
            members: tp,
            non_members: fp,
            doubled_wins,
        })
    }

    /// Number of members.
    pub fn members(&self) -> u64 {
        self.members
    }

    /// Number of non-members.
    pub fn non_members(&self) -> u64 {
        self.non_members
    }

    /// The corners from (0, 0) to (all, all), one for each distinct score; both counts rise along the list.
    pub fn points(&self) -> &[RocPoint] {
        &self.points
    }

    /// FPR and TPR of a corner.
    pub fn rates(&self, point: &RocPoint) -> (f64, f64) {
        (
            point.fp as f64 / self.non_members as f64,
            point.tp as f64 / self.members as f64,
        )
    }

    /// All four counts of a corner.
    pub fn counts(&self, point: &RocPoint) -> BinaryCounts {
        BinaryCounts {
            tp: point.tp,
            fp: point.fp,
            tn: self.non_members - point.fp,
            fn_: self.members - point.tp,
        }
    }

    /// Area under the curve: the chance that a random member outscores a random non-member, ties counted half
    /// (Mann-Whitney). Exact up to one rounding.
    pub fn auc(&self) -> f64 {
        self.doubled_wins as f64 / (2.0 * self.members as f64 * self.non_members as f64)
    }

    /// The smallest false-positive rate above 0 that these non-members can show, `1 / n`.
    pub fn smallest_fpr(&self) -> f64 {
        1.0 / self.non_members as f64
    }

    /// The corner with the most true positives whose FPR is at most `fpr`; nothing is interpolated.
    ///
    /// # Errors
    /// If `fpr` is outside `[0, 1]` or finer than [`Roc::smallest_fpr`].
    pub fn point_at_fpr(&self, fpr: f64) -> Result<RocPoint> {
        let allowed = allowed_false_positives(fpr, self.non_members)?;
        let after = self.points.partition_point(|p| p.fp <= allowed);
        // The first corner accuses nobody, so at least one corner qualifies.
        Ok(self.points[after - 1])
    }

    /// The largest true-positive rate whose FPR is at most `fpr`.
    ///
    /// # Errors
    /// As [`Roc::point_at_fpr`].
    pub fn tpr_at_fpr(&self, fpr: f64) -> Result<f64> {
        Ok(self.rates(&self.point_at_fpr(fpr)?).1)
    }

    /// Share of members above every non-member, with the upper bound on the true FPR of that threshold: "no false
    /// positive among n" does not mean a rate of 0.
    ///
    /// ```
    /// use redmask_metrics::Roc;
    /// let non_members: Vec<f64> = (0..500).map(|i| f64::from(i) / 1000.0).collect();
    /// let (tpr, fpr_bound) = Roc::new(&[0.9, 0.2], &non_members)?.tpr_at_zero_false_positives(0.95)?;
    /// assert_eq!(tpr, 0.5);
    /// // 1 - 0.05^(1 / 500)
    /// assert!((fpr_bound - 0.0059735).abs() < 1e-7);
    /// # Ok::<(), redmask_metrics::MetricError>(())
    /// ```
    ///
    /// # Errors
    /// If `confidence` is not strictly between 0 and 1.
    pub fn tpr_at_zero_false_positives(&self, confidence: f64) -> Result<(f64, f64)> {
        let after = self.points.partition_point(|p| p.fp == 0);
        let tpr = self.rates(&self.points[after - 1]).1;
        Ok((
            tpr,
            clopper_pearson_upper(0, self.non_members, 1.0 - confidence)?,
        ))
    }

    /// The corner with the largest `TPR - FPR`; of equal ones that with the fewest accusations.
    pub fn best_point(&self) -> RocPoint {
        let (p, n) = (i128::from(self.members), i128::from(self.non_members));
        let gain = |point: &RocPoint| i128::from(point.tp) * n - i128::from(point.fp) * p;
        let mut best = self.points[0];
        for point in &self.points[1..] {
            if gain(point) > gain(&best) {
                best = *point;
            }
        }
        best
    }

    /// Attacker advantage: the largest `TPR - FPR` over thresholds. An oracle figure: nobody can choose that threshold
    /// without knowing the answer.
    pub fn advantage(&self) -> f64 {
        let (fpr, tpr) = self.rates(&self.best_point());
        tpr - fpr
    }

    /// The largest balanced accuracy over thresholds, `(1 + advantage) / 2`. An oracle figure.
    pub fn max_balanced_accuracy(&self) -> f64 {
        f64::midpoint(1.0, self.advantage())
    }
}

/// The largest number of false positives among `non_members` whose rate is at most `fpr`.
///
/// # Errors
/// If `fpr` is outside `[0, 1]` or allows none.
pub(crate) fn allowed_false_positives(fpr: f64, non_members: u64) -> Result<u64> {
    let fpr = fraction("the false-positive rate", fpr)?;
    let n = non_members as f64;
    // `0.29 * 100` is 28.999...: a product within rounding of an integer is that integer.
    let product = fpr * n;
    let nearest = product.round();
    let allowed = if (product - nearest).abs() <= 4.0 * f64::EPSILON * n {
        nearest
    } else {
        product.floor()
    };
    if allowed < 1.0 {
        return Err(MetricError::Unmeasurable {
            fpr,
            non_members: non_members as usize,
            smallest: 1.0 / n,
        });
    }
    Ok(allowed as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_move_diagonally() {
        let roc = Roc::new(&[1.0, 1.0], &[1.0, 1.0]).unwrap();
        assert_eq!(roc.points().len(), 2);
        assert_eq!(roc.auc(), 0.5);
        assert_eq!(roc.advantage(), 0.0);
    }

    #[test]
    fn a_rate_finer_than_one_record_is_refused() {
        let non_members = vec![0.0; 200];
        let roc = Roc::new(&[1.0], &non_members).unwrap();
        assert_eq!(roc.tpr_at_fpr(0.005), Ok(1.0));
        let error = roc.tpr_at_fpr(0.001).unwrap_err();
        assert!(matches!(
            error,
            MetricError::Unmeasurable {
                non_members: 200,
                ..
            }
        ));
        assert!(roc.tpr_at_fpr(0.0).is_err());
        assert!(roc.tpr_at_fpr(1.5).is_err());
    }

    #[test]
    fn rates_that_are_not_binary_fractions_keep_their_last_record() {
        for n in [10u64, 100, 1000, 9999] {
            for k in 1..=n.min(300) {
                assert_eq!(allowed_false_positives(k as f64 / n as f64, n), Ok(k));
            }
        }
        assert_eq!(allowed_false_positives(0.29, 100), Ok(29));
    }

    #[test]
    fn infinite_scores_are_scores() {
        let roc = Roc::new(&[f64::INFINITY], &[f64::NEG_INFINITY]).unwrap();
        assert_eq!(roc.auc(), 1.0);
    }

    #[test]
    fn empty_sides_and_nan_are_refused() {
        assert!(Roc::new(&[], &[0.0]).is_err());
        assert!(Roc::new(&[0.0], &[]).is_err());
        assert!(Roc::new(&[0.0, f64::NAN], &[0.0]).is_err());
    }
}
