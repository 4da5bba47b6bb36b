//! How much privacy, paid for how.

use redmask_core::{Error, Result};
use redmask_metrics::accountant::Accountant;
use serde::{Deserialize, Serialize};

use super::clip::Clipping;

/// What is protected: the guarantee holds for adding or removing one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrivacyUnit {
    /// One record.
    #[default]
    Record,
    /// All records of one group (a patient, a drive): sampled together, clipped together.
    Group,
}

/// How much noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Budget {
    /// The noise multiplier itself: standard deviation over the clipping norm. Zero clips only, without a guarantee.
    Noise {
        /// The multiplier.
        multiplier: f64,
    },
    /// The least noise that keeps the whole training within this epsilon.
    Epsilon {
        /// The target.
        target: f64,
        /// Who judges.
        #[serde(default = "tight")]
        accountant: Accountant,
    },
}

fn tight() -> Accountant {
    Accountant::Pld
}

/// How the records of a step are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrivateSampling {
    /// Each unit joins each step independently: what the accountants assume.
    #[default]
    Poisson,
    /// Shuffled batches, as ordinary training takes them. The accountants' epsilon does not hold for it.
    Shuffled,
}

/// Where sampling and noise come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// The operating system's entropy. Two runs differ; a resumed run goes on with the secret in its checkpoint, which is
    /// deleted with it.
    #[default]
    Entropy,
    /// The training's seed, so that the run can be repeated bit by bit. Who knows the seed can subtract the noise.
    Seed,
}

/// A training with differential privacy (Abadi et al., arXiv 1607.00133): per-unit gradients, clipped, summed, noised.
///
/// The batch size of the training configuration is the *expected* one: each of the `N` units joins a step with
/// probability `1 / ceil(N / batch_size)`, and an epoch has `ceil(N / batch_size)` steps, as Opacus has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyConfig {
    /// How much noise.
    pub budget: Budget,
    /// The delta of the guarantee.
    pub delta: f64,
    /// How one unit's influence on a step is bounded.
    #[serde(default)]
    pub clipping: Clipping,
    /// What is protected.
    #[serde(default)]
    pub unit: PrivacyUnit,
    /// Augmented copies of each record, whose gradients are averaged before clipping, so that they cost no privacy
    /// (De et al., arXiv 2204.13650).
    #[serde(default = "one")]
    pub augmentations: u32,
    /// Images in memory at once. A step with more of them is taken in several passes (virtual batches): time and rounding
    /// depend on it, the guarantee does not. A unit is never split.
    #[serde(default = "sixteen")]
    pub images_at_once: usize,
    /// Canaries that audit the training, 0 for none; a few hundred make a bound. Each has at most one unit's influence, and
    /// together they disturb the weights as that many more units would.
    #[serde(default)]
    pub canaries: usize,
    /// How steps are filled.
    #[serde(default)]
    pub sampling: PrivateSampling,
    /// Where randomness comes from.
    #[serde(default)]
    pub secret: SecretSource,
    /// Go on where the linter refuses; the findings are stored and the formal guarantee is withdrawn.
    #[serde(default)]
    pub paper_compat: bool,
}

fn one() -> u32 {
    1
}

fn sixteen() -> usize {
    16
}

impl PrivacyConfig {
    /// Flat clipping at 1, single records, Poisson sampling, secret noise.
    pub fn new(budget: Budget, delta: f64) -> Self {
        Self {
            budget,
            delta,
            clipping: Clipping::default(),
            unit: PrivacyUnit::default(),
            augmentations: one(),
            images_at_once: sixteen(),
            canaries: 0,
            sampling: PrivateSampling::default(),
            secret: SecretSource::default(),
            paper_compat: false,
        }
    }

    /// # Errors
    /// If a value lies outside its range; the key is named.
    pub fn validate(&self) -> Result<()> {
        if !(self.delta > 0.0 && self.delta < 1.0) {
            return Err(Error::config(
                "privacy.delta",
                format!("{} is not between 0 and 1", self.delta),
            ));
        }
        match self.budget {
            Budget::Noise { multiplier } if !(multiplier.is_finite() && multiplier >= 0.0) => {
                return Err(Error::config(
                    "privacy.budget.multiplier",
                    format!("{multiplier} is not a finite number of at least 0"),
                ));
            }
            Budget::Epsilon { target, accountant } => {
                if !(target.is_finite() && target > 0.0) {
                    return Err(Error::config(
                        "privacy.budget.target",
                        format!("{target} is not a positive number"),
                    ));
                }
                if !accountant.is_bound() {
                    return Err(Error::config(
                        "privacy.budget.accountant",
                        "this accountant gives an approximation, not an upper bound",
                    )
                    .with_hint("use pld or rdp"));
                }
            }
            Budget::Noise { .. } => {}
        }
        if self.augmentations == 0 {
            return Err(Error::config("privacy.augmentations", "must be at least 1"));
        }
        if self.images_at_once == 0 {
            return Err(Error::config(
                "privacy.images_at_once",
                "must be at least 1",
            ));
        }
        self.clipping.validate()
    }
}
