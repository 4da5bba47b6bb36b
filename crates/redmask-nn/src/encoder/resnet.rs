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
struct Place {
    input: usize,
    planes: usize,
    output: usize,
    stride: usize,
    dilation: usize,
    norm: NormKind,
}

impl Place {
    fn downsample(&self, init: &Init<'_>) -> Option<Sequential> {
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

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let y = self.conv1.forward(x.clone(), pass);
        let y = self.bn1.forward(y, Activation::Relu, pass);
        let y = self.conv2.forward(y, pass);
        let y = self.bn2.forward(y, Activation::Identity, pass);
        ops::add_relu(y, shortcut(self.downsample.as_ref(), x, pass))
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

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let y = self.conv1.forward(x.clone(), pass);
        let y = self.bn1.forward(y, Activation::Relu, pass);
        let y = self.conv2.forward(y, pass);
        let y = self.bn2.forward(y, Activation::Relu, pass);
        let y = self.conv3.forward(y, pass);
        let y = self.bn3.forward(y, Activation::Identity, pass);
        ops::add_relu(y, shortcut(self.downsample.as_ref(), x, pass))
    }
}

fn shortcut(downsample: Option<&Sequential>, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
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
    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        match self {
            Self::Basic(block) => block.forward(x, pass),
            Self::Bottleneck(block) => block.forward(x, pass),
        }
    }
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
        let mut input = stem;
        let mut stage = |level: usize| {
            let name = format!("layer{}", level + 1);
            let full = 64 << level;
            let planes = scaled(full, options.width);
            let output = scaled(full * depth.expansion(), options.width);
            (0..depth.blocks()[level])
                .map(|i| {
                    let place = Place {
                        input: std::mem::replace(&mut input, output),
                        planes,
                        output,
                        stride: if i == 0 && level > 0 { 2 } else { 1 },
                        dilation: 1,
                        norm: options.norm,
                    };
                    let init = init.child(&name).index(i);
                    match depth.expansion() {
                        1 => Residual::Basic(BasicBlock::new(place, &init)),
                        _ => Residual::Bottleneck(Bottleneck::new(place, &init)),
                    }
                })
                .collect::<Vec<_>>()
        };
        Self {
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            conv1: Conv2dConfig::new(options.in_channels, stem, 7)
                .stride(2)
                .padding(3)
                .init(&options.stem(init).child("conv1")),
            bn1: options.norm.init(stem, &init.child("bn1")),
        }
    }

    /// Feature maps at strides 2 (before the pool), 4, 8, 16, 32.
    pub fn features(&self, x: Tensor<4>, pass: &Pass) -> [Tensor<4>; 5] {
        let x = self.conv1.forward(x, pass);
        let f1 = self.bn1.forward(x, Activation::Relu, pass);
        let run = |stage: &[Residual], x: Tensor<4>| {
            stage.iter().fold(x, |x, block| block.forward(x, pass))
        };
        let f2 = run(&self.layer1, MaxPool::new(3, 2, 1).forward(f1.clone()));
        let f3 = run(&self.layer2, f2.clone());
        let f4 = run(&self.layer3, f3.clone());
        let f5 = run(&self.layer4, f4.clone());
        [f1, f2, f3, f4, f5]
    }
}
