//! The sum of clipped per-unit gradients, one unit at a time.
//!
//! Each unit has a forward and a backward pass of its own: exact for every network without batch normalisation, on every
//! device, in the memory of one unit. On the CPU convolutions run image by image anyway.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use redmask_core::Seed;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;

use super::clip::Clipping;
use super::flat::GradientLayout;
use crate::loss::{LossConfig, Targets};
use crate::trainer::values;

/// What one unit brings to a step: its records and their augmented copies.
#[derive(Debug, Clone)]
pub struct UnitInput {
    /// `[n, c, h, w]`, on the device without autodiff.
    pub input: Tensor<4>,
    /// The truth of each of the `n` images.
    pub targets: Targets,
    /// Root of its dropout masks. It must not depend on the other units.
    pub dropout: Seed,
}

/// A clipped sum and what it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ClippedSum {
    /// The sum, in the order of the layout.
    pub sum: Vec<f32>,
    /// The norm of each unit's gradient before clipping.
    pub norms: Vec<f64>,
    /// The mean loss of each unit's images.
    pub losses: Vec<f64>,
}

/// Clips the gradient of each unit's mean loss and sums over the units. With a separable loss, adding or removing a unit
/// changes the sum by at most [`Clipping::sensitivity`].
///
/// With a loss over the whole batch ([`Reduction::Batch`](crate::loss::Reduction::Batch)) each unit gets its share of the
/// batch's gradient times the number of units, as Opacus clips a loss that it takes for a mean. That bound does not hold
/// then, because a unit also changes the shares of the others.
///
/// # Panics
/// If inputs and targets of a unit differ in shape.
pub fn clipped_sum(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: &LossConfig,
    clipping: &Clipping,
    layout: &GradientLayout,
) -> ClippedSum {
    let mut result = ClippedSum {
        sum: vec![0.0; layout.len()],
        norms: Vec::with_capacity(units.len()),
        losses: Vec::with_capacity(units.len()),
    };
    let mut shares = if loss.is_separable() {
        None
    } else {
        Some(coupled_shares(network, units, loss).into_iter())
    };
    let mut flat = vec![0.0; layout.len()];
    for unit in units {
        let logits = network.forward(unit.input.clone(), &Pass::train(unit.dropout));
        let loss = match shares.as_mut().and_then(Iterator::next) {
            Some(share) => LossConfig::known(logits, share.value, share.gradient),
            None => loss.apply(logits, &unit.targets),
        };
        result.losses.push(loss.mean_value());
        let mut gradients = GradientsParams::from_grads(loss.mean().backward(), network);
        layout.gather(network, &mut gradients, &mut flat);
        let squares = layout.squared_norms(&flat);
        layout.accumulate(&clipping.factors(&squares), &flat, &mut result.sum);
        result.norms.push(squares.iter().sum::<f64>().sqrt());
    }
    result
}

/// One unit's part in the gradient of a batch loss.
struct Share {
    value: f64,
    /// Derivative by the unit's logits, times the number of units.
    gradient: Vec<f32>,
}

fn coupled_shares(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: &LossConfig,
) -> Vec<Share> {
    let network = network.valid();
    let mut logits = Vec::new();
    let mut lengths = Vec::with_capacity(units.len());
    let mut shape = [0; 4];
    for unit in units {
        let z = network.forward(unit.input.clone(), &Pass::train(unit.dropout));
        let [n, k, h, w] = z.dims();
        shape = [shape[0] + n, k, h, w];
        lengths.push(n * k * h * w);
        logits.extend(values(z));
    }
    let targets = Targets::concatenated(units.iter().map(|u| &u.targets));
    let value = loss.evaluate(&logits, shape, &targets);
    let mut rest = value.gradient.as_slice();
    lengths
        .into_iter()
        .map(|len| {
            let (own, later) = rest.split_at(len);
            rest = later;
            Share {
                value: value.rows.iter().sum(),
                gradient: own.iter().map(|g| g * units.len() as f32).collect(),
            }
        })
        .collect()
}
