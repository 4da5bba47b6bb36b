//! Gaussian differential privacy: the trade-off of telling N(0, 1) from N(mu, 1) (Dong, Roth and Su 2022).

use serde::{Deserialize, Serialize};

use super::bound::check_delta;
use crate::error::{MetricError, Result, open_fraction};
use crate::interval::clopper_pearson_upper;
use crate::normal;
use crate::roc::BinaryCounts;

/// `mu`-Gaussian differential privacy.
///
/// ```
/// use redmask_metrics::epsilon::GaussianDp;
/// let gdp = GaussianDp::new(1.0)?;
/// // Phi(-eps / mu + mu / 2) - e^eps Phi(-eps / mu - mu / 2) at eps = 1: Phi(-0.5) - e Phi(-1.5).
/// assert!((gdp.delta(1.0) - (0.3085375387 - 1f64.exp() * 0.0668072013)).abs() < 1e-9);
/// assert!((gdp.epsilon(gdp.delta(1.0))? - 1.0).abs() < 1e-9);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct GaussianDp {
    mu: f64,
}

impl GaussianDp {
    /// The guarantee with this `mu`; a Gaussian mechanism of sensitivity 1 and noise `sigma` has `mu = 1 / sigma`.
    ///
    /// # Errors
    /// If `mu` is negative, NaN or infinite.
    pub fn new(mu: f64) -> Result<Self> {
        if mu.is_finite() && mu >= 0.0 {
            return Ok(Self { mu });
        }
        Err(MetricError::OutOfDomain {
            what: "mu",
            value: mu,
            domain: "finite and 0 or more",
        })
    }

    /// The separation of the two Gaussians, in standard deviations.
    pub fn mu(&self) -> f64 {
        self.mu
    }

    /// The largest `mu` that an attack's counts rule out (Nasr et al. 2023), if the mechanism is Gaussian: the distance
    /// between the pessimistic ends of both error rates, `quantile(1 - fpr_high) - quantile(fnr_high)`, at least 0. The
    /// two intervals share the error `alpha`.
    ///
    /// # Errors
    /// If there are no members or no non-members, or `alpha` is not strictly between 0 and 1.
    pub fn lower_bound(counts: &BinaryCounts, alpha: f64) -> Result<Self> {
        let fpr = clopper_pearson_upper(counts.fp, counts.fp + counts.tn, alpha / 2.0)?;
        let fnr = clopper_pearson_upper(counts.fn_, counts.tp + counts.fn_, alpha / 2.0)?;
        if fpr >= 1.0 || fnr >= 1.0 {
            return Self::new(0.0);
        }
        Self::new((-normal::quantile(fpr) - normal::quantile(fnr)).max(0.0))
    }

    /// The smallest delta at `epsilon`: `Phi(-eps / mu + mu / 2) - e^eps Phi(-eps / mu - mu / 2)` (Balle and Wang 2018).
    pub fn delta(&self, epsilon: f64) -> f64 {
        if self.mu == 0.0 {
            return (-epsilon.exp_m1()).max(0.0);
        }
        let (a, b) = (
            -epsilon / self.mu + self.mu / 2.0,
            -epsilon / self.mu - self.mu / 2.0,
        );
        let tail = normal::cdf(b);
        // `inf * 0` far out in the tail.
        let subtracted = if tail == 0.0 {
            0.0
        } else {
            epsilon.exp() * tail
        };
        (normal::cdf(a) - subtracted).clamp(0.0, 1.0)
    }

    /// The smallest epsilon of at least 0 at `delta`.
    ///
    /// # Errors
    /// If `delta` is not strictly between 0 and 1.
    pub fn epsilon(&self, delta: f64) -> Result<f64> {
        open_fraction("delta", delta)?;
        check_delta(delta)?;
        if self.delta(0.0) <= delta {
            return Ok(0.0);
        }
        // delta(eps) <= Phi(-eps / mu + mu / 2), which falls below delta from here on.
        let mut high = self.mu * (self.mu / 2.0 - normal::quantile(delta)) + 1e-9;
        let mut low = 0.0;
        while high - low > 1e-14 * high {
            let middle = f64::midpoint(low, high);
            if middle <= low || middle >= high {
                break;
            }
            if self.delta(middle) > delta {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_deltas_hold() {
        for (mu, epsilon, delta) in [
            (1.0, 1.0, 0.1269367375),
            (1.0, 0.0, 0.3829249225),
            (0.5, 1.0, 0.0068295950),
            (2.0, 4.0, 0.0849533187),
        ] {
            let found = GaussianDp::new(mu).unwrap().delta(epsilon);
            assert!((found - delta).abs() < 1e-10, "{mu} {epsilon}: {found}");
        }
    }

    #[test]
    fn the_reference_epsilons_hold() {
        for (mu, epsilon) in [
            (0.1, 0.340669),
            (0.5, 1.993091),
            (1.0, 4.377178),
            (4.0, 24.381611),
        ] {
            let found = GaussianDp::new(mu).unwrap().epsilon(1e-5).unwrap();
            assert!((found - epsilon).abs() < 1e-6, "{mu}: {found}");
        }
    }

    #[test]
    fn a_bound_needs_separation() {
        let counts = |tp, fn_, fp, tn| BinaryCounts { tp, fp, tn, fn_ };
        let none = GaussianDp::lower_bound(&counts(50, 50, 50, 50), 0.05).unwrap();
        assert_eq!(none.mu(), 0.0);
        let all_wrong = GaussianDp::lower_bound(&counts(0, 10, 10, 0), 0.05).unwrap();
        assert_eq!(all_wrong.mu(), 0.0);
        let strong = GaussianDp::lower_bound(&counts(450, 50, 50, 450), 0.05).unwrap();
        // The point estimate is 2 * quantile(0.9) = 2.563.
        assert!(2.0 < strong.mu() && strong.mu() < 2.563);
    }

    #[test]
    fn perfect_privacy_needs_no_epsilon() {
        assert_eq!(GaussianDp::new(0.0).unwrap().epsilon(1e-9), Ok(0.0));
        assert_eq!(GaussianDp::new(0.0).unwrap().delta(1.0), 0.0);
        assert!(GaussianDp::new(f64::NAN).is_err());
        assert!(GaussianDp::new(-1.0).is_err());
    }
}
