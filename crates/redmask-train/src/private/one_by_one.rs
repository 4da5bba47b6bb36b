//! A forward and a backward pass for each unit.

use burn::optim::GradientsParams;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;

use super::clip::Clipping;
use super::clipped_sum::{ClippedSum, UnitInput};
use super::layout::{GradientLayout, accumulate, squared_norms};
use super::unit_loss::{Share, UnitLoss};

pub(super) fn clipped_sum(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: &UnitLoss,
    shares: Option<Vec<Share>>,
    clipping: &Clipping,
    layout: &GradientLayout,
) -> ClippedSum {
    let mut result = ClippedSum::empty(layout);
    let mut shares = shares.map(Vec::into_iter);
    for unit in units {
        let pass = Pass::train(unit.dropout).with_precision(loss.precision);
        let input = unit.input.clone();
        let loss = match shares.as_mut().and_then(Iterator::next) {
            Some(share) => loss.known(network, input, share, &pass),
            None => loss.of(network, input, &unit.targets, &pass),
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
