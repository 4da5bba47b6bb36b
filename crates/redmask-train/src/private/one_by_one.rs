//! A forward and a backward pass for each unit.

use burn::optim::GradientsParams;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;

use super::clip::Clipping;
use super::clipped_sum::{ClippedSum, Share, UnitInput};
use super::layout::{GradientLayout, accumulate, squared_norms};
use crate::loss::LossConfig;

pub(super) fn clipped_sum(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: &LossConfig,
    shares: Option<Vec<Share>>,
    clipping: &Clipping,
    layout: &GradientLayout,
) -> ClippedSum {
    let mut result = ClippedSum::empty(layout);
    let mut shares = shares.map(Vec::into_iter);
    for unit in units {
        let logits = network.forward(unit.input.clone(), &Pass::train(unit.dropout));
        let loss = match shares.as_mut().and_then(Iterator::next) {
            Some(share) => LossConfig::known(logits, share.value, share.gradient),
            None => loss.apply(logits, &unit.targets),
        };
        result.losses.push(loss.mean_value());
        let mut gradients = GradientsParams::from_grads(loss.mean().backward(), network);
        let parts = layout.gather(network, &mut gradients);
        let squares = squared_norms(&parts);
        accumulate(&clipping.factors(&squares), &parts, &mut result.sum);
        result.norms.push(squares.iter().sum::<f64>().sqrt());
    }
    result
}
