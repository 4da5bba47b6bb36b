//! How a segmentation network is trained.

use redmask_core::{Error, Result};
use redmask_data::Augmentation;
use redmask_nn::ops::Precision;
use redmask_nn::scaling::InputScaling;
use serde::{Deserialize, Serialize};

use crate::loss::LossConfig;
use crate::optim::{OptimizerConfig, RateGroup, Schedule};

/// Everything that shapes the result of a training besides the records, the network and the seed.
///
/// ```
/// use redmask_train::TrainConfig;
/// let config: TrainConfig = serde_json::from_str(
///     r#"{"epochs": 70, "loss": {"kind": "dice", "reduction": "batch"}, "scaling": "raw255"}"#,
/// ).unwrap();
/// assert_eq!(config.batch_size, 8);
/// assert!(serde_json::from_str::<TrainConfig>(r#"{"epocs": 70}"#).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the records.
    pub epochs: u32,
    /// Records of one step.
    pub batch_size: usize,
    /// Leave out the last batch of an epoch if it is not full.
    pub drop_last: bool,
    /// What is descended on.
    pub loss: LossConfig,
    /// How.
    pub optimizer: OptimizerConfig,
    /// The learning rate over the training.
    pub schedule: Schedule,
    /// Parts of the network with a learning rate of their own.
    pub rate_groups: Vec<RateGroup>,
    /// Of the convolutions, forward and backward. Validation and everything after training is f32.
    pub precision: Precision,
    /// How pixels become inputs.
    pub scaling: InputScaling,
    /// Random transforms, drawn anew for each record in each epoch.
    pub augmentation: Augmentation,
    /// Measure on the held-out records every so many epochs and after the last one; 0 measures after the last only.
    pub validate_every: u32,
    /// Epochs, counted from 1, whose weights are kept.
    pub keep_epochs: Vec<u32>,
    /// Weight of the auxiliary head's loss, in networks that have one.
    #[serde(skip_serializing_if = "is_usual_weight")]
    pub auxiliary_weight: f64,
}

/// The weight that DeepLab's and PSPNet's authors train with.
const AUXILIARY_WEIGHT: f64 = 0.4;

/// Left out where it is the usual one, so that the keys of stored trainings of networks without the head stay what they are.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_usual_weight(weight: &f64) -> bool {
    *weight == AUXILIARY_WEIGHT
}

impl Default for TrainConfig {
    /// The published victims' setting (`NAdam` at 1e-4, batches of 8, 70 epochs), except for the correct defaults:
    /// Dice of each image and inputs in `[0, 1]`.
    fn default() -> Self {
        Self {
            epochs: 70,
            batch_size: 8,
            drop_last: false,
            loss: LossConfig::default(),
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::Constant,
            rate_groups: Vec::new(),
            precision: Precision::default(),
            scaling: InputScaling::default(),
            augmentation: Augmentation::default(),
            validate_every: 1,
            keep_epochs: Vec::new(),
            auxiliary_weight: AUXILIARY_WEIGHT,
        }
    }
}

impl TrainConfig {
    /// # Errors
    /// If a value lies outside its range; the key is named. Or if this machine cannot compute at the precision.
    pub fn validate(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(Error::config("epochs", "must be at least 1"));
        }
        if self.batch_size == 0 {
            return Err(Error::config("batch_size", "must be at least 1"));
        }
        if let Some(epoch) = self
            .keep_epochs
            .iter()
            .find(|e| !(1..=self.epochs).contains(e))
        {
            return Err(Error::config(
                "keep_epochs",
                format!(
                    "there is no epoch {epoch}; epochs run from 1 to {}",
                    self.epochs
                ),
            ));
        }
        for group in &self.rate_groups {
            if !(group.factor.is_finite() && group.factor >= 0.0) {
                return Err(Error::config(
                    "rate_groups",
                    format!("factor {} of `{}`", group.factor, group.prefix),
                ));
            }
        }
        if !(self.auxiliary_weight.is_finite() && self.auxiliary_weight >= 0.0) {
            return Err(Error::config(
                "auxiliary_weight",
                format!("{} is not a number from 0", self.auxiliary_weight),
            ));
        }
        self.precision.checked()?;
        self.loss.validate()?;
        self.optimizer.validate()
    }

    /// Whether epoch `epoch`, counted from 1, ends with a measurement.
    pub(super) fn validates(&self, epoch: u32) -> bool {
        epoch == self.epochs
            || (self.validate_every > 0 && epoch.is_multiple_of(self.validate_every))
    }
}
