//! How a binary classifier is trained.

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::optim::{OptimizerConfig, Schedule};

/// Everything that shapes the result besides the records, the network and the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierTrainConfig {
    /// Passes over the records.
    pub epochs: u32,
    /// Records of one step.
    pub batch_size: usize,
    /// How binary cross-entropy is descended on.
    pub optimizer: OptimizerConfig,
    /// The learning rate over the training.
    pub schedule: Schedule,
    /// Share of the records, in `[0, 1)`, that choose the epoch and are not trained on. Whole groups of each target,
    /// drawn by the seed.
    pub held_out: f64,
    /// Mirror all channels of a record left to right in half of the draws.
    pub horizontal_flip: bool,
    /// Mirror all channels of a record top to bottom in half of the draws.
    pub vertical_flip: bool,
}

impl Default for ClassifierTrainConfig {
    /// The published attack's optimizer, batch and epochs (Chobola et al., arXiv 2212.01082), with a held-out fifth.
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 4,
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::Constant,
            held_out: 0.2,
            horizontal_flip: false,
            vertical_flip: false,
        }
    }
}

impl ClassifierTrainConfig {
    /// # Errors
    /// If a value lies outside its range; the key is named.
    pub fn validate(&self) -> Result<()> {
        if self.epochs == 0 || self.batch_size == 0 {
            return Err(Error::config(
                "classifier training",
                "epochs and batch_size must be at least 1",
            ));
        }
        if !(0.0..1.0).contains(&self.held_out) {
            return Err(Error::config(
                "held_out",
                format!("{} is not in [0, 1)", self.held_out),
            ));
        }
        self.optimizer.validate()
    }
}
