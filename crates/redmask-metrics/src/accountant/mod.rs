//! How much differential privacy DP-SGD spends: accountants for the Poisson-subsampled Gaussian mechanism.
//!
//! Two data sets are neighbours if one has one record more (add-or-remove-one). A step samples each record with chance
//! `q`, clips, sums, and adds noise of `sigma` times the clipping norm.

mod gdp;
mod log_space;
pub mod pld;
pub mod rdp;
mod search;

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, Result, fraction, open_fraction};

pub use gdp::central_limit_mu;
pub use search::{NoiseTarget, noise_for};

/// Equal steps of DP-SGD. A training history is a list of these; the sampling rate or the noise may change between them.
///
/// ```
/// use redmask_metrics::accountant::{Accountant, SampledGaussian, spent};
/// let steps = SampledGaussian::new(0.01, 1.0, 1000)?;
/// let by_moments = spent(&[steps], 1e-5, Accountant::Rdp)?;
/// assert!((by_moments.epsilon - 2.101365).abs() < 2e-5);
/// let by_loss = spent(&[steps], 1e-5, Accountant::Pld)?;
/// assert!((by_loss.epsilon - 1.828244).abs() < 2e-5);
/// // Steps before and after a change of noise add up.
/// let later = SampledGaussian::new(0.02, 2.0, 300)?;
/// let both = spent(&[SampledGaussian::new(0.01, 1.0, 500)?, later], 1e-5, Accountant::Rdp)?;
/// assert!((both.epsilon - 1.798150).abs() < 2e-5);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampledGaussian {
    sample_rate: f64,
    noise_multiplier: f64,
    steps: u64,
}

impl SampledGaussian {
    /// Steps with sampling rate `q` and noise multiplier `sigma` (the noise's standard deviation over the clipping norm).
    ///
    /// # Errors
    /// If `q` is outside `[0, 1]`, or `sigma` is negative, NaN or infinite.
    pub fn new(sample_rate: f64, noise_multiplier: f64, steps: u64) -> Result<Self> {
        fraction("the sampling rate", sample_rate)?;
        if !noise_multiplier.is_finite() || noise_multiplier < 0.0 {
            return Err(MetricError::OutOfDomain {
                what: "the noise multiplier",
                value: noise_multiplier,
                domain: "finite and 0 or more",
            });
        }
        Ok(Self {
            sample_rate,
            noise_multiplier,
            steps,
        })
    }

    /// Chance of a record to be in a batch.
    pub fn sample_rate(&self) -> f64 {
        self.sample_rate
    }

    /// Standard deviation of the noise over the clipping norm.
    pub fn noise_multiplier(&self) -> f64 {
        self.noise_multiplier
    }

    /// Number of steps, empty batches included.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether these steps show nothing of any record.
    fn is_silent(&self) -> bool {
        self.steps == 0 || self.sample_rate == 0.0
    }
}

/// How privacy loss is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accountant {
    /// Renyi differential privacy: fast, an upper bound, some 5 to 20 % loose.
    Rdp,
    /// The privacy-loss distribution, composed by FFT: an upper bound, tight.
    Pld,
    /// The central limit of Gaussian differential privacy: an *approximation* that can lie below the true epsilon. For
    /// comparison only; never a guarantee.
    GdpApproximation,
}

impl Accountant {
    /// Whether its epsilon is an upper bound.
    pub fn is_bound(self) -> bool {
        self != Self::GdpApproximation
    }
}

/// The privacy spent by a training history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Epsilon at `delta`; infinite if some step had no noise.
    pub epsilon: f64,
    /// The delta it holds at.
    pub delta: f64,
    /// Who computed it.
    pub accountant: Accountant,
    /// The Renyi order that gave the smallest bound, for [`Accountant::Rdp`].
    pub order: Option<f64>,
    /// Whether that order is the first or last one tried, so that another grid could give a smaller bound.
    pub order_at_edge: bool,
}

/// The epsilon that a history of steps has spent at `delta`.
///
/// # Errors
/// If `delta` is not strictly between 0 and 1.
pub fn spent(history: &[SampledGaussian], delta: f64, accountant: Accountant) -> Result<Spent> {
    open_fraction("delta", delta)?;
    let loud: Vec<SampledGaussian> = history.iter().filter(|s| !s.is_silent()).copied().collect();
    let plain = |epsilon| Spent {
        epsilon,
        delta,
        accountant,
        order: None,
        order_at_edge: false,
    };
    if loud.is_empty() {
        return Ok(plain(0.0));
    }
    if loud.iter().any(|s| s.noise_multiplier == 0.0) {
        return Ok(plain(f64::INFINITY));
    }
    match accountant {
        Accountant::Rdp => {
            let best = rdp::epsilon(&loud, delta);
            Ok(Spent {
                order: Some(best.order),
                order_at_edge: best.at_edge,
                ..plain(best.epsilon)
            })
        }
        Accountant::Pld => Ok(plain(pld::epsilon(&loud, delta)?)),
        Accountant::GdpApproximation => Ok(plain(gdp::epsilon(&loud, delta)?)),
    }
}

#[cfg(test)]
mod reference;
