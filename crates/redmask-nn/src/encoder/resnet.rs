//! ResNet with basic blocks (18, 34) or bottlenecks (50, 101), torchvision's layout and names.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{EncoderOptions, scaled};
use crate::block::{Conv2d, Conv2dConfig, MaxPool, Norm, NormKind, Sequential};
use crate::init::Init;
use crate::ops::{self, Activation};
use crate::pass::Pass;

/// How many layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResNetDepth {
    /// Basic blocks 2-2-2-2.
    #[serde(rename = "resnet18")]
    D18,
    /// Basic blocks 3-4-6-3.
    #[serde(rename = "resnet34")]
    D34,
    /// Bottlenecks 3-4-6-3.
    #[serde(rename = "resnet50")]
    D50,
    /// Bottlenecks 3-4-23-3.
    #[serde(rename = "resnet101")]
    D101,
}

impl ResNetDepth {
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::D18 => [2, 2, 2, 2],
            Self::D34 | Self::D50 => [3, 4, 6, 3],
            Self::D101 => [3, 4, 23, 3],
        }
    }

    /// Output channels of a block over its inner ones.
    pub(crate) fn expansion(self) -> usize {
        match self {
            Self::D18 | Self::D34 => 1,
            Self::D50 | Self::D101 => 4,
        }
    }
}

/// Where a residual block sits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) input: usize,
    pub(crate) planes: usize,
    pub(crate) output: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) norm: NormKind,
}

impl Place {
    /// The projection of the shortcut, where shapes change.
    pub(crate) fn downsample(&self, init: &Init<'_>) -> Option<Sequential> {
        (self.stride != 1 || self.input != self.output).then(|| {
            let conv = Conv2dConfig::new(self.input, self.output, 1).stride(self.stride);
            Sequential::conv_norm(conv, self.norm, &init.child("downsample"))
        })
    }
}

/// Two 3x3 convolutions and a shortcut.
#[derive(Module, Debug)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: Norm,
    conv2: Conv2d,
    bn2: Norm,
    downsample: Option<Sequential>,
}

impl BasicBlock {
    fn new(place: Place, init: &Init<'_>) -> Self {
        let Place {
            input,
            output,
            dilation,
            norm,
            ..
        } = place;
        let conv3x3 = |from| Conv2dConfig::new(from, output, 3).dilation(dilation).same();
        Self {
            conv1: conv3x3(input)
                .stride(place.stride)
                .init(&init.child("conv1")),
            bn1: norm.init(output, &init.child("bn1")),
            conv2: conv3x3(output).init(&init.child("conv2")),
            bn2: norm.init(output, &init.child("bn2")),
            downsample: place.downsample(init),
        }
    }

    fn branches(&self, x: Tensor<4>, pass: &Pass) -> [Tensor<4>; 2] {
        let (relu, identity) = (Activation::Relu, Activation::Identity);
        let y = self.conv1.normalized(x.clone(), &self.bn1, relu, pass);
        let y = self.conv2.normalized(y, &self.bn2, identity, pass);
        [y, shortcut(self.downsample.as_ref(), x, pass)]
    }
}

/// 1x1, 3x3 and 1x1 convolutions and a shortcut; the stride is in the 3x3 (ResNet v1.5).
#[derive(Module, Debug)]
struct Bottleneck {
    conv1: Conv2d,
    bn1: Norm,
    conv2: Conv2d,
    bn2: Norm,
    conv3: Conv2d,
    bn3: Norm,
    downsample: Option<Sequential>,
}

impl Bottleneck {
    fn new(place: Place, init: &Init<'_>) -> Self {
        let Place {
            planes,
            output,
            norm,
            ..
        } = place;
        Self {
            conv1: Conv2dConfig::new(place.input, planes, 1).init(&init.child("conv1")),
            bn1: norm.init(planes, &init.child("bn1")),
            conv2: Conv2dConfig::new(planes, planes, 3)
                .dilation(place.dilation)
                .same()
                .stride(place.stride)
                .init(&init.child("conv2")),
            bn2: norm.init(planes, &init.child("bn2")),
            conv3: Conv2dConfig::new(planes, output, 1).init(&init.child("conv3")),
            bn3: norm.init(output, &init.child("bn3")),
            downsample: place.downsample(init),
        }
    }

    fn branches(&self, x: Tensor<4>, pass: &Pass) -> [Tensor<4>; 2] {
        let (relu, identity) = (Activation::Relu, Activation::Identity);
        let y = self.conv1.normalized(x.clone(), &self.bn1, relu, pass);
        let y = self.conv2.normalized(y, &self.bn2, relu, pass);
        let y = self.conv3.normalized(y, &self.bn3, identity, pass);
        [y, shortcut(self.downsample.as_ref(), x, pass)]
    }
}

