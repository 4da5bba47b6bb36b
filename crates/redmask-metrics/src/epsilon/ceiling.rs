//! Two ceilings: what a perfect attack could prove with this many records, and what any attack can reach against a model
//! that is differentially private.

use super::bound::check_delta;
use super::{EpsilonBound, epsilon_lower_bound};
use crate::error::{MetricError, Result, fraction};
use crate::roc::BinaryCounts;

/// The bound that an attack without a single mistake would give. No audit of this size can report more, so a bound
/// near it says more about the size than about the model.
///
/// ```
/// use redmask_metrics::epsilon::ceiling::audit_ceiling;
/// assert!((audit_ceiling(500, 500, 0.0, 0.05)?.epsilon - 4.905594).abs() < 1e-6);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// As [`epsilon_lower_bound`].
pub fn audit_ceiling(
    members: u64,
    non_members: u64,
    delta: f64,
    alpha: f64,
) -> Result<EpsilonBound> {
    let perfect = BinaryCounts {
        tp: members,
        fp: 0,
        tn: non_members,
        fn_: 0,
    };
    epsilon_lower_bound(&perfect, delta, alpha)
}

/// The largest true-positive rate at `fpr` against an `(epsilon, delta)`-private model:
/// `min(1, e^eps fpr + delta, 1 - e^-eps (1 - delta - fpr))`.
///
/// ```
/// use redmask_metrics::epsilon::ceiling::max_tpr;
/// // At epsilon 1 an attack gains a factor of e at most.
/// assert!((max_tpr(0.01, 1.0, 1e-5)? - (0.01 * 1f64.exp() + 1e-5)).abs() < 1e-12);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If `fpr` is outside `[0, 1]`, `epsilon` is negative or NaN, or `delta` is outside `[0, 1)`.
pub fn max_tpr(fpr: f64, epsilon: f64, delta: f64) -> Result<f64> {
    let fpr = fraction("the false-positive rate", fpr)?;
    check(epsilon, delta)?;
    let (grow, shrink) = (epsilon.exp(), (-epsilon).exp());
    // `inf * 0` has no value; no false positive means no gain beyond delta.
    let by_accusation = if fpr == 0.0 {
        delta
    } else {
        grow * fpr + delta
    };
    let by_acquittal = 1.0 - shrink * (1.0 - delta - fpr);
    Ok(by_accusation.min(by_acquittal).clamp(fpr, 1.0))
}

/// The largest balanced accuracy against an `(epsilon, delta)`-private model: `(e^eps + delta) / (1 + e^eps)`.
///
/// ```
/// use redmask_metrics::epsilon::ceiling::max_balanced_accuracy;
/// assert_eq!(max_balanced_accuracy(0.0, 0.0)?, 0.5);
/// assert!((max_balanced_accuracy(1.0, 1e-5)? - 0.73106).abs() < 1e-5);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If `epsilon` is negative or NaN, or `delta` is outside `[0, 1)`.
pub fn max_balanced_accuracy(epsilon: f64, delta: f64) -> Result<f64> {
    check(epsilon, delta)?;
    let shrink = (-epsilon).exp();
    Ok((1.0 + delta * shrink) / (1.0 + shrink))
}

fn check(epsilon: f64, delta: f64) -> Result<()> {
    check_delta(delta)?;
    if epsilon >= 0.0 {
        return Ok(());
    }
    Err(MetricError::OutOfDomain {
        what: "epsilon",
        value: epsilon,
        domain: "0 or more",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_figures_hold() {
        let close = |a: f64, b: f64, digits: f64| assert!((a - b).abs() < digits, "{a} {b}");
        close(max_tpr(0.01, 8.5, 2e-3).unwrap(), 0.9998, 5e-5);
        close(max_balanced_accuracy(8.5, 2e-3).unwrap(), 0.9998, 5e-5);
        close(max_tpr(0.01, 1.0, 1e-5).unwrap(), 0.02719, 5e-6);
        close(max_tpr(0.001, 1.0, 1e-5).unwrap(), 0.002728, 5e-7);
        close(max_tpr(0.01, 0.5, 1e-5).unwrap(), 0.016497, 5e-7);
        close(max_balanced_accuracy(0.5, 1e-5).unwrap(), 0.62246, 5e-6);
        for (n, ceiling) in [(500, 4.905594), (1000, 5.600588), (5000, 7.211502)] {
            close(
                audit_ceiling(n, n, 0.0, 0.05).unwrap().epsilon,
                ceiling,
                1e-6,
            );
        }
    }

    #[test]
    fn no_privacy_allows_everything_and_perfect_privacy_nothing() {
        assert_eq!(max_tpr(0.2, f64::INFINITY, 0.0), Ok(1.0));
        assert_eq!(max_tpr(0.0, f64::INFINITY, 0.0), Ok(0.0));
        assert_eq!(max_tpr(0.2, 0.0, 0.0), Ok(0.2));
        assert_eq!(max_balanced_accuracy(f64::INFINITY, 0.0), Ok(1.0));
        assert!(max_tpr(0.2, -1.0, 0.0).is_err());
        assert!(max_tpr(0.2, f64::NAN, 0.0).is_err());
    }
}
