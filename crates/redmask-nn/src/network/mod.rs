//! Segmentation networks: one file or folder each, one configuration each.

mod aspp;
mod auxiliary;
mod config;
mod deeplab_v3;
mod deeplab_v3_plus;
mod defaults;
mod pspnet;
mod swiftnet;
mod unet;

use burn::module::Module;
use burn::tensor::Tensor;

pub use config::NetworkConfig;
pub use deeplab_v3::{DeepLabConfig, DeepLabV3, TorchvisionDeepLabV3};
pub use deeplab_v3_plus::DeepLabV3Plus;
pub use pspnet::{PspNet, PspNetConfig};
pub use swiftnet::{PyramidSwiftNet, SwiftNet, SwiftNetConfig};
pub use unet::{Unet, UnetConfig};

use crate::pass::Pass;

/// What a network gives: logits `[n, outputs, h, w]` at the size of its input.
#[derive(Debug, Clone)]
pub struct Logits {
    /// The prediction.
    pub main: Tensor<4>,
    /// The auxiliary head's, in training passes of networks that have one; papers weight its loss by 0.4.
    pub auxiliary: Option<Tensor<4>>,
}

impl From<Tensor<4>> for Logits {
    fn from(main: Tensor<4>) -> Self {
        Self {
            main,
            auxiliary: None,
        }
    }
}

/// A network that maps images `[n, c, h, w]` to logits `[n, outputs, h, w]`.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are a few of them in a process, and each owns megabytes"
)]
pub enum SegmentationNetwork {
    /// See [`Unet`].
    Unet(Unet),
    /// See [`DeepLabV3`].
    DeepLabV3(DeepLabV3),
    /// See [`TorchvisionDeepLabV3`].
    TorchvisionDeepLabV3(TorchvisionDeepLabV3),
    /// See [`DeepLabV3Plus`].
    DeepLabV3Plus(DeepLabV3Plus),
    /// See [`PspNet`].
    PspNet(PspNet),
    /// See [`SwiftNet`].
    SwiftNet(SwiftNet),
    /// See [`PyramidSwiftNet`].
    PyramidSwiftNet(PyramidSwiftNet),
}

impl SegmentationNetwork {
    /// Logits `[n, outputs, h, w]` at the size of the input.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        self.forward_all(x, pass).main
    }

    /// The logits of all heads.
    pub fn forward_all(&self, x: Tensor<4>, pass: &Pass) -> Logits {
        match self {
            Self::Unet(net) => net.forward(x, pass).into(),
            Self::DeepLabV3(net) => net.forward(x, pass),
            Self::TorchvisionDeepLabV3(net) => net.forward(x, pass),
            Self::DeepLabV3Plus(net) => net.forward(x, pass),
            Self::PspNet(net) => net.forward(x, pass),
            Self::SwiftNet(net) => net.forward(x, pass).into(),
            Self::PyramidSwiftNet(net) => net.forward(x, pass).into(),
        }
    }

    /// Writes the running statistics of a training pass; see [`Pass::commit`].
    #[must_use]
    pub fn commit(self, pass: Pass) -> Self {
        pass.commit(self)
    }
}
