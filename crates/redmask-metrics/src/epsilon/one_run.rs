//! An audit of one training run with many canaries (Steinke, Nasr and Jagielski 2023).

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use super::bound::check_delta;
use crate::error::{MetricError, Result, open_fraction};

/// The outcome of a one-run audit. Each of `canaries` records was put into the training set by a fair coin; the auditor
/// guessed `guesses` of them ("in" for the highest scores, "out" for the lowest), abstained on the rest, and was right
/// `correct` times. How many to guess must be fixed before the scores are seen.
///
/// ```
/// use redmask_metrics::epsilon::OneRunAudit;
/// // Without a delta the count of right guesses is at most Binomial(100, e^eps / (1 + e^eps)).
/// let audit = OneRunAudit { canaries: 1000, guesses: 100, correct: 90, delta: 0.0 };
/// assert!((audit.epsilon(0.05)? - 1.63082).abs() < 1e-5);
/// // A coin gets half of its guesses right.
/// let coin = OneRunAudit { correct: 50, ..audit };
/// assert_eq!(coin.epsilon(0.05)?, 0.0);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneRunAudit {
    /// Records whose membership a coin decided.
    pub canaries: u64,
    /// Those that were guessed.
    pub guesses: u64,
    /// Those that were guessed right.
    pub correct: u64,
    /// The delta of the claim that is tested.
    pub delta: f64,
}

/// No claim worth testing is larger; `e^-64` is below any tail that counts can show.
const LARGEST_EPSILON: f64 = 64.0;

impl OneRunAudit {
    /// The chance of at least this many right guesses if the training were `(epsilon, delta)`-private, at most.
    ///
    /// # Errors
    /// If `correct <= guesses <= canaries` does not hold, `delta` is outside `[0, 1)`, or `epsilon` is negative or NaN.
    pub fn p_value(&self, epsilon: f64) -> Result<f64> {
        self.check()?;
        if epsilon.is_nan() || epsilon < 0.0 {
            return Err(MetricError::OutOfDomain {
                what: "epsilon",
                value: epsilon,
                domain: "0 or more",
            });
        }
        Ok(self.tail(epsilon))
    }

    fn tail(&self, epsilon: f64) -> f64 {
        let pmf = BinomialPmf::new(self.guesses, epsilon);
        let correct = self.correct;
        let beta: f64 = (correct..=self.guesses).rev().map(|k| pmf.at(k)).sum();
        if self.delta == 0.0 {
            return beta.min(1.0);
        }
        let (mut below, mut alpha) = (0.0, 0.0f64);
        for i in 1..=correct {
            below += pmf.at(correct - i);
            alpha = alpha.max(below / i as f64);
        }
        (beta + 2.0 * self.canaries as f64 * self.delta * alpha).min(1.0)
    }

    /// The largest epsilon that the outcome rules out, with a chance of error of at most `significance`.
    ///
    /// # Errors
    /// As [`OneRunAudit::p_value`]; also if `significance` is not strictly between 0 and 1.
    pub fn epsilon(&self, significance: f64) -> Result<f64> {
        self.check()?;
        open_fraction("the significance", significance)?;
        let ruled_out = |epsilon| self.tail(epsilon) < significance;
        if !ruled_out(0.0) {
            return Ok(0.0);
        }
        let (mut low, mut high) = (0.0, LARGEST_EPSILON);
        while high - low > 1e-12 {
            let middle = f64::midpoint(low, high);
            if ruled_out(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn check(&self) -> Result<()> {
        check_delta(self.delta)?;
        if self.guesses == 0 {
            return Err(MetricError::Empty("the set of guesses"));
        }
        for (what, few, many) in [
            ("correct guesses and guesses", self.correct, self.guesses),
            ("guesses and canaries", self.guesses, self.canaries),
        ] {
            if few > many {
                return Err(MetricError::SizeMismatch {
                    what,
                    left: few.to_string(),
                    right: many.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// `Binomial(n, e^eps / (1 + e^eps))`, in logarithms so that no tail underflows early.
struct BinomialPmf {
    n: u64,
    ln_success: f64,
    ln_failure: f64,
    ln_n_factorial: f64,
}

impl BinomialPmf {
    fn new(n: u64, epsilon: f64) -> Self {
        let ln_success = -(-epsilon).exp().ln_1p();
        Self {
            n,
            ln_success,
            ln_failure: ln_success - epsilon,
            ln_n_factorial: ln_gamma(n as f64 + 1.0),
        }
    }

    fn at(&self, k: u64) -> f64 {
        let (successes, failures) = (k as f64, (self.n - k) as f64);
        (self.ln_n_factorial - ln_gamma(successes + 1.0) - ln_gamma(failures + 1.0)
            + successes * self.ln_success
            + failures * self.ln_failure)
            .exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(canaries: u64, guesses: u64, correct: u64, delta: f64) -> OneRunAudit {
        OneRunAudit {
            canaries,
            guesses,
            correct,
            delta,
        }
    }

    #[test]
    fn the_reference_epsilons_hold() {
        for (m, r, v, delta, epsilon) in [
            (1000, 100, 75, 0.0, 0.70221),
            (1000, 100, 90, 0.0, 1.63082),
            (1000, 100, 100, 0.0, 3.49297),
            (1000, 1000, 600, 0.0, 0.29747),
            (5000, 500, 400, 0.0, 1.19865),
            (1000, 100, 90, 1e-5, 1.62614),
            (1000, 20, 20, 0.0, 1.82272),
            (100, 100, 50, 0.0, 0.0),
        ] {
            let found = audit(m, r, v, delta).epsilon(0.05).unwrap();
            assert!(
                (found - epsilon).abs() < 6e-6,
                "{m} {r} {v} {delta}: {found}"
            );
        }
    }

    #[test]
    fn the_reference_p_values_hold() {
        for (m, r, v, delta, p) in [
            (1000, 100, 90, 0.0, 2.736e-5),
            (1000, 100, 90, 1e-5, 8.4129e-4),
            (5000, 500, 400, 0.0, 2.1293e-4),
        ] {
            let found = audit(m, r, v, delta).p_value(1.0).unwrap();
            assert!(
                (found / p - 1.0).abs() < 2e-4,
                "{m} {r} {v} {delta}: {found}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(audit(10, 11, 5, 0.0).epsilon(0.05).is_err());
        assert!(audit(10, 5, 6, 0.0).epsilon(0.05).is_err());
        assert!(audit(10, 0, 0, 0.0).epsilon(0.05).is_err());
        assert!(audit(10, 5, 5, 1.0).epsilon(0.05).is_err());
        assert!(audit(10, 5, 5, 0.0).epsilon(0.0).is_err());
        assert!(audit(10, 5, 5, 0.0).p_value(-1.0).is_err());
    }
}
