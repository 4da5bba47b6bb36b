//! PSPNet against segmentation-models-pytorch 0.6.

use redmask_nn::encoder::EncoderKind;
use redmask_nn::network::{NetworkConfig, PspNetConfig};

use crate::fixture::{EXACT, compare_network};

#[test]
fn shallow_resnet34_on_grey_images() {
    let config = NetworkConfig::PspNet(PspNetConfig {
        encoder: EncoderKind::Resnet34,
        in_channels: 1,
        shallow: true,
        dropout: 0.0,
        ..PspNetConfig::default()
    });
    compare_network("pspnet-resnet34-shallow", &config, [4, 1, 64, 64], EXACT);
}

#[test]
fn dilated_resnet50() {
    let config = NetworkConfig::PspNet(PspNetConfig {
        dropout: 0.0,
        ..PspNetConfig::default()
    });
    compare_network("pspnet-resnet50-dilated", &config, [4, 3, 64, 64], EXACT);
}
