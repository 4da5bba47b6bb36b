//! What who holds the weights can see of a record: the norm of its gradient.

use burn::optim::GradientsParams;
use redmask_core::{Predictor, Result, Sample, Seed};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::ops::Tape;
use redmask_nn::pass::Pass;
use redmask_nn::predictor::NetworkPredictor;
use redmask_nn::weights::{restore, state_dict};

use super::book_keeping::{record, squares};
use super::clipped_sum::{UnitInput, virtual_batches};
use super::layout::{GradientLayout, squared_norms};
use super::unit_loss::UnitLoss;
use crate::loss::{LossConfig, Targets};

/// Images in one pass of [`GradientAccess::gradient_norms`].
const IMAGES_AT_ONCE: usize = 8;

/// The size of one record's gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientNorms {
    /// Euclidean norm over all parameters.
    pub whole: f64,
    /// The norm of each parameter's part, in the order of [`GradientLayout::paths`]. The last layer's are among them.
    pub parameters: Vec<f64>,
}

impl GradientNorms {
    fn from_squares(squares: &[f64]) -> Self {
        Self {
            whole: squares.iter().sum::<f64>().sqrt(),
            parameters: squares.iter().map(|s| s.sqrt()).collect(),
        }
    }
}

/// The norm of the gradient of each unit's mean loss, in evaluation mode: the pass of
/// [`clipped_sum`](fn@super::clipped_sum) with nothing to clip. Batch normalisation is no obstacle, since its statistics are
/// given.
///
/// # Panics
/// If the loss couples units, if inputs and targets of a unit differ in shape, or if units differ in the size of their
/// images.
pub fn gradient_norms(
    network: &SegmentationNetwork,
    units: &[UnitInput],
    loss: &LossConfig,
    layout: &GradientLayout,
    images_at_once: usize,
) -> Vec<GradientNorms> {
    assert!(
        loss.is_separable(),
        "records have no gradients of their own"
    );
    let mut norms = Vec::with_capacity(units.len());
    if units
        .iter()
        .all(|unit| Tape::works_on(&unit.input.device()))
    {
        for span in virtual_batches(units, images_at_once) {
            let start = |_| Pass::eval();
            let recorded = record(
                network,
                &units[span],
                &UnitLoss::from(loss),
                None,
                layout,
                start,
            );
            let squares = squares(&recorded.gradients, network, layout);
            norms.extend(squares.iter().map(|s| GradientNorms::from_squares(s)));
        }
        return norms;
    }
    for unit in units {
        let logits = network.forward(unit.input.clone(), &Pass::eval());
        let loss = loss.apply(logits, &unit.targets).mean();
        let mut gradients = GradientsParams::from_grads(loss.backward(), network);
        let parts = layout.gather(network, &mut gradients);
        norms.push(GradientNorms::from_squares(&squared_norms(&parts)));
    }
    norms
}

/// A predictor whose gradients can be asked for: the white-box adversary's view. What reports
/// [`Capability::Gradients`](redmask_core::Capability::Gradients) implements it.
pub trait GradientAccess: Predictor {
    /// The parameters, in the order in which norms are given.
    ///
    /// # Errors
    /// If the network cannot be built.
    fn layout(&self) -> Result<GradientLayout>;

    /// The norm of the gradient of each record's loss with respect to the weights, in evaluation mode (signal S13:
    /// members' are smaller; Nasr, Shokri and Houmansadr, arXiv 1812.00910).
    ///
    /// `loss` should be the one that the network was trained on, image by image.
    ///
    /// # Errors
    /// If `loss` is not separable, a record does not fit the network, or records differ in size.
    fn gradient_norms(&self, records: &[&Sample], loss: &LossConfig) -> Result<Vec<GradientNorms>>;
}

impl GradientAccess for NetworkPredictor {
    fn layout(&self) -> Result<GradientLayout> {
        Ok(GradientLayout::of(&trainable(self)?, |_| true))
    }

    fn gradient_norms(&self, records: &[&Sample], loss: &LossConfig) -> Result<Vec<GradientNorms>> {
        if !loss.is_separable() {
            return Err(redmask_core::Error::unsupported(
                "the gradient norm of a record",
                "the loss sums over the batch; take reduction = \"per-image\"",
            ));
        }
        let network = trainable(self)?;
        let layout = GradientLayout::of(&network, |_| true);
        let channels = self.config().in_channels();
        let mut norms = Vec::with_capacity(records.len());
        for part in records.chunks(IMAGES_AT_ONCE) {
            // One size in each pass.
            let sizes = |a: &&Sample, b: &&Sample| {
                (a.image.height(), a.image.width()) == (b.image.height(), b.image.width())
            };
            for part in part.chunk_by(sizes) {
                let units = part
                    .iter()
                    .map(|sample| {
                        let targets = Targets::from_maps([&sample.labels])?;
                        targets.check(self.config().outputs())?;
                        Ok(UnitInput {
                            input: self.scaling().tensor(&[sample], channels, self.device())?,
                            targets,
                            dropout: Seed::root(0),
                        })
                    })
                    .collect::<Result<Vec<_>>>()?;
                norms.extend(gradient_norms(
                    &network,
                    &units,
                    loss,
                    &layout,
                    IMAGES_AT_ONCE,
                ));
            }
        }
        Ok(norms)
    }
}

/// The predictor's network with gradients.
fn trainable(predictor: &NetworkPredictor) -> Result<SegmentationNetwork> {
    let device = predictor.device().clone().autodiff();
    let network = predictor.config().init(Seed::root(0), &device)?;
    restore(network, state_dict(predictor.network()))
}
