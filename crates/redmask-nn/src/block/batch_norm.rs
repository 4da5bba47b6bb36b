//! Batch normalisation as PyTorch does it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::init::Init;
use crate::ops::{self, Activation, BatchStatistics};
use crate::pass::{Mode, Pass};

/// `torch.nn.BatchNorm2d`: biased variance to normalise, unbiased variance for the running statistic, momentum 0.1,
/// epsilon 1e-5. (Burn's own layer keeps the biased one, takes its mode from the device, and loses its last update in
/// records.)
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    /// Scale `[c]`.
    pub weight: Param<Tensor<1>>,
    /// Shift `[c]`.
    pub bias: Param<Tensor<1>>,
    /// Running mean `[c]`.
    pub running_mean: Param<Tensor<1>>,
    /// Running unbiased variance `[c]`.
    pub running_var: Param<Tensor<1>>,
    momentum: f64,
    eps: f64,
}

impl BatchNorm2d {
    /// Scale one, shift zero, running mean zero, running variance one.
    pub fn new(channels: usize, init: &Init<'_>) -> Self {
        Self {
            weight: init.constant(1.0, channels),
            bias: init.constant(0.0, channels),
            running_mean: init.constant(0.0, channels).set_require_grad(false),
            running_var: init.constant(1.0, channels).set_require_grad(false),
            momentum: 0.1,
            eps: 1e-5,
        }
    }

    /// The same layer with another momentum.
    #[must_use]
    pub fn with_momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// What the layer consists of in evaluation, and its epsilon.
    pub(crate) fn in_evaluation(&self) -> (BatchStatistics, f64) {
        let statistics = BatchStatistics {
            weight: self.weight.val(),
            bias: self.bias.val(),
            // Detached: a blanket `unfreeze` would otherwise turn the statistics into trainable weights.
            mean: self.running_mean.val().detach(),
            variance: self.running_var.val().detach(),
        };
        (statistics, self.eps)
    }

    /// `[n, c, h, w]` to the same shape, then `activation`. A training pass takes the new running statistics along.
    ///
    /// # Panics
    /// In training with one value per channel, whose variance is undefined, or with a tape for gradients per sample.
    pub fn forward(&self, x: Tensor<4>, activation: Activation, pass: &Pass) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if pass.mode() == Mode::Eval {
            let (BatchStatistics { mean, variance, .. }, _) = self.in_evaluation();
            let recs = [pass.record(self.weight.id), pass.record(self.bias.id)];
            return ops::batch_norm_eval(
                x, weight, bias, mean, variance, self.eps, activation, recs,
            );
        }
        assert!(
            !pass.records(),
            "batch statistics couple the samples, whose gradients a tape is to keep apart"
        );
        let [n, _, h, w] = x.dims();
        let count = (n * h * w) as f64;
        assert!(
            count > 1.0,
            "batch normalisation cannot train on one value per channel: use larger images or batches"
        );
        let result = ops::batch_norm_train(x, weight, bias, self.eps, activation);
        let unbiased = result.variance.inner().mul_scalar(count / (count - 1.0));
        pass.push_statistic(self.running_mean.id, result.mean.inner(), self.momentum);
        pass.push_statistic(self.running_var.id, unbiased, self.momentum);
        result.output
    }
}
