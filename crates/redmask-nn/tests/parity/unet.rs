//! U-Net against segmentation-models-pytorch 0.6.

use redmask_nn::encoder::EncoderKind;
use redmask_nn::network::{NetworkConfig, UnetConfig};

use crate::fixture::{Demand, EXACT, compare_network};

fn check(case: &str, encoder: EncoderKind, shape: [usize; 4], outputs: usize, demand: Demand) {
    let config = NetworkConfig::Unet(UnetConfig {
        encoder,
        in_channels: shape[1],
        outputs,
        ..UnetConfig::default()
    });
    compare_network(case, &config, shape, demand);
}

#[test]
fn resnet34_with_gradients() {
    let demand = Demand {
        // PyTorch's own single-precision gradients are up to 4.6e-2 from its double-precision ones here (`spread.py` beside the
        // fixture): a value next to a rectifier's kink falls on the other side. A wrong backward pass is off by far more; each
        // operation's gradients are compared by themselves, to the last digits.
        gradients: Some(5e-2),
        ..EXACT
    };
    check(
        "unet-resnet34",
        EncoderKind::Resnet34,
        [2, 3, 64, 64],
        1,
        demand,
    );
}

#[test]
fn mobilenet_v2() {
    let demand = Demand {
        // Fifty-two batch normalisations in a row; single-precision PyTorch is up to 1.1e-4 from double here.
        train: 2e-4,
        ..EXACT
    };
    check(
        "unet-mobilenet-v2",
        EncoderKind::MobilenetV2,
        [2, 3, 96, 96],
        1,
        demand,
    );
}

#[test]
fn vgg11() {
    check("unet-vgg11", EncoderKind::Vgg11, [2, 1, 64, 64], 2, EXACT);
}

#[test]
fn sizes_that_32_does_not_divide() {
    check(
        "unet-resnet34-odd",
        EncoderKind::Resnet34,
        [2, 1, 72, 56],
        1,
        EXACT,
    );
}
