//! PSPNet (Zhao et al., 2017), as segmentation-models-pytorch 0.6 builds it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use redmask_core::Seed;
use serde::{Deserialize, Serialize};

use super::auxiliary::auxiliary_head;
use super::deeplab_v3::auxiliary;
use super::{Logits, defaults};
use crate::block::{
    AdaptiveAverage, Conv2d, Conv2dConfig, Dropout, Layer, NormKind, Relu, Sequential,
};
use crate::encoder::{DilationRule, Encoder, EncoderKind, EncoderOptions, OutputStride, scaled};
use crate::init::{Init, WeightInit};
use crate::ops;
use crate::pass::Pass;

/// Cells along each side of the pooled grids.
const GRIDS: [usize; 4] = [1, 2, 3, 6];

/// The architecture of a [`PspNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PspNetConfig {
    /// The feature extractor.
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
    /// Pool the third feature map (stride 8) of an undilated encoder, as smp does by default, instead of the fifth of an
    /// encoder dilated to stride 8, as the paper does. The stages behind the third are then never run.
    #[serde(default)]
    pub shallow: bool,
    /// Share of the channels dropped in training; the auxiliary head drops at most 0.1 of its values.
    #[serde(default = "defaults::fifth")]
    pub dropout: f64,
    /// Train a second head on the fourth feature map; not with `shallow`.
    #[serde(default)]
    pub auxiliary: bool,
}

impl Default for PspNetConfig {
    fn default() -> Self {
        Self {
            encoder: defaults::resnet50(),
            width: defaults::one(),
            norm: NormKind::default(),
            in_channels: defaults::rgb(),
            outputs: defaults::binary(),
            shallow: false,
            dropout: defaults::fifth(),
            auxiliary: false,
        }
    }
}

impl PspNetConfig {
    fn depth(&self) -> usize {
        if self.shallow { 3 } else { 5 }
    }

    pub(super) fn init(&self, seed: Seed, device: &Device) -> PspNet {
        let root = Init::new(seed, device, WeightInit::KaimingUniformFanIn);
        let options = EncoderOptions {
            in_channels: self.in_channels,
            width: self.width,
            norm: self.norm,
            output_stride: if self.shallow {
                OutputStride::FULL
            } else {
                OutputStride {
                    stride: 8,
                    dilation: DilationRule::WholeStage,
                }
            },
        };
        let channels = self.encoder.channels(self.width);
        let features = channels[self.depth() - 1];
        let width = scaled(512, self.width);
        let decoder = root.child("decoder");
        let blocks = GRIDS
            .into_iter()
            .enumerate()
            .map(|(i, grid)| {
                let init = decoder.child("psp").child("blocks").index(i);
                PspBlock::new(features, grid, self.norm, &init)
            })
            .collect();
        let aux = self.auxiliary.then(|| {
            let init = root.with(WeightInit::PyTorch).child("aux_classifier");
            auxiliary_head(channels[3], self.outputs, self.dropout, self.norm, &init)
        });
        PspNet {
            encoder: self.encoder.init(&options, &root.child("encoder")),
            decoder: Decoder {
                psp: PyramidPooling { blocks },
                conv: Sequential::conv_norm_relu(
                    Conv2dConfig::new(features + features / 4 * 4, width, 1),
                    self.norm,
                    &decoder.child("conv"),
                ),
                dropout: Dropout::channels(self.dropout),
            },
            segmentation_head: vec![
                Conv2dConfig::new(width, self.outputs, 3)
                    .same()
                    .bias(true)
                    .init(
                        &root
                            .child("segmentation_head")
                            .with(WeightInit::XavierUniform),
                    ),
            ],
            aux_classifier: aux,
            depth: self.depth(),
        }
    }
}

/// A pooled grid, projected and spread over the map again.
#[derive(Module, Debug)]
struct PspBlock {
    pool: Sequential,
}

impl PspBlock {
    fn new(features: usize, grid: usize, norm: NormKind, init: &Init<'_>) -> Self {
        let init = init.child("pool").index(1);
        let conv = Conv2dConfig::new(features, features / 4, 1);
        // One value per channel has no batch variance: smp drops the normalisation there.
        let project = if grid == 1 {
            Sequential::default()
                .then(Layer::Conv(conv.bias(true).init(&init.index(0))))
                .then(Layer::Relu(Relu))
        } else {
            Sequential::conv_norm_relu(conv, norm, &init)
        };
        Self {
            pool: Sequential::default()
                .then(Layer::AdaptiveAverage(AdaptiveAverage::new(grid)))
                .then(Layer::Sequential(project)),
        }
    }
}

#[derive(Module, Debug)]
struct PyramidPooling {
    blocks: Vec<PspBlock>,
}

#[derive(Module, Debug)]
struct Decoder {
    psp: PyramidPooling,
    conv: Sequential,
    dropout: Dropout,
}

/// The network with smp's names.
#[derive(Module, Debug)]
pub struct PspNet {
    encoder: Encoder,
    decoder: Decoder,
    segmentation_head: Vec<Conv2d>,
    aux_classifier: Option<Sequential>,
    depth: usize,
}

impl PspNet {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Logits {
        let [_, _, h, w] = x.dims();
        let mut features = self.encoder.features(x, self.depth, pass);
        let deep = features.swap_remove(self.depth - 1);
        let [_, _, fh, fw] = deep.dims();
        let mut maps: Vec<Tensor<4>> = self
            .decoder
            .psp
            .blocks
            .iter()
            .map(|block| {
                let y = block.pool.forward(deep.clone(), pass);
                ops::resize_bilinear_aligned(y, [fh, fw])
            })
            .collect();
        maps.push(deep);
        let y = self.decoder.conv.forward(Tensor::cat(maps, 1), pass);
        let y = self.decoder.dropout.forward(y, pass);
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
