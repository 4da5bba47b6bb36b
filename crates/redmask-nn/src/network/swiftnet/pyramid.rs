//! Pyramidal SwiftNet: one encoder on the image at three sizes, its maps added up level by level.

use burn::module::Module;
use burn::tensor::Tensor;

use super::SwiftNetConfig;
use super::ladder::{NormReluConv, enlarge_and_add};
use crate::block::{Conv2d, Conv2dConfig, MaxPool, Norm, Sequential};
use crate::encoder::{Place, places, shortcut};
use crate::init::{Init, WeightInit};
use crate::ops::{self, Activation};
use crate::pass::Pass;

/// Image sizes: full, half, quarter.
const LEVELS: usize = 3;

/// A basic block whose convolutions are shared by all image sizes and whose normalisations are not.
#[derive(Module, Debug)]
struct SharedBlock {
    conv1: Conv2d,
    bn1: Vec<Norm>,
    conv2: Conv2d,
    bn2: Vec<Norm>,
    downsample: Option<Sequential>,
}

fn norms(place: &Place, init: &Init<'_>) -> Vec<Norm> {
    (0..LEVELS)
        .map(|level| place.norm.init(place.output, &init.index(level)))
        .collect()
}

impl SharedBlock {
    fn new(place: Place, init: &Init<'_>) -> Self {
        let conv3x3 = |from| Conv2dConfig::new(from, place.output, 3).same();
        Self {
            conv1: conv3x3(place.input)
                .stride(place.stride)
                .init(&init.child("conv1")),
            bn1: norms(&place, &init.child("bn1")),
            conv2: conv3x3(place.output).init(&init.child("conv2")),
            bn2: norms(&place, &init.child("bn2")),
            downsample: place.downsample(init),
        }
    }

    /// The sum at the end, before its rectifier.
    fn forward(&self, x: Tensor<4>, level: usize, pass: &Pass) -> Tensor<4> {
        let y = self.conv1.forward(x.clone(), pass);
        let y = self.bn1[level].forward(y, Activation::Relu, pass);
        let y = self.conv2.forward(y, pass);
        let y = self.bn2[level].forward(y, Activation::Identity, pass);
        y + shortcut(self.downsample.as_ref(), x, pass)
    }
}

#[derive(Module, Debug)]
struct Blend {
    blend_conv: NormReluConv,
}

#[derive(Module, Debug)]
struct Backbone {
    conv1: Conv2d,
    bn1: Vec<Norm>,
    layer1: Vec<SharedBlock>,
    layer2: Vec<SharedBlock>,
    layer3: Vec<SharedBlock>,
    layer4: Vec<SharedBlock>,
    upsample_bottlenecks: Vec<Conv2d>,
    upsample_blends: Vec<Blend>,
}

/// The network, with the authors' names.
#[derive(Module, Debug)]
pub struct PyramidSwiftNet {
    backbone: Backbone,
    logits: NormReluConv,
}

impl PyramidSwiftNet {
    pub(super) fn new(config: &SwiftNetConfig, root: &Init<'_>) -> Self {
        let init = root.child("backbone");
        let (features, kind) = (config.features(), config.norm);
        let stages = config.stages();
        let mut level = 0;
        let [layer1, layer2, layer3, layer4] = places(config.encoder, &config.encoder_options())
            .map(|places| {
                level += 1;
                let init = init.child(&format!("layer{level}"));
                places
                    .into_iter()
                    .enumerate()
                    .map(|(i, place)| SharedBlock::new(place, &init.index(i)))
                    .collect()
            });
        let stem = if config.in_channels == 3 {
            init
        } else {
            init.with(WeightInit::PyTorch)
        };
        let bottlenecks = init.child("upsample_bottlenecks");
        let blends = init.child("upsample_blends");
        Self {
            backbone: Backbone {
                conv1: Conv2dConfig::new(config.in_channels, stages[0], 7)
                    .stride(2)
                    .padding(3)
                    .init(&stem.child("conv1")),
                bn1: (0..LEVELS)
                    .map(|i| kind.init(stages[0], &init.child("bn1").index(i)))
                    .collect(),
                layer1,
                layer2,
                layer3,
                layer4,
                // Deepest first.
                upsample_bottlenecks: (0..4)
                    .map(|i| {
                        Conv2dConfig::new(stages[3 - i], features, 1).init(&bottlenecks.index(i))
                    })
                    .collect(),
                upsample_blends: (0..LEVELS + 2)
                    .map(|i| Blend {
                        blend_conv: NormReluConv::new(
                            features,
                            features,
                            3,
                            kind,
                            &blends.index(i).child("blend_conv"),
                        ),
                    })
                    .collect(),
            },
            logits: NormReluConv::logits(features, config.outputs, kind, &root.child("logits")),
        }
    }

    /// Logits at the size of the input, whose sides should be multiples of 128.
    pub(in crate::network) fn forward(&self, image: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let [_, _, h, w] = image.dims();
        // Sums of the maps of one stride: 4, 8, ..., 128.
        let mut rungs: Vec<Tensor<4>> = Vec::with_capacity(LEVELS + 3);
        for level in 0..LEVELS {
            let size = [(h >> level).max(1), (w >> level).max(1)];
            let scaled = if level == 0 {
                image.clone()
            } else {
                ops::resize_bicubic(image.clone(), size)
            };
            for (i, map) in self.encode(scaled, level, pass).into_iter().enumerate() {
                match rungs.get_mut(level + i) {
                    Some(sum) => *sum = enlarge_and_add(map, sum.clone()),
                    None => rungs.push(map),
                }
            }
        }
        let deepest = rungs.pop().expect("the loop left six maps");
        let x = rungs
            .into_iter()
            .rev()
            .zip(&self.backbone.upsample_blends)
            .fold(deepest, |x, (rung, blend)| {
                blend.blend_conv.forward(enlarge_and_add(x, rung), pass)
            });
        ops::resize_bilinear(self.logits.forward(x, pass), [h, w])
    }

    /// The projected maps at strides 4 to 32 of one image size.
    fn encode(&self, image: Tensor<4>, level: usize, pass: &Pass) -> Vec<Tensor<4>> {
        let net = &self.backbone;
        let x = net.conv1.forward(image, pass);
        let x = net.bn1[level].forward(x, Activation::Relu, pass);
        let mut x = MaxPool::new(3, 2, 1).forward(x);
        let stages = [&net.layer1, &net.layer2, &net.layer3, &net.layer4];
        let mut maps = Vec::with_capacity(stages.len());
        for (stage, project) in stages
            .into_iter()
            .zip(net.upsample_bottlenecks.iter().rev())
        {
            let mut sum = x;
            for (i, block) in stage.iter().enumerate() {
                let input = if i == 0 { sum } else { ops::relu(sum) };
                sum = block.forward(input, level, pass);
            }
            maps.push(project.forward(sum.clone(), pass));
            x = ops::relu(sum);
        }
        maps
    }
}
