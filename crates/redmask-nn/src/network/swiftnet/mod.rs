//! SwiftNet (Oršić et al., 2019; Oršić and Šegvić, 2021): a ResNet, and a ladder of additions back to stride 4.

mod ladder;
mod pyramid;
mod single_scale;

use burn::tensor::Device;
use redmask_core::Seed;
use serde::{Deserialize, Serialize};

pub use pyramid::PyramidSwiftNet;
pub use single_scale::SwiftNet;

use super::defaults;
use crate::block::NormKind;
use crate::encoder::{EncoderOptions, OutputStride, ResNetDepth, scaled};
use crate::init::{Init, WeightInit};

/// The architecture of both SwiftNets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwiftNetConfig {
    /// The feature extractor: `resnet18` or `resnet34`.
    #[serde(default = "resnet18")]
    pub encoder: ResNetDepth,
    /// Factor on all channel counts, rounded to multiples of 8.
    #[serde(default = "defaults::one")]
    pub width: f64,
    /// Normalisation everywhere.
    #[serde(default)]
    pub norm: NormKind,
    /// Image channels.
    #[serde(default = "defaults::rgb")]
    pub in_channels: usize,
    /// Output channels; 1 is one sigmoid for two classes.
    #[serde(default = "defaults::binary")]
    pub outputs: usize,
}

fn resnet18() -> ResNetDepth {
    ResNetDepth::D18
}

impl Default for SwiftNetConfig {
    fn default() -> Self {
        Self {
            encoder: resnet18(),
            width: defaults::one(),
            norm: NormKind::default(),
            in_channels: defaults::rgb(),
            outputs: defaults::binary(),
        }
    }
}

impl SwiftNetConfig {
    /// Channels of the ladder.
    fn features(&self) -> usize {
        scaled(128, self.width)
    }

    fn encoder_options(&self) -> EncoderOptions {
        EncoderOptions {
            in_channels: self.in_channels,
            width: self.width,
            norm: self.norm,
            output_stride: OutputStride::FULL,
        }
    }

    /// Channels at strides 4, 8, 16, 32.
    fn stages(&self) -> [usize; 4] {
        [64, 128, 256, 512].map(|c| scaled(c, self.width))
    }

    pub(super) fn init_single_scale(&self, seed: Seed, device: &Device) -> SwiftNet {
        let init = Init::new(seed, device, WeightInit::KaimingNormalFanOut);
        SwiftNet::new(self, &init)
    }

    pub(super) fn init_pyramid(&self, seed: Seed, device: &Device) -> PyramidSwiftNet {
        let init = Init::new(seed, device, WeightInit::KaimingNormalFanOut);
        PyramidSwiftNet::new(self, &init)
    }
}
