//! Single-scale SwiftNet: spatial pyramid pooling at stride 32, three steps up to stride 4.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;

use super::SwiftNetConfig;
use super::ladder::{NormReluConv, enlarge_and_add};
use crate::block::NormKind;
use crate::encoder::ResNet;
use crate::init::Init;
use crate::ops;
use crate::pass::Pass;

/// Cells along the height of the pooled grids; the width follows the map's shape.
const GRIDS: [usize; 3] = [8, 4, 2];

/// Pools the deepest map on three grids.
#[derive(Module, Debug)]
struct PyramidPooling {
    spp: Levels,
}

/// In the authors' names.
#[derive(Module, Debug)]
struct Levels {
    spp_bn: NormReluConv,
    spp0: NormReluConv,
    spp1: NormReluConv,
    spp2: NormReluConv,
    spp_fuse: NormReluConv,
}

impl PyramidPooling {
    fn new(input: usize, features: usize, kind: NormKind, init: &Init<'_>) -> Self {
        let init = init.child("spp");
        let level = features / GRIDS.len();
        let conv = |name: &str, from, to| {
            // The authors' momentum for these layers.
            NormReluConv::new(from, to, 1, kind, &init.child(name)).with_momentum(0.005)
        };
        let fused = features + GRIDS.len() * level;
        Self {
            spp: Levels {
                spp_bn: conv("spp_bn", input, features),
                spp0: conv("spp0", features, level),
                spp1: conv("spp1", features, level),
                spp2: conv("spp2", features, level),
                spp_fuse: conv("spp_fuse", fused, features),
            },
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let x = self.spp.spp_bn.forward(x, pass);
        let [_, _, h, w] = x.dims();
        let aspect = w as f64 / h as f64;
        let mut maps = vec![x.clone()];
        for (grid, conv) in GRIDS
            .into_iter()
            .zip([&self.spp.spp0, &self.spp.spp1, &self.spp.spp2])
        {
            // Ties to even, as Python rounds.
            let columns = ((aspect * grid as f64).round_ties_even() as usize).max(1);
            let pooled = adaptive_avg_pool2d(x.clone(), [grid, columns]);
            maps.push(ops::resize_bilinear(conv.forward(pooled, pass), [h, w]));
        }
        self.spp.spp_fuse.forward(Tensor::cat(maps, 1), pass)
    }
}

/// One step up.
#[derive(Module, Debug)]
struct Upsample {
    bottleneck: NormReluConv,
    blend_conv: NormReluConv,
}

/// ResNet with pyramid pooling and the ladder. The ResNet's names follow without a prefix of their own.
#[derive(Module, Debug)]
struct Backbone {
    trunk: ResNet,
    spp: PyramidPooling,
    upsample: Vec<Upsample>,
}

/// The network, with the authors' names.
#[derive(Module, Debug)]
pub struct SwiftNet {
    backbone: Backbone,
    logits: NormReluConv,
}

impl SwiftNet {
    pub(super) fn new(config: &SwiftNetConfig, init: &Init<'_>) -> Self {
        let backbone = init.child("backbone");
        let (features, kind) = (config.features(), config.norm);
        let [c4, c8, c16, c32] = config.stages();
        let upsample = [c16, c8, c4]
            .into_iter()
            .enumerate()
            .map(|(i, skip)| {
                let init = backbone.child("upsample").index(i);
                Upsample {
                    bottleneck: NormReluConv::new(
                        skip,
                        features,
                        1,
                        kind,
                        &init.child("bottleneck"),
                    ),
                    blend_conv: NormReluConv::new(
                        features,
                        features,
                        3,
                        kind,
                        &init.child("blend_conv"),
                    ),
                }
            })
            .collect();
        Self {
            backbone: Backbone {
                trunk: ResNet::new(config.encoder, &config.encoder_options(), &backbone),
                spp: PyramidPooling::new(c32, features, kind, &backbone.child("spp")),
                upsample,
            },
            logits: NormReluConv::logits(features, config.outputs, kind, &init.child("logits")),
        }
    }

    /// Logits at the size of the input.
    pub(in crate::network) fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let mut skips = self.backbone.trunk.sums(x, pass);
        let mut x = self.backbone.spp.forward(skips.swap_remove(3), pass);
        for (step, skip) in self.backbone.upsample.iter().zip(skips.into_iter().rev()) {
            let skip = step.bottleneck.forward(skip, pass);
            x = step.blend_conv.forward(enlarge_and_add(x, skip), pass);
        }
        ops::resize_bilinear(self.logits.forward(x, pass), [h, w])
    }
}
