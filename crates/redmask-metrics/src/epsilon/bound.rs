//! A lower bound on epsilon from true- and false-positive counts (Jagielski et al. 2020, Nasr et al. 2021).

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, Result, open_fraction};
use crate::interval::{clopper_pearson_lower, clopper_pearson_upper};
use crate::roc::BinaryCounts;

/// A lower bound on epsilon and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpsilonBound {
    /// The bound: the larger of the two ratios, at least 0.
    pub epsilon: f64,
    /// `ln((tpr_low - delta) / fpr_high)`; negative or `-inf` where accusations show nothing.
    pub from_accusations: f64,
    /// `ln((tnr_low - delta) / fnr_high)`; negative or `-inf` where acquittals show nothing.
    pub from_acquittals: f64,
}

/// The largest epsilon that these counts rule out, with a chance of error of at most `alpha`.
///
/// `(epsilon, delta)`-privacy implies `TPR <= e^epsilon FPR + delta` and `TNR <= e^epsilon FNR + delta`. Each rate is
/// replaced by the pessimistic end of its two-sided Clopper-Pearson interval of level `alpha` (the ends of TNR and FNR are
/// those of FPR and TPR, mirrored).
///
/// The decision rule must not have been chosen on these counts; [`super::select_epsilon_bound`] corrects for that.
///
/// ```
/// use redmask_metrics::BinaryCounts;
/// use redmask_metrics::epsilon::epsilon_lower_bound;
/// // 310 of 500 members found, 4 of 500 non-members accused: the rates are at least 0.5758 and at most 0.02036.
/// let counts = BinaryCounts { tp: 310, fn_: 190, fp: 4, tn: 496 };
/// let bound = epsilon_lower_bound(&counts, 0.0, 0.05)?;
/// assert!((bound.epsilon - (0.575846089f64 / 0.020355633).ln()).abs() < 1e-6);
/// assert!((bound.epsilon - 3.342483).abs() < 1e-6);
/// assert!((bound.from_acquittals - 0.837093).abs() < 1e-6);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If there are no members or no non-members, `alpha` is not strictly between 0 and 1, or `delta` is outside `[0, 1)`.
pub fn epsilon_lower_bound(counts: &BinaryCounts, delta: f64, alpha: f64) -> Result<EpsilonBound> {
    check_delta(delta)?;
    open_fraction("alpha", alpha)?;
    let (members, non_members) = (counts.tp + counts.fn_, counts.fp + counts.tn);
    let tpr_low = clopper_pearson_lower(counts.tp, members, alpha / 2.0)?;
    let fpr_high = clopper_pearson_upper(counts.fp, non_members, alpha / 2.0)?;
    let ratio = |low: f64, high: f64| ((low - delta).max(0.0) / high).ln();
    let from_accusations = ratio(tpr_low, fpr_high);
    let from_acquittals = ratio(1.0 - fpr_high, 1.0 - tpr_low);
    Ok(EpsilonBound {
        epsilon: from_accusations.max(from_acquittals).max(0.0),
        from_accusations,
        from_acquittals,
    })
}

pub(super) fn check_delta(delta: f64) -> Result<()> {
    if (0.0..1.0).contains(&delta) {
        return Ok(());
    }
    Err(MetricError::OutOfDomain {
        what: "delta",
        value: delta,
        domain: "in [0, 1)",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(tp: u64, members: u64, fp: u64, non_members: u64) -> EpsilonBound {
        let counts = BinaryCounts {
            tp,
            fn_: members - tp,
            fp,
            tn: non_members - fp,
        };
        epsilon_lower_bound(&counts, 0.0, 0.05).unwrap()
    }

    #[test]
    fn the_reference_table_holds() {
        for (tp, p, fp, n, accusations, acquittals) in [
            (310, 500, 4, 500, 3.342483, 0.837093),
            (100, 110, 10, 80, 1.348421, 1.581618),
            (20, 1000, 1, 1000, 0.790796, 0.006760),
            (500, 500, 0, 500, 4.905594, 4.905594),
            (1000, 1000, 0, 1000, 5.600588, 5.600588),
            (5000, 5000, 0, 5000, 7.211502, 7.211502),
        ] {
            let found = bound(tp, p, fp, n);
            assert!(
                (found.from_accusations - accusations).abs() < 1e-6,
                "{found:?}"
            );
            assert!(
                (found.from_acquittals - acquittals).abs() < 1e-6,
                "{found:?}"
            );
            assert_eq!(found.epsilon, accusations_or_acquittals(&found));
        }
    }

    fn accusations_or_acquittals(bound: &EpsilonBound) -> f64 {
        bound.from_accusations.max(bound.from_acquittals)
    }

    #[test]
    fn a_coin_shows_nothing_and_delta_explains_some() {
        assert_eq!(bound(250, 500, 250, 500).epsilon, 0.0);
        let counts = BinaryCounts {
            tp: 10,
            fn_: 990,
            fp: 0,
            tn: 1000,
        };
        let strict = epsilon_lower_bound(&counts, 0.0, 0.05).unwrap();
        let lax = epsilon_lower_bound(&counts, 0.01, 0.05).unwrap();
        assert!(strict.epsilon > 0.0 && lax.epsilon == 0.0);
        assert_eq!(lax.from_accusations, f64::NEG_INFINITY);
    }

    #[test]
    fn nonsense_is_refused() {
        let counts = BinaryCounts {
            tp: 1,
            fn_: 1,
            fp: 1,
            tn: 1,
        };
        assert!(epsilon_lower_bound(&counts, 1.0, 0.05).is_err());
        assert!(epsilon_lower_bound(&counts, 0.0, 1.0).is_err());
        assert!(epsilon_lower_bound(&BinaryCounts::default(), 0.0, 0.05).is_err());
    }
}
