//! The confusion counts of a yes/no decision.

use serde::{Deserialize, Serialize};

use crate::error::{Result, no_nan, open_fraction};

/// Decisions about members (positives) and non-members (negatives).
///
/// ```
/// use redmask_metrics::BinaryCounts;
/// // The global-loss attack of Chobola et al. (2022) on LIVER, from the released log.
/// let counts = BinaryCounts { tp: 310, fp: 4, tn: 496, fn_: 190 };
/// assert_eq!(counts.accuracy(), Some(0.806));
/// assert!((counts.f1().unwrap() - 620.0 / 814.0).abs() < 1e-12);
/// assert_eq!((counts.tpr(), counts.fpr()), (Some(0.62), Some(0.008)));
/// assert!((counts.advantage().unwrap() - 0.612).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BinaryCounts {
    /// Members called members.
    pub tp: u64,
    /// Non-members called members.
    pub fp: u64,
    /// Non-members called non-members.
    pub tn: u64,
    /// Members called non-members.
    #[serde(rename = "fn")]
    pub fn_: u64,
}

fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

impl BinaryCounts {
    /// Counts the decisions "member iff score >= threshold".
    ///
    /// # Errors
    /// If a score is NaN.
    pub fn at_threshold(members: &[f64], non_members: &[f64], threshold: f64) -> Result<Self> {
        no_nan("member score", members)?;
        no_nan("non-member score", non_members)?;
        let above = |scores: &[f64]| scores.iter().filter(|&&s| s >= threshold).count() as u64;
        let (tp, fp) = (above(members), above(non_members));
        Ok(Self {
            tp,
            fp,
            tn: non_members.len() as u64 - fp,
            fn_: members.len() as u64 - tp,
        })
    }

    /// Share of right decisions; `None` without a decision.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.tp + self.tn, self.tp + self.tn + self.fp + self.fn_)
    }

    /// Mean of TPR and TNR: the accuracy at equally many members and non-members.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        Some(f64::midpoint(self.tpr()?, self.tnr()?))
    }

    /// True-positive rate (recall): share of members found.
    pub fn tpr(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fn_)
    }

    /// False-positive rate: share of non-members accused.
    pub fn fpr(&self) -> Option<f64> {
        ratio(self.fp, self.fp + self.tn)
    }

    /// True-negative rate, `1 - FPR`.
    pub fn tnr(&self) -> Option<f64> {
        ratio(self.tn, self.fp + self.tn)
    }

    /// Share of accusations that are right, at the test's own mix of members and non-members.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fp)
    }

    /// Harmonic mean of precision and recall, `2 tp / (2 tp + fp + fn)`; 0 if nobody was accused though there are
    /// members, `None` if there is nothing to find and nobody was accused.
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn_)
    }

    /// Membership advantage of this decision rule, `TPR - FPR` (Yeom et al. 2018).
    pub fn advantage(&self) -> Option<f64> {
        Some(self.tpr()? - self.fpr()?)
    }

    /// Positive predictive value if a share `prior` of the audited population are members:
    /// `prior TPR / (prior TPR + (1 - prior) FPR)`. `None` if nobody would be accused or a class is empty.
    ///
    /// ```
    /// use redmask_metrics::BinaryCounts;
    /// let counts = BinaryCounts { tp: 50, fp: 10, tn: 90, fn_: 50 };
    /// // Of 1000 people 10 are members: 5 true accusations, 99 false ones.
    /// assert!((counts.ppv_at_prior(0.01)?.unwrap() - 5.0 / 104.0).abs() < 1e-12);
    /// # Ok::<(), redmask_metrics::MetricError>(())
    /// ```
    ///
    /// # Errors
    /// If `prior` is not strictly between 0 and 1.
    pub fn ppv_at_prior(&self, prior: f64) -> Result<Option<f64>> {
        let prior = open_fraction("the prior", prior)?;
        Ok(self.tpr().zip(self.fpr()).and_then(|(tpr, fpr)| {
            let accused = prior * tpr + (1.0 - prior) * fpr;
            (accused > 0.0).then(|| prior * tpr / accused)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_with_the_threshold_is_an_accusation() {
        let counts = BinaryCounts::at_threshold(&[1.0, 2.0], &[1.0, 0.0], 1.0).unwrap();
        assert_eq!(
            counts,
            BinaryCounts {
                tp: 2,
                fp: 1,
                tn: 1,
                fn_: 0
            }
        );
    }

    #[test]
    fn undefined_ratios_are_none() {
        let nobody = BinaryCounts::default();
        assert_eq!(nobody.accuracy(), None);
        assert_eq!(nobody.f1(), None);
        let silent = BinaryCounts {
            tp: 0,
            fp: 0,
            tn: 5,
            fn_: 5,
        };
        assert_eq!(silent.precision(), None);
        assert_eq!(silent.f1(), Some(0.0));
        assert_eq!(silent.ppv_at_prior(0.5), Ok(None));
        assert!(silent.ppv_at_prior(0.0).is_err());
    }

    #[test]
    fn a_nan_score_is_refused() {
        assert!(BinaryCounts::at_threshold(&[f64::NAN], &[0.0], 0.0).is_err());
    }
}