/// The input, projected where shapes change.
pub(crate) fn shortcut(downsample: Option<&Sequential>, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
    match downsample {
        Some(project) => project.forward(x, pass),
        None => x,
    }
}

/// A residual block of either kind.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network holds blocks of one kind only"
)]
enum Residual {
    /// ResNet-18 and 34.
    Basic(BasicBlock),
    /// ResNet-50 and 101.
    Bottleneck(Bottleneck),
}

impl Residual {
    fn new(depth: ResNetDepth, place: Place, init: &Init<'_>) -> Self {
        match depth.expansion() {
            1 => Self::Basic(BasicBlock::new(place, init)),
            _ => Self::Bottleneck(Bottleneck::new(place, init)),
        }
    }

    /// What is added up, and rectified where a block ends.
    fn branches(&self, x: Tensor<4>, pass: &Pass) -> [Tensor<4>; 2] {
        match self {
            Self::Basic(block) => block.branches(x, pass),
            Self::Bottleneck(block) => block.branches(x, pass),
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let [y, shortcut] = self.branches(x, pass);
        ops::add_relu(y, shortcut)
    }
}

/// The places of all blocks of the four stages, in order.
pub(crate) fn places(depth: ResNetDepth, options: &EncoderOptions) -> [Vec<Place>; 4] {
    let mut input = scaled(64, options.width);
    std::array::from_fn(|level| {
        let full = 64 << level;
        let planes = scaled(full, options.width);
        let output = scaled(full * depth.expansion(), options.width);
        let (stride, first, others) = match level {
            0 => (1, 1, 1),
            _ => options.output_stride.stage(4 << level),
        };
        (0..depth.blocks()[level])
            .map(|i| Place {
                input: std::mem::replace(&mut input, output),
                planes,
                output,
                stride: if i == 0 { stride } else { 1 },
                dilation: if i == 0 { first } else { others },
                norm: options.norm,
            })
            .collect()
    })
}

/// The residual network without its classifier.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: Norm,
    layer1: Vec<Residual>,
    layer2: Vec<Residual>,
    layer3: Vec<Residual>,
    layer4: Vec<Residual>,
}

impl ResNet {
    /// Creates the network; `init` decides the weights of all layers but a stem for other than three channels.
    pub fn new(depth: ResNetDepth, options: &EncoderOptions, init: &Init<'_>) -> Self {
        let stem = scaled(64, options.width);
        let mut level = 0;
        let [layer1, layer2, layer3, layer4] = places(depth, options).map(|places| {
            level += 1;
            let init = init.child(&format!("layer{level}"));
            places
                .into_iter()
                .enumerate()
                .map(|(i, place)| Residual::new(depth, place, &init.index(i)))
                .collect()
        });
        Self {
            conv1: Conv2dConfig::new(options.in_channels, stem, 7)
                .stride(2)
                .padding(3)
                .init(&options.stem(init).child("conv1")),
            bn1: options.norm.init(stem, &init.child("bn1")),
            layer1,
            layer2,
            layer3,
            layer4,
        }
    }

    fn stages(&self) -> [&[Residual]; 4] {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
    }

    fn stem(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        self.conv1.normalized(x, &self.bn1, Activation::Relu, pass)
    }

    /// The first `depth` of: before the pool, and after each stage.
    pub(crate) fn features(&self, x: Tensor<4>, depth: usize, pass: &Pass) -> Vec<Tensor<4>> {
        let mut x = self.stem(x, pass);
        let mut features = vec![x.clone()];
        x = MaxPool::new(3, 2, 1).forward(x);
        for stage in self.stages().into_iter().take(depth.saturating_sub(1)) {
            x = stage.iter().fold(x, |x, block| block.forward(x, pass));
            features.push(x.clone());
        }
        features
    }

    /// The sums at the end of each stage before their rectifier (strides 4 to 32), which SwiftNet hands on.
    pub(crate) fn sums(&self, x: Tensor<4>, pass: &Pass) -> Vec<Tensor<4>> {
        let mut x = MaxPool::new(3, 2, 1).forward(self.stem(x, pass));
        let mut sums = Vec::with_capacity(4);
        for stage in self.stages() {
            for (i, block) in stage.iter().enumerate() {
                let [y, shortcut] = block.branches(x, pass);
                let sum = y + shortcut;
                x = ops::relu(sum.clone());
                if i + 1 == stage.len() {
                    sums.push(sum);
                }
            }
        }
        sums
    }
}
