//! DeepLabV3 (Chen et al., 2017), as segmentation-models-pytorch 0.6 and as torchvision build it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use redmask_core::Seed;
use serde::{Deserialize, Serialize};

use super::aspp::{Aspp, AsppShape};
use super::auxiliary::auxiliary_head;
use super::{Logits, defaults};
use crate::block::{Conv2d, Conv2dConfig, Norm, NormKind, Relu, Sequential};
use crate::encoder::{DilationRule, Encoder, EncoderKind, EncoderOptions, OutputStride, scaled};
use crate::init::{Init, WeightInit};
use crate::ops::{self, Activation};
use crate::pass::{Mode, Pass};

/// The architecture of the DeepLabs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepLabConfig {
    /// The feature extractor; VGG-11 cannot be dilated.
    #[serde(default = "defaults::resnet50")]
    pub encoder: EncoderKind,
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
    /// 8 or 16. Left out: 8 for V3, 16 for V3+.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_stride: Option<usize>,
    /// Share of the pyramid's values dropped in training; the auxiliary head drops at most 0.1.
    #[serde(default = "defaults::half")]
    pub dropout: f64,
    /// Train a second head on the stride-16 features.
    #[serde(default)]
    pub auxiliary: bool,
}

impl Default for DeepLabConfig {
    fn default() -> Self {
        Self {
            encoder: defaults::resnet50(),
            width: defaults::one(),
            norm: NormKind::default(),
            in_channels: defaults::rgb(),
            outputs: defaults::binary(),
            output_stride: None,
            dropout: defaults::half(),
            auxiliary: false,
        }
    }
}

impl DeepLabConfig {
    pub(super) fn encoder_options(&self, stride: usize, dilation: DilationRule) -> EncoderOptions {
        EncoderOptions {
            in_channels: self.in_channels,
            width: self.width,
            norm: self.norm,
            output_stride: OutputStride {
                stride: self.output_stride.unwrap_or(stride),
                dilation,
            },
        }
    }

    pub(super) fn aspp(&self, separable: bool) -> AsppShape {
        AsppShape {
            input: self.encoder.channels(self.width)[4],
            output: scaled(256, self.width),
            separable,
            dropout: self.dropout,
            norm: self.norm,
        }
    }

    pub(super) fn auxiliary_head(&self, init: &Init<'_>) -> Option<Sequential> {
        let features = self.encoder.channels(self.width)[3];
        self.auxiliary.then(|| {
            auxiliary_head(
                features,
                self.outputs,
                self.dropout,
                self.norm,
                &init.child("aux_classifier"),
            )
        })
    }

    /// smp's DeepLabV3.
    pub(super) fn init_v3(&self, seed: Seed, device: &Device) -> DeepLabV3 {
        let root = Init::new(seed, device, WeightInit::PyTorch);
        let decoder = root.child("decoder");
        let width = scaled(256, self.width);
        let options = self.encoder_options(8, DilationRule::WholeStage);
        DeepLabV3 {
            encoder: self.encoder.init(&options, &root.child("encoder")),
            decoder: Decoder {
                aspp: Aspp::new(self.aspp(false), &decoder.child("aspp")),
                conv: Conv2dConfig::new(width, width, 3)
                    .same()
                    .init(&decoder.child("conv")),
                bn: self.norm.init(width, &decoder.child("bn")),
            },
            segmentation_head: vec![
                Conv2dConfig::new(width, self.outputs, 1)
                    .bias(true)
                    .init(&root.child("segmentation_head")),
            ],
            aux_classifier: self.auxiliary_head(&root),
        }
    }

    /// torchvision's DeepLabV3.
    pub(super) fn init_torchvision(&self, seed: Seed, device: &Device) -> TorchvisionDeepLabV3 {
        let root = Init::new(seed, device, WeightInit::PyTorch);
        let head = root.child("classifier");
        let width = scaled(256, self.width);
        let options = self.encoder_options(8, DilationRule::AfterFirstBlock);
        TorchvisionDeepLabV3 {
            backbone: self.encoder.init(&options, &root.child("backbone")),
            classifier: (
                Aspp::new(self.aspp(false), &head.index(0)),
                Conv2dConfig::new(width, width, 3)
                    .same()
                    .init(&head.index(1)),
                self.norm.init(width, &head.index(2)),
                Relu,
                Conv2dConfig::new(width, self.outputs, 1)
                    .bias(true)
                    .init(&head.index(4)),
            ),
            aux_classifier: self.auxiliary_head(&root),
        }
    }
}

#[derive(Module, Debug)]
struct Decoder {
    aspp: Aspp,
    conv: Conv2d,
    bn: Norm,
}

/// The network with smp's names; logits are enlarged with aligned corners.
#[derive(Module, Debug)]
pub struct DeepLabV3 {
    encoder: Encoder,
    decoder: Decoder,
    segmentation_head: Vec<Conv2d>,
    aux_classifier: Option<Sequential>,
}

impl DeepLabV3 {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Logits {
        let [_, _, h, w] = x.dims();
        let mut features = self.encoder.features(x, 5, pass);
        let deep = features.swap_remove(4);
        let y = self.decoder.aspp.forward(&deep, pass);
        let y = self.decoder.conv.forward(y, pass);
        let y = self.decoder.bn.forward(y, Activation::Relu, pass);
        let y = self
            .segmentation_head
            .iter()
            .fold(y, |y, conv| conv.forward(y, pass));
        Logits {
            main: ops::resize_bilinear_aligned(y, [h, w]),
            auxiliary: auxiliary(self.aux_classifier.as_ref(), features, [h, w], pass),
        }
    }
}

/// The network with torchvision's names; logits are enlarged with pixel centres at half integers.
#[derive(Module, Debug)]
pub struct TorchvisionDeepLabV3 {
    backbone: Encoder,
    classifier: (Aspp, Conv2d, Norm, Relu, Conv2d),
    aux_classifier: Option<Sequential>,
}

impl TorchvisionDeepLabV3 {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Logits {
        let [_, _, h, w] = x.dims();
        let mut features = self.backbone.features(x, 5, pass);
        let deep = features.swap_remove(4);
        let (aspp, conv, norm, _, logits) = &self.classifier;
        let y = conv.forward(aspp.forward(&deep, pass), pass);
        let y = logits.forward(norm.forward(y, Activation::Relu, pass), pass);
        Logits {
            main: ops::resize_bilinear(y, [h, w]),
            auxiliary: auxiliary(self.aux_classifier.as_ref(), features, [h, w], pass),
        }
    }
}

/// The logits of the auxiliary head on the fourth feature map, in training only.
pub(super) fn auxiliary(
    head: Option<&Sequential>,
    mut features: Vec<Tensor<4>>,
    size: [usize; 2],
    pass: &Pass,
) -> Option<Tensor<4>> {
    let head = head.filter(|_| pass.mode() == Mode::Train)?;
    let y = head.forward(features.swap_remove(3), pass);
    Some(ops::resize_bilinear(y, size))
}
