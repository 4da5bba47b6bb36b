//! Segmentation networks: one file each, one configuration each.

mod unet;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use redmask_core::{Error, Result, Seed};
use serde::{Deserialize, Serialize};

pub use unet::{Unet, UnetConfig};

use crate::pass::Pass;

/// A segmentation network's architecture, tagged by `kind`.
///
/// ```
/// use redmask_nn::network::NetworkConfig;
/// let config: NetworkConfig =
///     serde_json::from_str(r#"{"kind": "unet", "encoder": "resnet34", "outputs": 1}"#).unwrap();
/// assert_eq!(config.class_count(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NetworkConfig {
    /// U-Net (Ronneberger et al., 2015) on a classification encoder.
    Unet(UnetConfig),
}

impl NetworkConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// Names the key that is out of range.
    pub fn validate(&self) -> Result<()> {
        let (width, in_channels, outputs) = match self {
            Self::Unet(c) => (c.width, c.in_channels, c.outputs),
        };
        if !(width.is_finite() && (0.05..=8.0).contains(&width)) {
            return Err(Error::config(
                "network.width",
                format!("{width} is outside 0.05 to 8"),
            ));
        }
        if !(1..=64).contains(&in_channels) {
            return Err(Error::config(
                "network.in_channels",
                format!("{in_channels} is outside 1 to 64"),
            ));
        }
        if !(1..=255).contains(&outputs) {
            return Err(Error::config(
                "network.outputs",
                format!("{outputs} is outside 1 to 255"),
            ));
        }
        Ok(())
    }

    /// Creates the network on `device` with weights from `seed`.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn init(&self, seed: Seed, device: &Device) -> Result<SegmentationNetwork> {
        self.validate()?;
        Ok(match self {
            Self::Unet(config) => SegmentationNetwork::Unet(config.init(seed, device)),
        })
    }

    /// Output channels: 1 means one sigmoid, for two classes.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Unet(c) => c.outputs,
        }
    }

    /// Image channels.
    pub fn in_channels(&self) -> usize {
        match self {
            Self::Unet(c) => c.in_channels,
        }
    }

    /// Classes `k >= 2`.
    pub fn class_count(&self) -> usize {
        self.outputs().max(2)
    }

    /// The same architecture for a data set with `classes` classes and `channels` image channels: one output for
    /// two classes.
    #[must_use]
    pub fn for_data(mut self, classes: usize, channels: usize) -> Self {
        let wanted = if classes <= 2 { 1 } else { classes };
        match &mut self {
            Self::Unet(c) => {
                c.outputs = wanted;
                c.in_channels = channels;
            }
        }
        self
    }
}

/// A network that maps images `[n, c, h, w]` to logits `[n, outputs, h, w]`.
#[derive(Module, Debug)]
pub enum SegmentationNetwork {
    /// See [`Unet`].
    Unet(Unet),
}

impl SegmentationNetwork {
    /// Logits `[n, outputs, h, w]` at the size of the input.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        match self {
            Self::Unet(net) => net.forward(x, pass),
        }
    }

    /// Writes the running statistics of a training pass; see [`Pass::commit`].
    #[must_use]
    pub fn commit(self, pass: Pass) -> Self {
        pass.commit(self)
    }
}
