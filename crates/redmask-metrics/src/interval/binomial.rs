//! Clopper-Pearson: the exact interval of a binomial proportion (Clopper and Pearson 1934).

use statrs::function::beta::{beta_reg, ln_beta};

use super::Interval;
use crate::error::{MetricError, Result, open_fraction};

/// The two-sided interval of `successes / trials` that misses the true proportion with a chance of at most `alpha`.
///
/// ```
/// use redmask_metrics::interval::clopper_pearson;
/// let fpr = clopper_pearson(4, 500, 0.05)?;
/// assert_eq!(fpr.value, 0.008);
/// assert!((fpr.low - 0.002183908).abs() < 1e-9 && (fpr.high - 0.020355633).abs() < 1e-9);
/// // No success at all: from 0 to 1 - (alpha / 2)^(1 / n).
/// let none = clopper_pearson(0, 500, 0.05)?;
/// assert_eq!(none.low, 0.0);
/// assert!((none.high - (1.0 - 0.025f64.powf(1.0 / 500.0))).abs() < 1e-12);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If `trials` is 0, `successes` exceeds it, or `alpha` is not strictly between 0 and 1.
pub fn clopper_pearson(successes: u64, trials: u64, alpha: f64) -> Result<Interval> {
    Ok(Interval {
        value: successes as f64 / trials as f64,
        low: clopper_pearson_lower(successes, trials, alpha / 2.0)?,
        high: clopper_pearson_upper(successes, trials, alpha / 2.0)?,
    })
}

/// The one-sided lower bound that exceeds the true proportion with a chance of at most `alpha`.
///
/// # Errors
/// As [`clopper_pearson`].
pub fn clopper_pearson_lower(successes: u64, trials: u64, alpha: f64) -> Result<f64> {
    check(successes, trials, alpha)?;
    if successes == 0 {
        return Ok(0.0);
    }
    let (k, n) = (successes as f64, trials as f64);
    if successes == trials {
        return Ok(alpha.powf(1.0 / n));
    }
    Ok(beta_quantile(alpha, k, n - k + 1.0))
}

/// The one-sided upper bound that the true proportion exceeds with a chance of at most `alpha`.
///
/// # Errors
/// As [`clopper_pearson`].
pub fn clopper_pearson_upper(successes: u64, trials: u64, alpha: f64) -> Result<f64> {
    check(successes, trials, alpha)?;
    if successes == trials {
        return Ok(1.0);
    }
    let (k, n) = (successes as f64, trials as f64);
    if successes == 0 {
        return Ok(-(alpha.ln() / n).exp_m1());
    }
    // The mirror image keeps the small tail at 0, where the quantile has its full relative precision.
    Ok(1.0 - beta_quantile(alpha, n - k, k + 1.0))
}

fn check(successes: u64, trials: u64, alpha: f64) -> Result<()> {
    open_fraction("the error level of an interval", alpha)?;
    if trials == 0 {
        return Err(MetricError::Empty("the set of trials"));
    }
    if successes > trials {
        return Err(MetricError::SizeMismatch {
            what: "successes and trials",
            left: successes.to_string(),
            right: trials.to_string(),
        });
    }
    Ok(())
}

/// The `p` quantile of Beta(a, b): Newton's method inside a bracket that only shrinks, so that it neither leaves the unit
/// interval nor stalls, whatever the tail.
fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let ln_beta = ln_beta(a, b);
    let density = |x: f64| ((a - 1.0) * x.ln() + (b - 1.0) * (-x).ln_1p() - ln_beta).exp();
    let (mut low, mut high) = (0.0f64, 1.0f64);
    let mut x = a / (a + b);
    loop {
        let excess = beta_reg(a, b, x) - p;
        if excess < 0.0 {
            low = x;
        } else {
            high = x;
        }
        let newton = x - excess / density(x);
        let inside = newton > low && newton < high;
        let next = if inside {
            newton
        } else {
            f64::midpoint(low, high)
        };
        if (next - x).abs() <= 2.0 * f64::EPSILON * x || next <= low || next >= high {
            return next;
        }
        x = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy's Beta quantiles.
    #[test]
    fn the_reference_intervals_hold() {
        for (k, n, low, high) in [
            (4, 500, 0.002183908, 0.020355633),
            (310, 500, 0.575846089, 0.662726038),
            (10, 1000, 0.004805511, 0.018313243),
            (3, 10, 0.066739511, 0.652452850),
            (0, 500, 0.0, 0.007350610),
        ] {
            let found = clopper_pearson(k, n, 0.05).unwrap();
            assert!((found.low - low).abs() < 1e-9, "{k}/{n}: {found:?}");
            assert!((found.high - high).abs() < 1e-9, "{k}/{n}: {found:?}");
        }
    }

    /// What a false-positive rate may still be after none in `n`, one-sided at 95 %: `1 - 0.05^(1/n)`.
    #[test]
    fn no_false_positive_still_bounds_the_rate() {
        for (n, bound) in [
            (100, 0.0295),
            (200, 0.0149),
            (400, 0.00746),
            (500, 0.00597),
            (1000, 0.00299),
            (5000, 0.000599),
            (10000, 0.000300),
        ] {
            let high = clopper_pearson_upper(0, n, 0.05).unwrap();
            assert!((high / bound - 1.0).abs() < 5e-3, "{n}: {high}");
            assert!((high - (1.0 - 0.05f64.powf(1.0 / n as f64))).abs() < 1e-12);
        }
    }

    #[test]
    fn all_successes_mirror_no_success() {
        let (none, all) = (
            clopper_pearson(0, 40, 0.1).unwrap(),
            clopper_pearson(40, 40, 0.1).unwrap(),
        );
        assert!((none.high - (1.0 - all.low)).abs() < 1e-14);
        assert_eq!(all.high, 1.0);
    }

    #[test]
    fn one_trial_has_a_closed_form() {
        // One success of two: P(X >= 1) = 1 - (1 - p)^2.
        let low = clopper_pearson_lower(1, 2, 0.05).unwrap();
        assert!((1.0 - (1.0 - low).powi(2) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(clopper_pearson(1, 0, 0.05).is_err());
        assert!(clopper_pearson(3, 2, 0.05).is_err());
        assert!(clopper_pearson(1, 2, 0.0).is_err());
        assert!(clopper_pearson(1, 2, f64::NAN).is_err());
    }
}
