//! Binary image classifiers: the attack models of membership inference.

mod resnet;
mod small;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use redmask_core::{Error, Result, Seed};
use serde::{Deserialize, Serialize};

pub use resnet::{ResNetClassifier, ResNetClassifierConfig};
pub use small::{SmallClassifier, SmallClassifierConfig};

use crate::init::{Init, WeightInit};
use crate::pass::Pass;

/// A classifier's architecture, tagged by `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ClassifierConfig {
    /// A few strided convolutions: learns from hundreds of records.
    Small(SmallClassifierConfig),
    /// ResNet, as the papers use.
    Resnet(ResNetClassifierConfig),
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self::Small(SmallClassifierConfig::default())
    }
}

impl ClassifierConfig {
    /// Creates the classifier for inputs with `channels` channels.
    ///
    /// # Errors
    /// If the width is out of range or there is no channel.
    pub fn init(&self, channels: usize, seed: Seed, device: &Device) -> Result<Classifier> {
        let width = match self {
            Self::Small(config) => config.width,
            Self::Resnet(config) => config.width,
        };
        if !(width.is_finite() && (0.05..=8.0).contains(&width)) {
            return Err(Error::config(
                "classifier.width",
                format!("{width} is outside 0.05 to 8"),
            ));
        }
        if channels == 0 {
            return Err(Error::config("classifier", "its input has no channel"));
        }
        let init = Init::new(seed, device, WeightInit::KaimingNormalFanOut);
        Ok(match self {
            Self::Small(config) => Classifier::Small(config.init(channels, &init)),
            Self::Resnet(config) => Classifier::Resnet(config.init(channels, &init)),
        })
    }
}

/// A binary classifier of feature planes.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are one or two of them in a process"
)]
pub enum Classifier {
    /// See [`SmallClassifier`].
    Small(SmallClassifier),
    /// See [`ResNetClassifier`].
    Resnet(ResNetClassifier),
}

impl Classifier {
    /// `[n, channels, h, w]` to logits `[n, 1]`; a higher one means "more likely a member".
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<2> {
        match self {
            Self::Small(net) => net.forward(x, pass),
            Self::Resnet(net) => net.forward(x, pass),
        }
    }

    /// Writes the running statistics of a training pass; see [`Pass::commit`].
    #[must_use]
    pub fn commit(self, pass: Pass) -> Self {
        pass.commit(self)
    }
}

/// Mean over all positions: `[n, c, h, w]` to `[n, c]`.
fn global_average(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
}
