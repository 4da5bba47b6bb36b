//! VGG-11 without normalisation, torchvision's layout and names.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{EncoderOptions, scaled};
use crate::block::{Conv2dConfig, Layer, MaxPool, Relu, Sequential};
use crate::init::Init;
use crate::pass::Pass;

/// Channels of the convolutions between pools (configuration A).
const STAGES: [&[usize]; 5] = [&[64], &[128], &[256, 256], &[512, 512], &[512, 512]];

/// The network without its classifier.
#[derive(Module, Debug)]
pub struct Vgg11 {
    features: Sequential,
}

impl Vgg11 {
    /// Creates the network.
    pub fn new(options: &EncoderOptions, init: &Init<'_>) -> Self {
        let init = init.child("features");
        let mut layers = Vec::new();
        let mut input = options.in_channels;
        for channels in STAGES.iter().flat_map(|stage| {
            let convs = stage.iter().map(|&c| Some(c));
            convs.chain([None])
        }) {
            let Some(channels) = channels else {
                layers.push(Layer::MaxPool(MaxPool::new(2, 2, 0)));
                continue;
            };
            let output = scaled(channels, options.width);
            let place = init.index(layers.len());
            let place = if layers.is_empty() {
                options.stem(&place)
            } else {
                place
            };
            let conv = Conv2dConfig::new(input, output, 3).same().bias(true);
            layers.push(Layer::Conv(conv.init(&place)));
            layers.push(Layer::Relu(Relu));
            input = output;
        }
        Self {
            features: Sequential { layers },
        }
    }

    /// The first `depth` of: before the second to fifth pool, and after the last. The map at full size is not handed
    /// on; smp's decoder drops it too.
    pub(crate) fn features(&self, x: Tensor<4>, depth: usize, pass: &Pass) -> Vec<Tensor<4>> {
        let layers = &self.features.layers;
        let is_pool = |i: &usize| matches!(layers[*i], Layer::MaxPool(_));
        let pools: Vec<usize> = (0..layers.len()).filter(is_pool).collect();
        let mut x = self.features.run(0..pools[0], x, pass);
        let mut maps = Vec::with_capacity(depth);
        for (i, &pool) in pools.iter().enumerate().take(depth) {
            let end = pools.get(i + 1).copied().unwrap_or(layers.len());
            x = self.features.run(pool..end, x, pass);
            maps.push(x.clone());
        }
        maps
    }
}
