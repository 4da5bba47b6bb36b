//! U-Net as segmentation-models-pytorch 0.6 builds it: encoder depth 5, decoder 256-128-64-32-16, nearest upsampling.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use redmask_core::Seed;
use serde::{Deserialize, Serialize};

use super::defaults;
use crate::block::{Conv2d, Conv2dConfig, NormKind, Sequential};
use crate::encoder::{Encoder, EncoderKind, EncoderOptions, OutputStride, scaled};
use crate::init::{Init, WeightInit};
use crate::ops;
use crate::pass::Pass;

const DECODER: [usize; 5] = [256, 128, 64, 32, 16];

/// The architecture of a [`Unet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnetConfig {
    /// The contracting path.
    #[serde(default)]
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
    /// Share of the channels dropped in training, of the deepest features and in front of the head. smp has none.
    #[serde(default, skip_serializing_if = "defaults::is_none")]
    pub dropout: f64,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self {
            encoder: EncoderKind::default(),
            width: defaults::one(),
            norm: NormKind::default(),
            in_channels: defaults::rgb(),
            outputs: defaults::binary(),
            dropout: 0.0,
        }
    }
}

impl UnetConfig {
    /// Creates the network with smp's initial weights.
    pub fn init(&self, seed: Seed, device: &Device) -> Unet {
        let root = Init::new(seed, device, WeightInit::KaimingUniformFanIn);
        let options = EncoderOptions {
            in_channels: self.in_channels,
            width: self.width,
            norm: self.norm,
            output_stride: OutputStride::FULL,
        };
        let [c1, c2, c3, c4, c5] = self.encoder.channels(self.width);
        let widths = DECODER.map(|c| scaled(c, self.width));
        let decoder = root.child("decoder");
        let center = matches!(self.encoder, EncoderKind::Vgg11).then(|| {
            let conv = Conv2dConfig::new(c5, c5, 3).same();
            let init = decoder.child("center");
            [0, 1].map(|i| Sequential::conv_norm_relu(conv, self.norm, &init.index(i)))
        });
        let mut input = c5;
        let blocks = [c4, c3, c2, c1, 0]
            .into_iter()
            .zip(widths)
            .enumerate()
            .map(|(i, (skip, output))| {
                let from = std::mem::replace(&mut input, output);
                DecoderBlock::new(
                    from + skip,
                    output,
                    self.norm,
                    &decoder.child("blocks").index(i),
                )
            })
            .collect();
        Unet {
            encoder: self.encoder.init(&options, &root.child("encoder")),
            decoder: Decoder {
                center: center.map(Vec::from),
                blocks,
            },
            segmentation_head: vec![
                Conv2dConfig::new(widths[4], self.outputs, 3)
                    .same()
                    .bias(true)
                    .init(
                        &root
                            .child("segmentation_head")
                            .with(WeightInit::XavierUniform),
                    ),
            ],
            dropout: self.dropout,
        }
    }
}

/// Upsample, join with the skip, convolve twice.
#[derive(Module, Debug)]
struct DecoderBlock {
    conv1: Sequential,
    conv2: Sequential,
}

impl DecoderBlock {
    fn new(input: usize, output: usize, norm: NormKind, init: &Init<'_>) -> Self {
        let conv = |from| Conv2dConfig::new(from, output, 3).same();
        Self {
            conv1: Sequential::conv_norm_relu(conv(input), norm, &init.child("conv1")),
            conv2: Sequential::conv_norm_relu(conv(output), norm, &init.child("conv2")),
        }
    }

    fn forward(
        &self,
        x: Tensor<4>,
        size: [usize; 2],
        skip: Option<Tensor<4>>,
        pass: &Pass,
    ) -> Tensor<4> {
        let x = match skip {
            Some(skip) => ops::upsample_nearest_beside(x, skip),
            None => ops::upsample_nearest(x, size),
        };
        self.conv2.forward(self.conv1.forward(x, pass), pass)
    }
}

/// The expanding path.
#[derive(Module, Debug)]
struct Decoder {
    center: Option<Vec<Sequential>>,
    blocks: Vec<DecoderBlock>,
}

/// The network.
#[derive(Module, Debug)]
pub struct Unet {
    encoder: Encoder,
    decoder: Decoder,
    segmentation_head: Vec<Conv2d>,
    dropout: f64,
}

impl Unet {
    /// Logits `[n, outputs, h, w]`. Any size works; sizes divisible by 32 lose nothing to rounding.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let mut skips = self.encoder.features(x, 5, pass);
        let mut x = pass.dropout_channels(skips.swap_remove(4), self.dropout);
        for block in self.decoder.center.iter().flatten() {
            x = block.forward(x, pass);
        }
        for block in &self.decoder.blocks {
            let skip = skips.pop();
            let size = skip.as_ref().map_or([height, width], |s| {
                let [_, _, h, w] = s.dims();
                [h, w]
            });
            x = block.forward(x, size, skip, pass);
        }
        let x = pass.dropout_channels(x, self.dropout);
        self.segmentation_head
            .iter()
            .fold(x, |x, conv| conv.forward(x, pass))
    }
}
