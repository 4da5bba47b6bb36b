//! What one forward pass knows besides its input: the mode, the dropout draws, the statistics it leaves behind.
//!
//! Burn ties the mode of a normalisation layer to the device of its input and hides pending statistics inside the
//! layer, where records miss them and clones share them. Here the mode is an argument, and statistics are written back
//! by one explicit [`Pass::commit`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use redmask_core::Seed;

use crate::ops::{Computation, KeptWeights, Precision, Rec, Tape};

/// How layers with two behaviours behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout on.
    Train,
    /// Running statistics, dropout off. Gradients flow in this mode too.
    Eval,
}

/// A new value for one running statistic.
#[derive(Debug, Clone)]
struct Statistic {
    id: ParamId,
    value: Tensor<1>,
    momentum: f64,
}

/// One forward pass through a network. Use a fresh one for each batch.
#[derive(Debug)]
pub struct Pass {
    mode: Mode,
    computation: Computation,
    /// The seeds of consecutive rows of the batch; of all rows if there is one.
    dropout: Vec<(usize, Seed)>,
    draws: AtomicU64,
    flops: AtomicU64,
    statistics: Mutex<Vec<Statistic>>,
    tape: Option<Arc<Tape>>,
}

impl Pass {
    /// A training pass whose dropout masks follow from `seed`.
    pub fn train(seed: Seed) -> Self {
        Self::new(Mode::Train, vec![(usize::MAX, seed)])
    }

    /// A training pass whose dropout masks follow for each of `samples` (its number of consecutive rows) from a seed of
    /// its own: a sample meets the masks that it would meet in [`Pass::train`] of a batch of its rows alone.
    pub fn train_samples(samples: Vec<(usize, Seed)>) -> Self {
        Self::new(Mode::Train, samples)
    }

    /// An evaluation pass: a pure function of weights and input.
    pub fn eval() -> Self {
        Self::new(Mode::Eval, Vec::new())
    }

    fn new(mode: Mode, dropout: Vec<(usize, Seed)>) -> Self {
        Self {
            mode,
            computation: Computation::default(),
            dropout,
            draws: AtomicU64::new(0),
            flops: AtomicU64::new(0),
            statistics: Mutex::new(Vec::new()),
            tape: None,
        }
    }

