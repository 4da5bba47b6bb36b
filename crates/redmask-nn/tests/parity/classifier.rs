//! Attack classifiers against torchvision.

use burn::tensor::Device;
use redmask_core::Seed;
use redmask_nn::classifier::{Classifier, ClassifierConfig, ResNetClassifierConfig};
use redmask_nn::encoder::ResNetDepth;

use crate::fixture::{EXACT, compare};

fn check(case: &str, depth: ResNetDepth, paper_compat: bool) {
    let config = ClassifierConfig::Resnet(ResNetClassifierConfig {
        depth,
        width: 1.0,
        paper_compat,
    });
    let network = config
        .init(2, Seed::root(0), &Device::flex().autodiff())
        .unwrap();
    compare(case, network, [4, 2, 64, 64], EXACT, |net, x, pass| {
        (Classifier::forward(net, x, pass), None)
    });
}

#[test]
fn resnet18_behind_a_1x1_convolution() {
    check("classifier-resnet18", ResNetDepth::D18, true);
}

#[test]
fn resnet34_on_two_channels() {
    check("classifier-resnet34", ResNetDepth::D34, false);
}
