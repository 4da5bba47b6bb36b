//! MobileNetV2, torchvision's layout and names.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{EncoderOptions, scaled};
use crate::block::{Conv2dConfig, Layer, NormKind, Sequential};
use crate::init::Init;
use crate::pass::Pass;

/// Expansion, channels, repeats, first stride of each stage (Sandler et al., 2018, Table 2).
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// Positions in `features` whose outputs smp hands on.
const TAPS: [usize; 5] = [1, 3, 6, 13, 18];

/// Expand, filter each channel by itself, project.
#[derive(Module, Debug)]
struct InvertedResidual {
    conv: Sequential,
    shortcut: bool,
}

/// Where an inverted residual sits.
#[derive(Clone, Copy)]
struct Place {
    input: usize,
    output: usize,
    expansion: usize,
    stride: usize,
    dilation: usize,
    /// The same shape in and out, in the network without dilation.
    shortcut: bool,
}

impl InvertedResidual {
    fn new(place: Place, norm: NormKind, init: &Init<'_>) -> Self {
        let init = init.child("conv");
        let hidden = place.input * place.expansion;
        let mut conv = Sequential::default();
        if place.expansion != 1 {
            let expand = Conv2dConfig::new(place.input, hidden, 1);
            let expand = Sequential::conv_norm_relu6(expand, norm, &init.child("expand"));
            conv = conv.then(Layer::Sequential(expand));
        }
        let depthwise = Conv2dConfig::new(hidden, hidden, 3)
            .dilation(place.dilation)
            .same()
            .stride(place.stride)
            .groups(hidden);
        let depthwise = Sequential::conv_norm_relu6(depthwise, norm, &init.child("depthwise"));
        let project = Conv2dConfig::new(hidden, place.output, 1).init(&init.child("project"));
        let norm = norm.init(place.output, &init.child("norm"));
        Self {
            conv: conv
                .then(Layer::Sequential(depthwise))
                .then(Layer::Conv(project))
                .then(Layer::Norm(norm)),
            shortcut: place.shortcut,
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        if self.shortcut {
            x.clone() + self.conv.forward(x, pass)
        } else {
            self.conv.forward(x, pass)
        }
    }
}

/// One entry of the feature list.
#[derive(Module, Debug)]
enum Feature {
    /// The first and the last one.
    Conv(Sequential),
    /// The others.
    Residual(InvertedResidual),
}

/// The network without its classifier.
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    features: Vec<Feature>,
}

impl MobileNetV2 {
    /// Creates the network. All channels scale with the width, the last 1280 too (torchvision keeps them).
    pub fn new(options: &EncoderOptions, init: &Init<'_>) -> Self {
        let EncoderOptions { width, norm, .. } = *options;
        let at = |i: usize| init.child("features").index(i);
        let mut input = scaled(32, width);
        let stem = Conv2dConfig::new(options.in_channels, input, 3)
            .same()
            .stride(2);
        let stem = Sequential::conv_norm_relu6(stem, norm, &options.stem(&at(0)));
        let mut features = vec![Feature::Conv(stem)];
        let mut nominal = 2;
        for (expansion, channels, repeats, first) in STAGES {
            nominal *= first;
            let output = scaled(channels, width);
            // Stages at the nominal stride of a stage before them share its dilation.
            let (stride, dilation_first, dilation) = options.output_stride.stage(nominal);
            for i in 0..repeats {
                let from = std::mem::replace(&mut input, output);
                let undilated = if i == 0 { first } else { 1 };
                let place = Place {
                    input: from,
                    output,
                    expansion,
                    stride: undilated.min(stride),
                    dilation: if undilated == 2 {
                        dilation_first
                    } else {
                        dilation
                    },
                    shortcut: undilated == 1 && from == output,
                };
                let block = InvertedResidual::new(place, norm, &at(features.len()));
                features.push(Feature::Residual(block));
            }
        }
        let last = Conv2dConfig::new(input, scaled(1280, width), 1);
        let last = Sequential::conv_norm_relu6(last, norm, &at(features.len()));
        features.push(Feature::Conv(last));
        Self { features }
    }

    /// The first `depth` feature maps.
    pub(crate) fn features(&self, mut x: Tensor<4>, depth: usize, pass: &Pass) -> Vec<Tensor<4>> {
        let mut start = 0;
        let mut maps = Vec::with_capacity(depth);
        for tap in TAPS.into_iter().take(depth) {
            for feature in &self.features[start..=tap] {
                x = match feature {
                    Feature::Conv(conv) => conv.forward(x, pass),
                    Feature::Residual(block) => block.forward(x, pass),
                };
            }
            start = tap + 1;
            maps.push(x.clone());
        }
        maps
    }
}
