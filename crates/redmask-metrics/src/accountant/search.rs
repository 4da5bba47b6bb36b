//! The least noise that keeps a training within its privacy budget.

use serde::{Deserialize, Serialize};

use super::{Accountant, SampledGaussian, spent};
use crate::error::{MetricError, Result, open_fraction};

/// What a training may spend, and how it will run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseTarget {
    /// The budget.
    pub epsilon: f64,
    /// The delta it holds at.
    pub delta: f64,
    /// Chance of a record to be in a batch.
    pub sample_rate: f64,
    /// Number of steps.
    pub steps: u64,
    /// How far below the budget the result may stay, in units of epsilon.
    pub tolerance: f64,
}

/// Opacus stops at a tolerance of 0.01.
const DEFAULT_TOLERANCE: f64 = 0.01;

impl NoiseTarget {
    /// A budget with the usual tolerance of 0.01.
    pub fn new(epsilon: f64, delta: f64, sample_rate: f64, steps: u64) -> Self {
        Self {
            epsilon,
            delta,
            sample_rate,
            steps,
            tolerance: DEFAULT_TOLERANCE,
        }
    }
}

/// Noise beyond this drowns any gradient; Opacus gives up there too.
const MOST_NOISE: f64 = 1e6;

/// The noise multiplier whose epsilon lies below the budget by at most the tolerance. Doubles from 10 and bisects, in the
/// same steps as Opacus' `get_noise_multiplier`, so that the two agree to the last digit.
///
/// ```
/// use redmask_metrics::accountant::{Accountant, NoiseTarget, noise_for};
/// let target = NoiseTarget::new(8.0, 1e-5, 0.01, 1000);
/// assert!((noise_for(&target, Accountant::Rdp)? - 0.615845).abs() < 1e-6);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If no noise can meet the budget, a parameter is out of range, or the accountant gives no upper bound.
pub fn noise_for(target: &NoiseTarget, accountant: Accountant) -> Result<f64> {
    open_fraction("delta", target.delta)?;
    for (what, value) in [
        ("the target epsilon", target.epsilon),
        ("the tolerance on epsilon", target.tolerance),
    ] {
        if !value.is_finite() || value <= 0.0 {
            return Err(MetricError::OutOfDomain {
                what,
                value,
                domain: "finite and above 0",
            });
        }
    }
    if !accountant.is_bound() {
        return Err(MetricError::Failed {
            what: "noise for a privacy budget",
            problem: "the central-limit accountant is an approximation and guarantees nothing"
                .to_owned(),
        });
    }
    if target.steps == 0 || target.sample_rate == 0.0 {
        return Ok(0.0);
    }
    let epsilon_at = |sigma| -> Result<f64> {
        let steps = SampledGaussian::new(target.sample_rate, sigma, target.steps)?;
        Ok(spent(&[steps], target.delta, accountant)?.epsilon)
    };
    let (mut low, mut high) = (0.0, 10.0);
    let mut at_high = f64::INFINITY;
    while at_high > target.epsilon {
        high *= 2.0;
        if high > MOST_NOISE {
            return Err(MetricError::Failed {
                what: "noise for a privacy budget",
                problem: format!(
                    "epsilon {} at delta {} is out of reach: even noise {} spends {at_high:.4}",
                    target.epsilon,
                    target.delta,
                    high / 2.0
                ),
            });
        }
        at_high = epsilon_at(high)?;
    }
    while target.epsilon - at_high > target.tolerance {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        let at_middle = epsilon_at(middle)?;
        if at_middle < target.epsilon {
            (high, at_high) = (middle, at_middle);
        } else {
            low = middle;
        }
    }
    Ok(high)
}
