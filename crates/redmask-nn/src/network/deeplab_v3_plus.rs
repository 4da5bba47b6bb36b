//! DeepLabV3+ (Chen et al., 2018), as segmentation-models-pytorch 0.6 builds it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use redmask_core::Seed;

use super::Logits;
use super::aspp::{Aspp, separable, separable_norm_relu};
use super::deeplab_v3::{DeepLabConfig, auxiliary};
use crate::block::{Conv2d, Conv2dConfig, Norm, Relu, Sequential};
use crate::encoder::{DilationRule, Encoder, scaled};
use crate::init::{Init, WeightInit};
use crate::ops::{self, Activation};
use crate::pass::Pass;

/// Channels of the skip, as the authors propose.
const SKIP: usize = 48;

impl DeepLabConfig {
    /// smp's DeepLabV3+, its pyramid separable.
    pub(super) fn init_v3_plus(&self, seed: Seed, device: &Device) -> DeepLabV3Plus {
        let root = Init::new(seed, device, WeightInit::PyTorch);
        let decoder = root.child("decoder");
        let aspp = decoder.child("aspp");
        let width = scaled(256, self.width);
        let skip = scaled(SKIP, self.width);
        let stride4 = self.encoder.channels(self.width)[1];
        let options = self.encoder_options(16, DilationRule::WholeStage);
        DeepLabV3Plus {
            encoder: self.encoder.init(&options, &root.child("encoder")),
            decoder: Decoder {
                aspp: (
                    Aspp::new(self.aspp(true), &aspp.index(0)),
                    separable(width, width, 1, &aspp.index(1)),
                    self.norm.init(width, &aspp.index(2)),
                    Relu,
                ),
                block1: Sequential::conv_norm_relu(
                    Conv2dConfig::new(stride4, skip, 1),
                    self.norm,
                    &decoder.child("block1"),
                ),
                block2: separable_norm_relu(
                    skip + width,
                    width,
                    1,
                    self.norm,
                    &decoder.child("block2"),
                ),
            },
            segmentation_head: vec![
                Conv2dConfig::new(width, self.outputs, 1)
                    .bias(true)
                    .init(&root.child("segmentation_head")),
            ],
            aux_classifier: self.auxiliary_head(&root),
        }
    }
}

#[derive(Module, Debug)]
struct Decoder {
    aspp: (Aspp, Sequential, Norm, Relu),
    block1: Sequential,
    block2: Sequential,
}

/// The network with smp's names.
#[derive(Module, Debug)]
pub struct DeepLabV3Plus {
    encoder: Encoder,
    decoder: Decoder,
    segmentation_head: Vec<Conv2d>,
    aux_classifier: Option<Sequential>,
}

impl DeepLabV3Plus {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Logits {
        let [_, _, h, w] = x.dims();
        let mut features = self.encoder.features(x, 5, pass);
        let deep = features.swap_remove(4);
        let (aspp, separable, norm, _) = &self.decoder.aspp;
        let y = separable.forward(aspp.forward(&deep, pass), pass);
        let y = norm.forward(y, Activation::Relu, pass);
        let skip = self.decoder.block1.forward(features[1].clone(), pass);
        let [_, _, sh, sw] = skip.dims();
        let y = ops::resize_bilinear_aligned(y, [sh, sw]);
        let y = self
            .decoder
            .block2
            .forward(Tensor::cat(vec![y, skip], 1), pass);
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