    /// The same pass, with convolutions at `precision`, forward and backward. Where the machine cannot compute at it they
    /// run in f32; ask [`Precision::checked`] first.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.computation.precision = precision;
        self
    }

    /// The same pass, with the weights that its convolutions lay out kept in `kept` for the next one. Passes that track
    /// gradients lay them out anew.
    #[must_use]
    pub fn with_kept_weights(mut self, kept: KeptWeights) -> Self {
        self.computation.kept = Some(kept);
        self
    }

    /// How convolutions are computed.
    pub(crate) fn computation(&self) -> Computation {
        self.computation.clone()
    }

    /// The same pass, with the gradients of weights going to `tape` sample by sample.
    #[must_use]
    pub fn with_tape(self, tape: Arc<Tape>) -> Self {
        Self {
            tape: Some(tape),
            ..self
        }
    }

    /// Where the gradient of parameter `id` is recorded, for the operations in [`crate::ops`].
    pub(crate) fn record(&self, id: ParamId) -> Rec {
        self.tape.as_ref().map(|tape| (Arc::clone(tape), id))
    }

    /// Floating-point operations of the convolutions and fully connected layers that ran in this pass: a multiplication and
    /// an addition for each weight and output position. Other layers are below a hundredth of them and are not counted.
    pub fn flops(&self) -> u64 {
        self.flops.load(Ordering::SeqCst)
    }

    /// Counts what a layer did.
    pub(crate) fn count_flops(&self, flops: u64) {
        self.flops.fetch_add(flops, Ordering::SeqCst);
    }

    /// Whether gradients go to a tape.
    pub(crate) fn records(&self) -> bool {
        self.tape.is_some()
    }

    /// Training or evaluation.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Zeroes each value with probability `p` and scales the rest by `1 / (1 - p)`; the identity in evaluation.
    ///
    /// # Panics
    /// Unless `0 <= p < 1`, or if the first dimension is not that of the pass's samples.
    pub fn dropout<const D: usize>(&self, x: Tensor<D>, p: f64) -> Tensor<D> {
        let shape = x.dims();
        self.drop_masked(x, p, shape)
    }

    /// Zeroes each channel of `[n, c, h, w]` with probability `p` and scales the rest, `torch.nn.Dropout2d`.
    ///
    /// # Panics
    /// As [`Pass::dropout`].
    pub fn dropout_channels(&self, x: Tensor<4>, p: f64) -> Tensor<4> {
        let [n, c, _, _] = x.dims();
        self.drop_masked(x, p, [n, c, 1, 1])
    }

    fn drop_masked<const D: usize>(&self, x: Tensor<D>, p: f64, shape: [usize; D]) -> Tensor<D> {
        assert!((0.0..1.0).contains(&p), "dropout rate {p} outside [0, 1)");
        if self.mode == Mode::Eval || p == 0.0 {
            return x;
        }
        let draw = self.draws.fetch_add(1, Ordering::SeqCst);
        let scale = (1.0 / (1.0 - p)) as f32;
        let row: usize = shape[1..].iter().product();
        let mut mask: Vec<f32> = Vec::with_capacity(shape[0] * row);
        for &(rows, seed) in &self.dropout {
            let mut rng = seed.child("dropout").index(draw).rng();
            let len = rows.saturating_mul(row).min(shape[0] * row - mask.len());
            mask.extend((0..len).map(|_| if rng.random::<f64>() < p { 0.0 } else { scale }));
        }
        assert_eq!(mask.len(), shape[0] * row, "the samples fill the batch");
        let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device());
        x * mask
    }

    /// Hands in what a training pass measured for the running statistic `id`.
    pub(crate) fn push_statistic(&self, id: ParamId, value: Tensor<1>, momentum: f64) {
        self.statistics
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(Statistic {
                id,
                value: value.inner(),
                momentum,
            });
    }

    /// Writes the statistics of this pass into `module`: `(1 - momentum) old + momentum new`, in the order in which
    /// the layers ran (a layer that ran twice is updated twice, as in PyTorch). Call it after the optimizer's step;
    /// it changes nothing after an evaluation pass.
    #[must_use]
    pub fn commit<M: Module>(self, module: M) -> M {
        let statistics = self
            .statistics
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if statistics.is_empty() {
            return module;
        }
        module.map(&mut Commit(statistics))
    }
}

struct Commit(Vec<Statistic>);

impl ModuleMapper for Commit {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let mut updates = self.0.iter().filter(|s| s.id == id).peekable();
        if updates.peek().is_none() {
            return param;
        }
        let shape = param.dims();
        param.map(|old| {
            let start = old.inner();
            updates.fold(start, |old, s| {
                let new = s.value.clone().reshape(shape);
                old.mul_scalar(1.0 - s.momentum) + new.mul_scalar(s.momentum)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn dropout_follows_the_seed_and_keeps_the_mean() {
        let x = Tensor::<2>::ones([64, 64], &Device::flex());
        let run = |seed| {
            Pass::train(Seed::root(seed))
                .dropout(x.clone(), 0.25)
                .into_data()
                .try_into_vec::<f32>()
                .unwrap()
        };
        let a = run(1);
        assert_eq!(a, run(1));
        assert_ne!(a, run(2));
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        assert!((mean - 1.0).abs() < 0.05, "mean {mean}");
        let kept = Pass::eval().dropout(x.clone(), 0.25).into_data();
        assert_eq!(kept, x.into_data());
    }

    #[test]
    fn two_dropout_layers_of_one_pass_draw_differently() {
        let x = Tensor::<2>::ones([16, 16], &Device::flex());
        let pass = Pass::train(Seed::root(0));
        let first = pass.dropout(x.clone(), 0.5).into_data();
        assert_ne!(first, pass.dropout(x, 0.5).into_data());
    }
}
