//! Attack classifiers against torchvision.

use burn::tensor::Device;
use redmask_core::Seed;
use redmask_nn::classifier::{Classifier, ClassifierConfig, ResNetClassifierConfig};
use redmask_nn::encoder::ResNetDepth;

use crate::fixture::{Demand, compare};

fn check(case: &str, depth: ResNetDepth, paper_compat: bool) {
    let config = ClassifierConfig::Resnet(ResNetClassifierConfig {
        depth,
        width: 1.0,
        paper_compat,
    });
    let network = config
        .init(2, Seed::root(0), &Device::flex().autodiff())
        .unwrap();
    let demand = Demand {
        logits: 1e-4,
        statistics: Some(1e-4),
        gradients: None,
    };
    compare(case, network, [4, 2, 64, 64], demand, Classifier::forward);
}

#[test]
fn resnet18_behind_a_1x1_convolution() {
    check("classifier-resnet18", ResNetDepth::D18, true);
}

#[test]
fn resnet34_on_two_channels() {
    check("classifier-resnet34", ResNetDepth::D34, false);
}
