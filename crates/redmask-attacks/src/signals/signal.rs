//! The signals of a record, by name.

use redmask_core::Access;
use serde::{Deserialize, Serialize};

use super::confidence::{logit_confidence, logit_of_loss};

/// Every signal of one record and one query. Losses and entropies in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordSignals {
    /// S1: mean cross-entropy over the labelled pixels.
    pub loss: f64,
    /// S2: soft Dice loss of the image, in `[0, 1]`.
    pub dice: f64,
    /// S4: mean pixel margin `ln p_y - ln sum_{c != y} p_c`, each pixel clipped.
    pub margin: f64,
    /// S5: mean pixel hinge `z_y - max_{c != y} z_c`.
    pub hinge: f64,
    /// S6: cross-entropy averaged within each present class, then over the classes.
    pub balanced_loss: f64,
    /// S6: the margin, averaged likewise.
    pub balanced_margin: f64,
    /// S7: cross-entropy near label changes; the whole image's where no label changes.
    pub boundary_loss: f64,
    /// S7: the margin, averaged likewise.
    pub boundary_margin: f64,
    /// S8: quantiles 0.50, 0.75, 0.90, 0.95 and 0.99 of the pixels' cross-entropy.
    pub loss_quantiles: [f64; 5],
    /// S9: the margin on a 2 x 2 grid, row-major; the whole image's where a cell has no labelled pixel.
    pub grid2: [f64; 4],
    /// S9: the margin on a 4 x 4 grid.
    pub grid4: [f64; 16],
    /// S10: mean entropy over all pixels, labelled or not: this adversary has no mask.
    pub entropy: f64,
    /// S10: mean modified entropy over the labelled pixels.
    pub modified_entropy: f64,
    /// S11: share of labelled pixels predicted right.
    pub pixel_accuracy: f64,
    /// S11: mean intersection over union, over classes in the mask or the prediction.
    pub mean_iou: f64,
    /// S11: F1 of label changes found within the boundary radius; 1 where neither map has one.
    pub boundary_f1: f64,
    /// S13: norm of the record's gradient, where [`super::gradient_norms`] was run beside the pass over the scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
}

/// A scalar signal, oriented as a membership score: higher means more likely a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// S1, negated.
    Loss,
    /// S2, negated.
    Dice,
    /// S2 on the logit scale: `ln((1 - dice) / dice)`.
    DiceLogit,
    /// S3: logit-scaled geometric-mean confidence.
    Confidence,
    /// S4.
    Margin,
    /// S5.
    Hinge,
    /// S6 of the loss, negated.
    BalancedLoss,
    /// S6 of the margin.
    BalancedMargin,
    /// S7 of the loss, negated.
    BoundaryLoss,
    /// S7 of the margin.
    BoundaryMargin,
    /// S10, negated; needs no mask.
    Entropy,
    /// S10 with the label, negated.
    ModifiedEntropy,
    /// S11.
    PixelAccuracy,
    /// S11.
    MeanIou,
    /// S11.
    BoundaryF1,
    /// S13: the negated logarithm of the norm. NaN where no gradient was taken; not among [`Signal::ALL`], which the scores
    /// alone give.
    GradientNorm,
}

impl Signal {
    /// Every scalar signal of a model's scores.
    pub const ALL: [Self; 15] = [
        Self::Loss,
        Self::Dice,
        Self::DiceLogit,
        Self::Confidence,
        Self::Margin,
        Self::Hinge,
        Self::BalancedLoss,
        Self::BalancedMargin,
        Self::BoundaryLoss,
        Self::BoundaryMargin,
        Self::Entropy,
        Self::ModifiedEntropy,
        Self::PixelAccuracy,
        Self::MeanIou,
        Self::BoundaryF1,
    ];

    /// The name in results and recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Dice => "dice",
            Self::DiceLogit => "dice_logit",
            Self::Confidence => "confidence",
            Self::Margin => "margin",
            Self::Hinge => "hinge",
            Self::BalancedLoss => "balanced_loss",
            Self::BalancedMargin => "balanced_margin",
            Self::BoundaryLoss => "boundary_loss",
            Self::BoundaryMargin => "boundary_margin",
            Self::Entropy => "entropy",
            Self::ModifiedEntropy => "modified_entropy",
            Self::PixelAccuracy => "pixel_accuracy",
            Self::MeanIou => "mean_iou",
            Self::BoundaryF1 => "boundary_f1",
            Self::GradientNorm => "gradient_norm",
        }
    }

    /// Whether the adversary needs the true mask.
    pub fn needs_mask(self) -> bool {
        self != Self::Entropy
    }

    /// The least a model must offer. A loss of labels alone is that of certain predictions, which still ranks records;
    /// margins and entropies of certain predictions do not.
    pub fn access(self) -> Access {
        match self {
            Self::Confidence
            | Self::Margin
            | Self::Hinge
            | Self::BalancedMargin
            | Self::BoundaryMargin
            | Self::Entropy
            | Self::ModifiedEntropy => Access::Scores,
            Self::GradientNorm => Access::Gradients,
            _ => Access::Labels,
        }
    }

    /// Its value, oriented.
    pub fn of(self, signals: &RecordSignals) -> f64 {
        match self {
            Self::Loss => -signals.loss,
            Self::Dice => -signals.dice,
            Self::DiceLogit => logit_of_loss(signals.dice),
            Self::Confidence => logit_confidence(signals.loss),
            Self::Margin => signals.margin,
            Self::Hinge => signals.hinge,
            Self::BalancedLoss => -signals.balanced_loss,
            Self::BalancedMargin => signals.balanced_margin,
            Self::BoundaryLoss => -signals.boundary_loss,
            Self::BoundaryMargin => signals.boundary_margin,
            Self::Entropy => -signals.entropy,
            Self::ModifiedEntropy => -signals.modified_entropy,
            Self::PixelAccuracy => signals.pixel_accuracy,
            Self::MeanIou => signals.mean_iou,
            Self::BoundaryF1 => signals.boundary_f1,
            Self::GradientNorm => signals
                .gradient_norm
                .map_or(f64::NAN, |norm| -norm.max(1e-30).ln()),
        }
    }
}

/// A vector of signals for multivariate attacks, each component oriented as a membership score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalVector {
    /// Some scalars.
    Scalars(Vec<Signal>),
    /// S8, negated.
    LossQuantiles,
    /// S9 on a 2 x 2 grid.
    Grid2,
    /// S9 on a 4 x 4 grid.
    Grid4,
    /// Every scalar, the loss quantiles and the 2 x 2 grid.
    Everything,
}

impl SignalVector {
    /// Its values.
    pub fn of(&self, signals: &RecordSignals) -> Vec<f64> {
        let quantiles = || signals.loss_quantiles.iter().map(|q| -q);
        match self {
            Self::Scalars(scalars) => scalars.iter().map(|s| s.of(signals)).collect(),
            Self::LossQuantiles => quantiles().collect(),
            Self::Grid2 => signals.grid2.to_vec(),
            Self::Grid4 => signals.grid4.to_vec(),
            Self::Everything => Signal::ALL
                .iter()
                .map(|s| s.of(signals))
                .chain(quantiles())
                .chain(signals.grid2)
                .collect(),
        }
    }
}
