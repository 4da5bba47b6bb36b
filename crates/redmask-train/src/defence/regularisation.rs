//! Defences that only change numbers of an ordinary training, and differential privacy, whose loop is its own.
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every defence has the same shape, whatever its size"
)]

use redmask_core::{Error, Result};
use redmask_nn::block::NormKind;
use redmask_nn::network::NetworkConfig;
use serde::{Deserialize, Serialize};

use crate::loss::LossConfig;
use crate::optim::OptimizerConfig;
use crate::private::PrivacyConfig;
use crate::segmentation::TrainConfig;

/// Channels dropped in training: of the deepest features and in front of the head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutConfig {
    /// Share of the channels.
    pub rate: f64,
}

impl DropoutConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if (0.0..=0.99).contains(&self.rate) {
            return Ok(());
        }
        Err(Error::config(
            "dropout.rate",
            format!("{} is outside 0 to 0.99", self.rate),
        ))
    }

    pub(super) fn architecture(&self, undefended: &NetworkConfig) -> Result<NetworkConfig> {
        let mut network = undefended.clone();
        if network.set_dropout(self.rate) {
            return Ok(network);
        }
        Err(Error::unsupported(
            "dropout as a defence of this network",
            "it has no dropout layer; use a U-Net, DeepLab or PSPNet",
        ))
    }
}

/// Weight decay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightDecayConfig {
    /// The coefficient, as PyTorch's optimizers take it.
    pub decay: f64,
}

impl WeightDecayConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if self.decay.is_finite() && self.decay >= 0.0 {
            return Ok(());
        }
        Err(Error::config(
            "weight-decay.decay",
            format!("{} is not a finite number of at least 0", self.decay),
        ))
    }

    pub(super) fn apply(&self, config: &mut TrainConfig) {
        config.optimizer = config.optimizer.with_weight_decay(self.decay);
    }
}

/// Label smoothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSmoothingConfig {
    /// Share of each pixel's target that is spread evenly over the classes.
    pub share: f64,
}

impl LabelSmoothingConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if (0.0..1.0).contains(&self.share) {
            return Ok(());
        }
        Err(Error::config(
            "label-smoothing.share",
            format!("{} is not in [0, 1)", self.share),
        ))
    }

    pub(super) fn apply(&self, config: &mut TrainConfig) {
        match &mut config.loss {
            LossConfig::Dice {
                label_smoothing, ..
            }
            | LossConfig::CrossEntropy {
                label_smoothing, ..
            }
            | LossConfig::DiceCrossEntropy {
                label_smoothing, ..
            } => *label_smoothing = self.share,
        }
    }
}

/// Differentially private training, with what must differ from the undefended one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpSgdConfig {
    /// The guarantee and how it is paid for.
    pub privacy: PrivacyConfig,
    /// Another learning rate.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Another expected batch size.
    #[serde(default)]
    pub batch_size: Option<usize>,
    /// Another loss; it must be separable by image.
    #[serde(default)]
    pub loss: Option<LossConfig>,
    /// Put group normalisation where the network has batch normalisation, as `ModuleValidator.fix` of Opacus does. Without
    /// it a network with batch normalisation is refused.
    #[serde(default)]
    pub group_norm: bool,
}

impl DpSgdConfig {
    /// What the privacy linter will refuse of `network` and of a training on `units` protected units, found before anything is
    /// trained.
    ///
    /// # Errors
    /// Names the reason.
    pub fn check(
        &self,
        network: &NetworkConfig,
        training: &TrainConfig,
        units: usize,
    ) -> Result<()> {
        if network.norm() == NormKind::Batch && !self.group_norm {
            return Err(Error::config(
                "dp-sgd",
                "the network has batch normalisation, which mixes records and keeps statistics of them outside of the noise",
            )
            .with_hint("set group_norm = true, or give the network norm = \"group\""));
        }
        if self.privacy.paper_compat {
            return Ok(());
        }
        if self.privacy.delta * units as f64 >= 1.0 {
            return Err(Error::config(
                "dp-sgd.privacy.delta",
                format!(
                    "{} is at least 1/{units}: it permits the full disclosure of one of the {units} protected units",
                    self.privacy.delta
                ),
            ));
        }
        if self.loss.unwrap_or(training.loss).is_separable() {
            return Ok(());
        }
        Err(Error::config(
            "dp-sgd.loss",
            "the loss sums over the batch, so one record changes the others' gradients",
        )
        .with_hint("use a loss with reduction = \"per-image\""))
    }

    pub(super) fn apply(&self, config: &mut TrainConfig) {
        if let Some(new) = self.rate {
            match &mut config.optimizer {
                OptimizerConfig::Nadam { rate, .. }
                | OptimizerConfig::Adam { rate, .. }
                | OptimizerConfig::Sgd { rate, .. } => *rate = new,
            }
        }
        config.batch_size = self.batch_size.unwrap_or(config.batch_size);
        config.loss = self.loss.unwrap_or(config.loss);
    }
}
