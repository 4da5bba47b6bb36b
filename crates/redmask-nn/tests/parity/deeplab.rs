//! The DeepLabs against segmentation-models-pytorch 0.6 and torchvision.

use redmask_nn::encoder::EncoderKind;
use redmask_nn::network::{DeepLabConfig, NetworkConfig};

use crate::fixture::{Demand, EXACT, compare_network};

/// The pyramid's image mean normalises four values per channel, which magnifies rounding: single-precision PyTorch is
/// 1.2e-4 (ResNet-50) to 4.8e-4 (ResNet-101) from its own double precision in these cases.
const PYRAMID: Demand = Demand {
    train: 1e-3,
    ..EXACT
};

fn config(encoder: EncoderKind, output_stride: usize) -> DeepLabConfig {
    DeepLabConfig {
        encoder,
        output_stride: Some(output_stride),
        dropout: 0.0,
        ..DeepLabConfig::default()
    }
}

fn torchvision(encoder: EncoderKind) -> NetworkConfig {
    NetworkConfig::TorchvisionDeepLabV3(DeepLabConfig {
        outputs: 2,
        auxiliary: true,
        output_stride: None,
        ..config(encoder, 8)
    })
}

#[test]
fn v3_resnet50_at_stride_8() {
    let config = NetworkConfig::DeepLabV3(config(EncoderKind::Resnet50, 8));
    compare_network(
        "deeplab-v3-resnet50-stride8",
        &config,
        [4, 3, 64, 64],
        PYRAMID,
    );
}

#[test]
fn v3_mobilenet_v2_at_stride_16() {
    let config = NetworkConfig::DeepLabV3(config(EncoderKind::MobilenetV2, 16));
    compare_network(
        "deeplab-v3-mobilenet-v2-stride16",
        &config,
        [4, 3, 64, 96],
        EXACT,
    );
}

#[test]
fn torchvision_resnet50_with_auxiliary_head() {
    let config = torchvision(EncoderKind::Resnet50);
    compare_network(
        "torchvision-deeplab-v3-resnet50",
        &config,
        [4, 3, 72, 56],
        PYRAMID,
    );
}

#[test]
fn torchvision_resnet101_with_auxiliary_head() {
    let config = torchvision(EncoderKind::Resnet101);
    compare_network(
        "torchvision-deeplab-v3-resnet101",
        &config,
        [4, 3, 72, 56],
        PYRAMID,
    );
}

#[test]
fn v3_plus_mobilenet_v2_at_stride_16() {
    let config = NetworkConfig::DeepLabV3Plus(config(EncoderKind::MobilenetV2, 16));
    compare_network(
        "deeplab-v3-plus-mobilenet-v2-stride16",
        &config,
        [4, 3, 64, 64],
        EXACT,
    );
}

#[test]
fn v3_plus_resnet101_at_stride_8() {
    let config = NetworkConfig::DeepLabV3Plus(config(EncoderKind::Resnet101, 8));
    compare_network(
        "deeplab-v3-plus-resnet101-stride8",
        &config,
        [4, 3, 64, 64],
        PYRAMID,
    );
}
