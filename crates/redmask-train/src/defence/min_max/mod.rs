//! Min-max adversarial regularisation: an adversary is trained alongside, and its gain is a penalty on the network.

mod attacker;
mod objective;
mod sight;

use redmask_core::{Error, Result};
use redmask_nn::classifier::ClassifierConfig;
use serde::{Deserialize, Serialize};

pub(super) use self::attacker::Attacker;
pub(super) use self::objective::MinMaxObjective;
use crate::optim::OptimizerConfig;

/// Adversarial regularisation after Nasr, Shokri and Houmansadr (CCS 2018, arXiv 1807.05852), with a classifier of output
/// and mask as the adversary, as Chobola et al. (arXiv 2212.01082) carry it over to segmentation.
///
/// Each epoch begins with an epoch of the adversary `h`: it ascends `mean ln h(member) + mean ln(1 - h(non-member))` on
/// equally many members and reference records. Then the network descends on
/// `segmentation loss + weight * mean ln h(member)`.
///
/// The adversary sees margins in units of ten nats clipped to two units, the form in which differences between certain and
/// very certain pixels show, and the one-hot mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinMaxConfig {
    /// The penalty's weight, lambda.
    pub weight: f64,
    /// The adversary.
    #[serde(default)]
    pub architecture: ClassifierConfig,
    /// How it learns; `NAdam` at 1e-4 as published.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Records of one of its steps.
    #[serde(default = "eight")]
    pub batch_size: usize,
    /// The published form: the penalty is the *sum* over the batch of the member probability itself, not of its logarithm;
    /// the adversary sees raw logits, starts each epoch with a fresh optimizer, and learns from the validation records -
    /// the very non-members that are audited later, which makes the defence look better than it is.
    #[serde(default)]
    pub paper_compat: bool,
}

fn eight() -> usize {
    8
}

impl MinMaxConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if !(self.weight.is_finite() && self.weight >= 0.0) {
            return Err(Error::config(
                "min-max.weight",
                format!("{} is not a finite number of at least 0", self.weight),
            ));
        }
        if self.batch_size == 0 {
            return Err(Error::config("min-max.batch_size", "must be at least 1"));
        }
        self.optimizer.validate()
    }
}
