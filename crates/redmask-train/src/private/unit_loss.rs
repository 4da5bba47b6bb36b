//! What a unit's gradient is the gradient of.

use burn::tensor::Tensor;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::ops::Precision;
use redmask_nn::pass::Pass;

use crate::loss::{Loss, LossConfig, Targets};
use crate::segmentation::TrainConfig;

/// The loss of one image, auxiliary head included, and how it is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitLoss {
    /// Of each head.
    pub loss: LossConfig,
    /// Weight of the auxiliary head's, in training passes of networks that have one.
    pub auxiliary_weight: f64,
    /// Of the convolutions' outputs and data gradients. Weight gradients are f32: what is measured and what is summed must be
    /// the same.
    pub precision: Precision,
}

impl From<&LossConfig> for UnitLoss {
    fn from(loss: &LossConfig) -> Self {
        Self {
            loss: *loss,
            ..Self::from(&TrainConfig::default())
        }
    }
}

impl From<&TrainConfig> for UnitLoss {
    fn from(config: &TrainConfig) -> Self {
        Self {
            loss: config.loss,
            auxiliary_weight: config.auxiliary_weight,
            precision: config.precision,
        }
    }
}

/// A batch's part in the gradient of a loss that couples batches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Share {
    /// The value of the whole, for each head.
    pub(super) values: Vec<f64>,
    /// Derivatives by the logits of each head.
    pub(super) gradients: Vec<Vec<f32>>,
}

impl UnitLoss {
    /// The logits of all heads, the main one first, and the weight of each one's loss.
    pub(super) fn heads(
        &self,
        network: &SegmentationNetwork,
        input: Tensor<4>,
        pass: &Pass,
    ) -> Vec<(Tensor<4>, f64)> {
        let logits = network.forward_all(input, pass);
        let auxiliary = logits.auxiliary.map(|a| (a, self.auxiliary_weight));
        std::iter::once((logits.main, 1.0))
            .chain(auxiliary)
            .collect()
    }

    /// The loss of a batch, one row for each image if it is separable.
    pub(super) fn of(
        &self,
        network: &SegmentationNetwork,
        input: Tensor<4>,
        targets: &Targets,
        pass: &Pass,
    ) -> Loss {
        let heads = self.heads(network, input, pass);
        join(heads, |_, logits| self.loss.apply(logits, targets))
    }

    /// The loss of a batch whose derivatives are known, a single row.
    pub(super) fn known(
        &self,
        network: &SegmentationNetwork,
        input: Tensor<4>,
        share: Share,
        pass: &Pass,
    ) -> Loss {
        let heads = self.heads(network, input, pass);
        let Share { values, gradients } = share;
        let mut gradients = gradients.into_iter();
        join(heads, |head, logits| {
            let gradient = gradients.next().unwrap_or_default();
            LossConfig::known(logits, values[head], gradient)
        })
    }
}

/// The weighted sum of the heads' losses.
fn join(heads: Vec<(Tensor<4>, f64)>, mut loss: impl FnMut(usize, Tensor<4>) -> Loss) -> Loss {
    let mut sum = None;
    for (head, (logits, weight)) in heads.into_iter().enumerate() {
        let own = loss(head, logits);
        sum = Some(match sum {
            None => own,
            Some(sum) => Loss::plus(sum, own, weight),
        });
    }
    sum.expect("every network has a main head")
}
