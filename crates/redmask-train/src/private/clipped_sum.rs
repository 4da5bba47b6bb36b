//! The sum of clipped per-unit gradients.

use burn::module::Module;
use burn::tensor::Tensor;
use redmask_core::Seed;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::ops::Tape;
use redmask_nn::pass::Pass;

use super::book_keeping::{self, Recorded};
use super::clip::Clipping;
use super::layout::{GradientLayout, Parts};
use super::one_by_one;
use super::unit_loss::{Share, UnitLoss};
use crate::loss::Targets;
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

impl UnitInput {
    /// Number of images.
    pub(super) fn images(&self) -> usize {
        self.targets.len()
    }
}

/// A clipped sum and what it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ClippedSum {
    /// The sum, one vector for each parameter in the order of the layout.
    pub sum: Parts,
    /// The norm of each unit's gradient before clipping.
    pub norms: Vec<f64>,
    /// The mean loss of each unit's images.
    pub losses: Vec<f64>,
}

impl ClippedSum {
    /// The sum over no units.
    pub(super) fn empty(layout: &GradientLayout) -> Self {
        Self {
            sum: layout.zeros(),
            norms: Vec::new(),
            losses: Vec::new(),
        }
    }
}

/// Clips the gradient of each unit's mean loss and sums over the units. With a separable loss, adding or removing a unit
/// changes the sum by at most [`Clipping::sensitivity`].
///
/// On the CPU device one forward and one backward pass serve as many units as `images_at_once` images are (a unit is never
/// split), see [`redmask_nn::ops::Tape`]; elsewhere this is [`clipped_sum_one_by_one`]. Both agree but for rounding.
///
/// With a loss over the whole batch ([`Reduction::Batch`](crate::loss::Reduction::Batch)) each unit gets its share of the
/// batch's gradient times the number of units, as Opacus clips a loss that it takes for a mean. That bound does not hold
/// then, because a unit also changes the shares of the others.
///
/// # Panics
/// If inputs and targets of a unit differ in shape, if units differ in the size of their images, or if the network
/// normalises by the statistics of the batch.
pub fn clipped_sum(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: impl Into<UnitLoss>,
    clipping: &Clipping,
    layout: &GradientLayout,
    images_at_once: usize,
) -> ClippedSum {
    let loss = loss.into();
    if !units
        .iter()
        .all(|unit| Tape::works_on(&unit.input.device()))
    {
        return clipped_sum_one_by_one(network, units, loss, clipping, layout);
    }
    let shares = shares(network, units, &loss);
    let mut result = ClippedSum {
        sum: vec![Vec::new(); layout.parts()],
        norms: Vec::new(),
        losses: Vec::new(),
    };
    for span in virtual_batches(units, images_at_once) {
        let shares = shares.as_ref().map(|shares| &shares[span.clone()]);
        let start = Pass::train_samples;
        let Recorded { gradients, losses } =
            book_keeping::record(network, &units[span], &loss, shares, layout, start);
        book_keeping::add(&gradients, network, clipping, layout, &mut result);
        result.losses.extend(losses);
    }
    for (sum, len) in result.sum.iter_mut().zip(layout.lengths()) {
        // What no pass used.
        sum.resize(len, 0.0);
    }
    result
}

/// [`clipped_sum`] with a forward and a backward pass for each unit: exact for every network without batch normalisation,
/// on every device, in the memory of one unit. What the faster way is tested against.
///
/// # Panics
/// If inputs and targets of a unit differ in shape.
pub fn clipped_sum_one_by_one(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: impl Into<UnitLoss>,
    clipping: &Clipping,
    layout: &GradientLayout,
) -> ClippedSum {
    let loss = loss.into();
    let shares = shares(network, units, &loss);
    one_by_one::clipped_sum(network, units, &loss, shares, clipping, layout)
}

/// Consecutive units with at most `images` images together, or one unit with more.
pub(super) fn virtual_batches(units: &[UnitInput], images: usize) -> Vec<std::ops::Range<usize>> {
    let mut batches: Vec<std::ops::Range<usize>> = Vec::new();
    let mut room = 0;
    for (index, unit) in units.iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if unit.images() <= room => {
                batch.end = index + 1;
                room -= unit.images();
            }
            _ => {
                batches.push(index..index + 1);
                room = images.saturating_sub(unit.images());
            }
        }
    }
    batches
}

/// The units' shares of a loss that couples them, times the number of units; `None` if it does not.
fn shares(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: &UnitLoss,
) -> Option<Vec<Share>> {
    if loss.loss.is_separable() {
        return None;
    }
    let network = network.valid();
    // Logits of all units, head by head.
    let mut heads: Vec<(Vec<f32>, [usize; 4])> = Vec::new();
    for unit in units {
        let pass = Pass::train(unit.dropout).with_precision(loss.precision);
        let logits = loss.heads(&network, unit.input.clone(), &pass);
        heads.resize(logits.len(), (Vec::new(), [0; 4]));
        for ((all, shape), (own, _)) in heads.iter_mut().zip(logits) {
            let [n, k, h, w] = own.dims();
            *shape = [shape[0] + n, k, h, w];
            all.extend(values(own));
        }
    }
    let targets = Targets::concatenated(units.iter().map(|u| &u.targets));
    let mut shares = vec![
        Share {
            values: Vec::new(),
            gradients: Vec::new(),
        };
        units.len()
    ];
    for (logits, shape) in heads {
        let value = loss.loss.evaluate(&logits, shape, &targets);
        let image = shape[1] * shape[2] * shape[3];
        let mut rest = value.gradient.as_slice();
        for (unit, share) in units.iter().zip(&mut shares) {
            let (own, later) = rest.split_at(unit.images() * image);
            rest = later;
            share.values.push(value.rows.iter().sum());
            let scaled = own.iter().map(|g| g * units.len() as f32);
            share.gradients.push(scaled.collect());
        }
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn virtual_batches_never_split_a_unit() {
        let unit = |images: usize| UnitInput {
            input: Tensor::zeros([images, 1, 1, 1], &Device::flex()),
            targets: Targets::Hard {
                shape: [images, 1, 1],
                labels: vec![0; images],
            },
            dropout: Seed::root(0),
        };
        let units = [2, 1, 5, 1, 1, 1].map(unit);
        assert_eq!(virtual_batches(&units, 3), [0..2, 2..3, 3..6]);
        assert_eq!(virtual_batches(&units, 1).len(), 6);
        assert!(virtual_batches(&[], 3).is_empty());
    }
}
