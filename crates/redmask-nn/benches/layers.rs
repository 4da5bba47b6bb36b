//! Convolution by convolution: the layers of a U-Net/ResNet-34 on batches of 8 images of 128 pixels, and one layer for each
//! other algorithm.
//!
//! `forward` is one pass, `training` a pass and both gradients. Items are multiplications and additions: Gitem/s is GFLOP/s.

use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use divan::{Bencher, counter::ItemsCount};
use redmask_nn::ops::{self, ConvOptions, Precision};

fn main() {
    ops::retain_freed_memory();
    divan::main();
}

/// A convolution of 8 samples.
#[derive(Clone, Copy)]
struct Layer {
    inputs: usize,
    outputs: usize,
    side: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
}

impl Layer {
    const fn dense(inputs: usize, outputs: usize, side: usize) -> Self {
        Self {
            inputs,
            outputs,
            side,
            kernel: 3,
            stride: 1,
            groups: 1,
        }
    }

    const fn strided(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    const fn kernel(self, kernel: usize) -> Self {
        Self { kernel, ..self }
    }

    const fn depthwise(channels: usize, side: usize) -> Self {
        Self {
            groups: channels,
            ..Self::dense(channels, channels, side)
        }
    }

    fn options(self) -> ConvOptions<2> {
        let padding = self.kernel / 2;
        ConvOptions::new([self.stride; 2], [padding; 2], [1, 1], self.groups)
    }

    /// Multiplications and additions of a pass.
    fn operations(self) -> usize {
        let positions = 8 * self.side.div_ceil(self.stride).pow(2);
        2 * positions * self.outputs * self.inputs / self.groups * self.kernel.pow(2)
    }

    fn tensors(self, device: &Device) -> [Tensor<4>; 2] {
        let x = [8, self.inputs, self.side, self.side];
        let weight = [
            self.outputs,
            self.inputs / self.groups,
            self.kernel,
            self.kernel,
        ];
        [x, weight].map(|shape| {
            let values: Vec<f32> = (0..shape.iter().product())
                .map(|i: usize| (i as f32 * 0.37).sin())
                .collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        })
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inputs,
            outputs,
            side,
            kernel,
            stride,
            groups,
        } = self;
        write!(f, "{inputs}->{outputs} {kernel}x{kernel} at {side}")?;
        if *stride > 1 {
            write!(f, " stride {stride}")?;
        }
        if *groups > 1 {
            write!(f, " depthwise")?;
        }
        Ok(())
    }
}

const LAYERS: [Layer; 17] = [
    Layer::dense(3, 64, 128).kernel(7).strided(2),
    Layer::dense(64, 64, 32),
    Layer::dense(64, 128, 32).strided(2),
    Layer::dense(64, 128, 32).kernel(1).strided(2),
    Layer::dense(128, 128, 16),
    Layer::dense(256, 256, 8),
    Layer::dense(512, 512, 4),
    Layer::dense(768, 256, 8),
    Layer::dense(384, 128, 16),
    Layer::dense(192, 64, 32),
    Layer::dense(128, 32, 64),
    Layer::dense(32, 16, 128),
    Layer::dense(16, 16, 128),
    Layer::dense(16, 1, 128),
    Layer::dense(32, 192, 32).kernel(1),
    Layer::depthwise(192, 32),
    Layer::depthwise(192, 32).strided(2),
];

fn forward(bencher: Bencher<'_, '_>, layer: Layer, precision: Precision) {
    if !precision.is_available() {
        return;
    }
    let [x, weight] = layer.tensors(&Device::flex());
    bencher
        .counter(ItemsCount::new(layer.operations()))
        .bench_local(|| {
            let (x, weight) = (x.clone(), weight.clone());
            ops::conv2d(x, weight, layer.options(), precision, None)
        });
}

fn training(bencher: Bencher<'_, '_>, layer: Layer, precision: Precision) {
    if !precision.is_available() {
        return;
    }
    let [x, weight] = layer
        .tensors(&Device::flex().autodiff())
        .map(Tensor::require_grad);
    bencher
        .counter(ItemsCount::new(3 * layer.operations()))
        .bench_local(|| {
            let (x, weight) = (x.clone(), weight.clone());
            ops::conv2d(x, weight, layer.options(), precision, None).backward()
        });
}

#[divan::bench(args = LAYERS, sample_count = 20)]
fn forward_fp32(bencher: Bencher<'_, '_>, layer: Layer) {
    forward(bencher, layer, Precision::Fp32);
}

#[divan::bench(args = LAYERS, sample_count = 20)]
fn forward_bf16(bencher: Bencher<'_, '_>, layer: Layer) {
    forward(bencher, layer, Precision::Bf16);
}

#[divan::bench(args = LAYERS, sample_count = 20)]
fn training_fp32(bencher: Bencher<'_, '_>, layer: Layer) {
    training(bencher, layer, Precision::Fp32);
}

#[divan::bench(args = LAYERS, sample_count = 20)]
fn training_bf16(bencher: Bencher<'_, '_>, layer: Layer) {
    training(bencher, layer, Precision::Bf16);
}
