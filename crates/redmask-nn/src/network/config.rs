//! The choice of a network.

use burn::tensor::Device;
use redmask_core::{Error, Result, Seed};
use serde::{Deserialize, Serialize};

use super::{DeepLabConfig, PspNetConfig, SegmentationNetwork, SwiftNetConfig, UnetConfig};
use crate::block::NormKind;
use crate::encoder::{EncoderKind, ResNetDepth};

/// A segmentation network's architecture, tagged by `kind`.
///
/// ```
/// use redmask_nn::network::NetworkConfig;
/// let config: NetworkConfig =
///     serde_json::from_str(r#"{"kind": "unet", "encoder": "resnet34", "outputs": 1}"#).unwrap();
/// assert_eq!(config.class_count(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum NetworkConfig {
    /// U-Net (Ronneberger et al., 2015) on a classification encoder.
    #[serde(rename = "unet")]
    Unet(UnetConfig),
    /// DeepLabV3 as segmentation-models-pytorch builds it.
    #[serde(rename = "deeplab-v3")]
    DeepLabV3(DeepLabConfig),
    /// DeepLabV3 as torchvision builds it.
    #[serde(rename = "torchvision-deeplab-v3")]
    TorchvisionDeepLabV3(DeepLabConfig),
    /// DeepLabV3+.
    #[serde(rename = "deeplab-v3-plus")]
    DeepLabV3Plus(DeepLabConfig),
    /// PSPNet.
    #[serde(rename = "pspnet")]
    PspNet(PspNetConfig),
    /// Single-scale SwiftNet.
    #[serde(rename = "swiftnet")]
    SwiftNet(SwiftNetConfig),
    /// Pyramidal SwiftNet.
    #[serde(rename = "pyramid-swiftnet")]
    PyramidSwiftNet(SwiftNetConfig),
}

/// The keys that all configurations have.
struct Shape<'a> {
    width: &'a mut f64,
    in_channels: &'a mut usize,
    outputs: &'a mut usize,
    norm: &'a mut NormKind,
}

impl NetworkConfig {
    fn shape(&mut self) -> Shape<'_> {
        macro_rules! shape {
            ($config:expr) => {
                Shape {
                    width: &mut $config.width,
                    in_channels: &mut $config.in_channels,
                    outputs: &mut $config.outputs,
                    norm: &mut $config.norm,
                }
            };
        }
        match self {
            Self::Unet(c) => shape!(c),
            Self::DeepLabV3(c) | Self::TorchvisionDeepLabV3(c) | Self::DeepLabV3Plus(c) => {
                shape!(c)
            }
            Self::PspNet(c) => shape!(c),
            Self::SwiftNet(c) | Self::PyramidSwiftNet(c) => shape!(c),
        }
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// Names the key that is out of range.
    pub fn validate(&self) -> Result<()> {
        let range = |key: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::config(
                format!("network.{key}"),
                format!("{value} is outside {low} to {high}"),
            ))
        };
        let mut copy = self.clone();
        let shape = copy.shape();
        range("width", *shape.width, 0.05, 8.0)?;
        range("in_channels", *shape.in_channels as f64, 1.0, 64.0)?;
        range("outputs", *shape.outputs as f64, 1.0, 255.0)?;
        let undilatable = |encoder| {
            Err(Error::config(
                "network.encoder",
                format!("{encoder:?} cannot be dilated; use a ResNet or MobileNetV2"),
            ))
        };
        match self {
            Self::Unet(c) => range("dropout", c.dropout, 0.0, 0.99),
            Self::DeepLabV3(c) | Self::TorchvisionDeepLabV3(c) | Self::DeepLabV3Plus(c) => {
                range("dropout", c.dropout, 0.0, 0.99)?;
                if let Some(stride) = c.output_stride.filter(|s| ![8, 16].contains(s)) {
                    return Err(Error::config(
                        "network.output_stride",
                        format!("{stride} is neither 8 nor 16"),
                    ));
                }
                match c.encoder {
                    EncoderKind::Vgg11 => undilatable(c.encoder),
                    _ => Ok(()),
                }
            }
            Self::PspNet(c) => {
                range("dropout", c.dropout, 0.0, 0.99)?;
                if c.shallow && c.auxiliary {
                    return Err(Error::config(
                        "network.auxiliary",
                        "a shallow PSPNet does not compute the features its auxiliary head needs",
                    ));
                }
                match c.encoder {
                    EncoderKind::Vgg11 if !c.shallow => undilatable(c.encoder),
                    _ => Ok(()),
                }
            }
            Self::SwiftNet(c) | Self::PyramidSwiftNet(c) => match c.encoder {
                ResNetDepth::D18 | ResNetDepth::D34 => Ok(()),
                depth => Err(Error::config(
                    "network.encoder",
                    format!("SwiftNet is built on resnet18 or resnet34, not {depth:?}"),
                )),
            },
        }
    }

    /// Creates the network on `device` with weights from `seed`.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn init(&self, seed: Seed, device: &Device) -> Result<SegmentationNetwork> {
        use SegmentationNetwork as Net;
        self.validate()?;
        Ok(match self {
            Self::Unet(c) => Net::Unet(c.init(seed, device)),
            Self::DeepLabV3(c) => Net::DeepLabV3(c.init_v3(seed, device)),
            Self::TorchvisionDeepLabV3(c) => {
                Net::TorchvisionDeepLabV3(c.init_torchvision(seed, device))
            }
            Self::DeepLabV3Plus(c) => Net::DeepLabV3Plus(c.init_v3_plus(seed, device)),
            Self::PspNet(c) => Net::PspNet(c.init(seed, device)),
            Self::SwiftNet(c) => Net::SwiftNet(c.init_single_scale(seed, device)),
            Self::PyramidSwiftNet(c) => Net::PyramidSwiftNet(c.init_pyramid(seed, device)),
        })
    }

    /// Output channels: 1 means one sigmoid, for two classes.
    pub fn outputs(&self) -> usize {
        *self.clone().shape().outputs
    }

    /// Image channels.
    pub fn in_channels(&self) -> usize {
        *self.clone().shape().in_channels
    }

    /// The normalisation everywhere.
    pub fn norm(&self) -> NormKind {
        *self.clone().shape().norm
    }

    /// Chooses the normalisation everywhere.
    pub fn set_norm(&mut self, norm: NormKind) {
        *self.shape().norm = norm;
    }

    /// Chooses the dropout rate, where the architecture has dropout at all; whether it has is returned.
    pub fn set_dropout(&mut self, rate: f64) -> bool {
        let dropout = match self {
            Self::Unet(c) => &mut c.dropout,
            Self::DeepLabV3(c) | Self::TorchvisionDeepLabV3(c) | Self::DeepLabV3Plus(c) => {
                &mut c.dropout
            }
            Self::PspNet(c) => &mut c.dropout,
            Self::SwiftNet(_) | Self::PyramidSwiftNet(_) => return false,
        };
        *dropout = rate;
        true
    }

    /// Classes `k >= 2`.
    pub fn class_count(&self) -> usize {
        self.outputs().max(2)
    }

    /// The same architecture for a data set with `classes` classes and `channels` image channels: one output for
    /// two classes.
    #[must_use]
    pub fn for_data(mut self, classes: usize, channels: usize) -> Self {
        let shape = self.shape();
        *shape.outputs = if classes <= 2 { 1 } else { classes };
        *shape.in_channels = channels;
        self
    }
}
