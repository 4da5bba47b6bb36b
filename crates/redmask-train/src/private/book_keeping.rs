//! One forward and one backward pass for many units.

use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use redmask_core::Seed;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::ops::{SampleGradients, Tape};
use redmask_nn::pass::Pass;

use super::clip::Clipping;
use super::clipped_sum::{ClippedSum, UnitInput};
use super::layout::GradientLayout;
use super::unit_loss::{Share, UnitLoss};
use crate::loss::Targets;

/// What one pass over some units gave.
pub(super) struct Recorded {
    pub(super) gradients: SampleGradients,
    /// The mean loss of each unit's images.
    pub(super) losses: Vec<f64>,
}

/// Runs `units` through the network together and records the gradient of each one's mean loss.
pub(super) fn record(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: &UnitLoss,
    shares: Option<&[Share]>,
    layout: &GradientLayout,
    start: fn(Vec<(usize, Seed)>) -> Pass,
) -> Recorded {
    let rows: Vec<usize> = units.iter().map(UnitInput::images).collect();
    let ids = layout.ids(network);
    let tape = Arc::new(Tape::new(&rows).only(ids.iter().copied()));
    let seeds = units.iter().map(|u| (u.images(), u.dropout)).collect();
    let pass = start(seeds)
        .with_precision(loss.precision)
        .with_tape(Arc::clone(&tape));
    let input = Tensor::cat(units.iter().map(|u| u.input.clone()).collect(), 0);
    let (total, losses) = if let Some(shares) = shares {
        let loss = loss.known(network, input, joined(shares), &pass);
        let value = loss.mean_value();
        (loss.rows.sum(), vec![value; units.len()])
    } else {
        let targets = Targets::concatenated(units.iter().map(|u| &u.targets));
        let loss = loss.of(network, input, &targets, &pass);
        // The sum over units of the mean over each one's images.
        let weights: Vec<f32> = rows
            .iter()
            .flat_map(|&n| std::iter::repeat_n(1.0 / n as f32, n))
            .collect();
        let shape = [weights.len()];
        let weights = TensorData::new(weights, shape);
        let weights = Tensor::<1>::from_data(weights, &loss.rows.device());
        let mut values = loss.values.as_slice();
        let means = rows
            .iter()
            .map(|&n| {
                let (own, rest) = values.split_at(n);
                values = rest;
                own.iter().sum::<f64>() / n as f64
            })
            .collect();
        ((loss.rows * weights).sum(), means)
    };
    let mut ordinary = total.backward();
    let ordinary = GradientsParams::from_params(&mut ordinary, network, &ids);
    assert!(
        ordinary.is_empty(),
        "an operation registered a gradient that the tape does not know"
    );
    Recorded {
        gradients: tape.finish(),
        losses,
    }
}

/// The shares of units that go through the network together.
fn joined(shares: &[Share]) -> Share {
    let mut all = Share {
        values: shares.first().map_or_else(Vec::new, |s| s.values.clone()),
        gradients: Vec::new(),
    };
    all.gradients.resize(all.values.len(), Vec::new());
    for share in shares {
        for (all, own) in all.gradients.iter_mut().zip(&share.gradients) {
            all.extend_from_slice(own);
        }
    }
    all
}

/// The squared norm of each parameter's gradient for each unit, `[units][parameters]`; zeros where the pass did not use it.
pub(super) fn squares(
    gradients: &SampleGradients,
    network: &SegmentationNetwork,
    layout: &GradientLayout,
) -> Vec<Vec<f64>> {
    let ids = layout.ids(network);
    let by_parameter: Vec<Option<&[f64]>> =
        ids.iter().map(|&id| gradients.squared_norms(id)).collect();
    (0..gradients.samples())
        .map(|unit| {
            by_parameter
                .iter()
                .map(|squares| squares.map_or(0.0, |squares| squares[unit]))
                .collect()
        })
        .collect()
}

/// Clips and adds what was recorded to `result`, in whose sum the parameters that nothing was added to are empty.
pub(super) fn add(
    gradients: &SampleGradients,
    network: &SegmentationNetwork,
    clipping: &Clipping,
    layout: &GradientLayout,
    result: &mut ClippedSum,
) {
    let squares = squares(gradients, network, layout);
    let factors: Vec<Vec<f64>> = squares.iter().map(|s| clipping.factors(s)).collect();
    let norms = squares.iter().map(|s| s.iter().sum::<f64>().sqrt());
    result.norms.extend(norms);
    for (index, (id, sum)) in layout
        .ids(network)
        .into_iter()
        .zip(&mut result.sum)
        .enumerate()
    {
        let factors: Vec<f32> = factors.iter().map(|f| f[index] as f32).collect();
        let Some(part) = gradients.weighted_sum(id, &factors) else {
            continue;
        };
        if sum.is_empty() {
            *sum = part;
        } else {
            for (sum, value) in sum.iter_mut().zip(part) {
                *sum += value;
            }
        }
    }
}
