//! Feature extractors, as segmentation-models-pytorch (smp) builds them.
//!
//! An encoder maps `[n, c, h, w]` to five feature maps at strides 2, 4, 8, 16 and 32, or to fewer, or the deep ones
//! at a smaller stride.

mod mobilenet_v2;
mod resnet;
mod vgg;

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub use mobilenet_v2::MobileNetV2;
pub(crate) use resnet::{Place, places, shortcut};
pub use resnet::{ResNet, ResNetDepth};
pub use vgg::Vgg11;

use crate::block::NormKind;
use crate::init::{Init, WeightInit};
use crate::pass::Pass;

/// Which encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// ResNet-18 (He et al., 2016).
    Resnet18,
    /// ResNet-34.
    #[default]
    Resnet34,
    /// ResNet-50.
    Resnet50,
    /// ResNet-101.
    Resnet101,
    /// MobileNetV2 (Sandler et al., 2018).
    MobilenetV2,
    /// VGG-11 without normalisation (Simonyan and Zisserman, 2015).
    Vgg11,
}

/// The stride of the deepest feature map; the strides beyond it become dilations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutputStride {
    /// 8, 16 or 32.
    pub stride: usize,
    /// How a stage without its stride is dilated.
    pub dilation: DilationRule,
}

/// How a stage that lost its stride is dilated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DilationRule {
    /// Every convolution of the stage, as smp does it.
    #[default]
    WholeStage,
    /// The first block keeps the dilation of the stage before, as torchvision does it.
    AfterFirstBlock,
}

/// How an encoder is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderOptions {
    /// Image channels.
    pub in_channels: usize,
    /// Factor on all channel counts, see [`scaled`].
    pub width: f64,
    /// Normalisation. VGG-11 has none.
    pub norm: NormKind,
    /// The stride of the deepest feature map. VGG-11 ignores it.
    pub output_stride: OutputStride,
}

impl OutputStride {
    /// No dilation.
    pub const FULL: Self = Self {
        stride: 32,
        dilation: DilationRule::WholeStage,
    };

    /// The stage whose stride would be `nominal`: its own stride, the dilation of its first block, the dilation of
    /// the others.
    fn stage(self, nominal: usize) -> (usize, usize, usize) {
        if nominal <= self.stride {
            return (2, 1, 1);
        }
        let dilation = nominal / self.stride;
        match self.dilation {
            DilationRule::WholeStage => (1, dilation, dilation),
            DilationRule::AfterFirstBlock => (1, dilation / 2, dilation),
        }
    }
}

impl EncoderOptions {
    /// The initialiser of the first convolution: smp re-creates it with PyTorch's default when the input is not RGB.
    fn stem<'a>(&self, init: &Init<'a>) -> Init<'a> {
        if self.in_channels == 3 {
            *init
        } else {
            init.with(WeightInit::PyTorch)
        }
    }
}

/// `channels * width` as a multiple of 8, by torchvision's `_make_divisible`: to the nearest, at least 8, and not more
/// than a tenth below. `scaled(c, 1.0) == c` for every multiple of 8.
///
/// ```
/// use redmask_nn::encoder::scaled;
/// assert_eq!(scaled(64, 0.5), 32);
/// assert_eq!(scaled(24, 0.5), 16);
/// assert_eq!(scaled(16, 0.25), 8);
/// ```
pub fn scaled(channels: usize, width: f64) -> usize {
    let exact = channels as f64 * width;
    let nearest = ((exact + 4.0) as usize / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * exact {
        nearest + 8
    } else {
        nearest
    }
}

/// A feature extractor.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network holds one encoder")]
pub enum Encoder {
    /// Residual network.
    ResNet(ResNet),
    /// Inverted residuals.
    MobileNetV2(MobileNetV2),
    /// Plain convolutions.
    Vgg11(Vgg11),
}

impl EncoderKind {
    /// Creates the encoder with torchvision's initial weights (normal, Kaiming fan-out).
    pub fn init(self, options: &EncoderOptions, init: &Init<'_>) -> Encoder {
        let init = init.with(WeightInit::KaimingNormalFanOut);
        let resnet = |depth| Encoder::ResNet(ResNet::new(depth, options, &init));
        match self {
            Self::Resnet18 => resnet(ResNetDepth::D18),
            Self::Resnet34 => resnet(ResNetDepth::D34),
            Self::Resnet50 => resnet(ResNetDepth::D50),
            Self::Resnet101 => resnet(ResNetDepth::D101),
            Self::MobilenetV2 => Encoder::MobileNetV2(MobileNetV2::new(options, &init)),
            Self::Vgg11 => Encoder::Vgg11(Vgg11::new(options, &init)),
        }
    }

    /// Channels of the five feature maps, stride 2 first.
    pub fn channels(self, width: f64) -> [usize; 5] {
        let full = match self {
            Self::Resnet18 | Self::Resnet34 => [64, 64, 128, 256, 512],
            Self::Resnet50 | Self::Resnet101 => [64, 256, 512, 1024, 2048],
            Self::MobilenetV2 => [16, 24, 32, 96, 1280],
            Self::Vgg11 => [128, 256, 512, 512, 512],
        };
        full.map(|c| scaled(c, width))
    }
}

impl Encoder {
    /// The first `depth` feature maps, stride 2 first. Odd sizes are rounded up by strided convolutions and down by
    /// VGG's pools.
    ///
    /// # Panics
    /// If `depth > 5`.
    pub fn features(&self, x: Tensor<4>, depth: usize, pass: &Pass) -> Vec<Tensor<4>> {
        assert!(depth <= 5, "an encoder has five feature maps, not {depth}");
        match self {
            Self::ResNet(net) => net.features(x, depth, pass),
            Self::MobileNetV2(net) => net.features(x, depth, pass),
            Self::Vgg11(net) => net.features(x, depth, pass),
        }
    }
}
