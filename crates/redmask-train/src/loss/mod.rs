//! Segmentation losses: soft Dice and cross-entropy over hard or soft targets, and the binary cross-entropy of
//! attack classifiers.
//!
//! A loss is computed once on the CPU together with its gradient with respect to the logits, in a fixed order and in
//! f64 sums, and enters Burn's graph as one node. That is faster than a chain of tensor operations, and it is
//! reproducible where `Tensor::sum` over millions of elements is not.

mod classification;
mod evaluate;
mod node;
mod probability;
mod target;

pub use classification::{binary_cross_entropy, binary_cross_entropy_rows};
pub use evaluate::LossValue;
pub use target::Targets;

use burn::tensor::Tensor;
use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What the sums of a loss run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// Each image on its own, then the mean over the images. No image influences another one's gradient.
    #[default]
    PerImage,
    /// All pixels of the batch together, as segmentation-models-pytorch and PyTorch do by default. This is what the
    /// published models were trained with (`paper_compat`), and what differential privacy cannot allow.
    Batch,
}

/// A segmentation loss. One logit channel means a sigmoid, several mean a softmax.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossConfig {
    /// Soft Dice loss as segmentation-models-pytorch defines it, with `smooth = 0` and `eps = 1e-7`:
    /// for each channel `1 - 2 sum(p t) / sum(p + t)`, zero where the channel is absent from the truth, and the mean
    /// over all channels, absent ones included.
    Dice {
        /// What the sums run over.
        #[serde(default)]
        reduction: Reduction,
        /// Share of each pixel's target that is spread evenly over the classes, in `[0, 1)`.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// Pixel-wise cross-entropy, the mean over the pixels that are not ignored.
    CrossEntropy {
        /// What the mean runs over.
        #[serde(default)]
        reduction: Reduction,
        /// Share of each pixel's target that is spread evenly over the classes, in `[0, 1)`.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// `dice_weight * Dice + cross_entropy_weight * cross-entropy`.
    DiceCrossEntropy {
        /// What the sums run over.
        #[serde(default)]
        reduction: Reduction,
        /// Share of each pixel's target that is spread evenly over the classes, in `[0, 1)`.
        #[serde(default)]
        label_smoothing: f64,
        /// Weight of the Dice term.
        #[serde(default = "one")]
        dice_weight: f64,
        /// Weight of the cross-entropy term.
        #[serde(default = "one")]
        cross_entropy_weight: f64,
    },
}

fn one() -> f64 {
    1.0
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::dice(Reduction::PerImage)
    }
}

/// A loss in the graph.
#[derive(Debug)]
pub struct Loss {
    /// One differentiable value per image, `[n]`; a single value `[1]` under [`Reduction::Batch`].
    pub rows: Tensor<1>,
    /// The same values as computed, in f64.
    pub values: Vec<f64>,
}

impl Loss {
    /// The mean over the rows: what ordinary training descends on.
    pub fn mean(self) -> Tensor<1> {
        self.rows.mean()
    }

    /// This loss and `weight` times another over the same rows: an auxiliary head's.
    ///
    /// # Panics
    /// If the rows differ in number.
    #[must_use]
    pub fn plus(self, other: Self, weight: f64) -> Self {
        assert_eq!(
            self.values.len(),
            other.values.len(),
            "losses of the same rows"
        );
        let values = self.values.iter().zip(&other.values);
        Self {
            values: values.map(|(a, b)| a + weight * b).collect(),
            rows: self.rows + other.rows * weight,
        }
    }

    /// The mean over the rows as a number.
    pub fn mean_value(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }
}

impl LossConfig {
    /// The Dice loss without label smoothing.
    pub fn dice(reduction: Reduction) -> Self {
        Self::Dice {
            reduction,
            label_smoothing: 0.0,
        }
    }

    /// The cross-entropy without label smoothing.
    pub fn cross_entropy(reduction: Reduction) -> Self {
        Self::CrossEntropy {
            reduction,
            label_smoothing: 0.0,
        }
    }

    /// What the sums run over.
    pub fn reduction(&self) -> Reduction {
        match *self {
            Self::Dice { reduction, .. }
            | Self::CrossEntropy { reduction, .. }
            | Self::DiceCrossEntropy { reduction, .. } => reduction,
        }
    }

    /// Whether the loss of a batch is the mean of the losses of its images, which clipping each record's gradient
    /// needs.
    pub fn is_separable(&self) -> bool {
        self.reduction() == Reduction::PerImage
    }

    /// # Errors
    /// If a weight is negative or not finite, both are zero, or the label smoothing lies outside `[0, 1)`.
    pub fn validate(&self) -> Result<()> {
        let terms = self.terms();
        if !(0.0..1.0).contains(&terms.label_smoothing) {
            return Err(Error::config(
                "loss.label_smoothing",
                format!("{} is not in [0, 1)", terms.label_smoothing),
            ));
        }
        let usable = |w: f64| w.is_finite() && w >= 0.0;
        if !usable(terms.dice) || !usable(terms.cross_entropy) {
            return Err(Error::config("loss", "a weight is negative or not finite"));
        }
        if terms.dice + terms.cross_entropy == 0.0 {
            return Err(Error::config("loss", "both weights are zero"));
        }
        Ok(())
    }

    /// The loss of `logits`, shape `[n, k, h, w]`, against `targets` as one node of the graph.
    ///
    /// # Panics
    /// If the shapes of logits and targets differ.
    pub fn apply(&self, logits: Tensor<4>, targets: &Targets) -> Loss {
        let shape = logits.dims();
        let data = node::to_vec(logits.clone());
        let value = self.evaluate(&data, shape, targets);
        node::attach(logits, value)
    }

    /// The loss and its gradient, outside of any graph. `logits` is contiguous `[n, k, h, w]`.
    ///
    /// # Panics
    /// If the shapes of logits and targets differ.
    pub fn evaluate(&self, logits: &[f32], shape: [usize; 4], targets: &Targets) -> LossValue {
        evaluate::evaluate(self.terms(), self.reduction(), logits, shape, targets)
    }

    /// One node with a value and a gradient that were computed elsewhere. `gradient` fills the logits' shape.
    pub(crate) fn known(logits: Tensor<4>, value: f64, gradient: Vec<f32>) -> Loss {
        let shape = logits.dims();
        node::attach(
            logits,
            LossValue {
                rows: vec![value],
                shape,
                gradient,
            },
        )
    }

    fn terms(&self) -> evaluate::Terms {
        let (label_smoothing, dice, cross_entropy) = match *self {
            Self::Dice {
                label_smoothing, ..
            } => (label_smoothing, 1.0, 0.0),
            Self::CrossEntropy {
                label_smoothing, ..
            } => (label_smoothing, 0.0, 1.0),
            Self::DiceCrossEntropy {
                label_smoothing,
                dice_weight,
                cross_entropy_weight,
                ..
            } => (label_smoothing, dice_weight, cross_entropy_weight),
        };
        evaluate::Terms {
            dice,
            cross_entropy,
            label_smoothing,
        }
    }
}
