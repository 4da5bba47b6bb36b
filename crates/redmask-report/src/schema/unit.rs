//! What a number is measured in.

use serde::{Deserialize, Serialize};

/// The unit of a measurement, which also bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// A rate or an area in `[0, 1]`: accuracy, AUC, mIoU, attack success rate.
    Fraction,
    /// A difference of two fractions, in `[-1, 1]`: generalisation gap, net attack success.
    Difference,
    /// A training or record loss, not negative.
    Loss,
    /// A differential-privacy epsilon, not negative.
    Epsilon,
    /// A count, not negative.
    Count,
    /// A length in pixels, not negative.
    Pixels,
    /// A quotient of two like quantities, not negative: cost relative to undefended training.
    Ratio,
    /// Floating-point operations, not negative.
    Flops,
    /// A logarithmic ratio: PSNR.
    Decibel,
    /// A score without a fixed scale.
    Score,
}

impl Unit {
    /// The least and the greatest value that makes sense in this unit.
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::Fraction => (0.0, 1.0),
            Self::Difference => (-1.0, 1.0),
            Self::Loss | Self::Epsilon | Self::Count | Self::Pixels | Self::Ratio | Self::Flops => {
                (0.0, f64::MAX)
            }
            Self::Decibel | Self::Score => (f64::MIN, f64::MAX),
        }
    }

    /// Whether `value` is finite and in [`Self::range`].
    pub fn admits(self, value: f64) -> bool {
        let (least, greatest) = self.range();
        value.is_finite() && (least..=greatest).contains(&value)
    }

    /// The name in `results.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fraction => "fraction",
            Self::Difference => "difference",
            Self::Loss => "loss",
            Self::Epsilon => "epsilon",
            Self::Count => "count",
            Self::Pixels => "pixels",
            Self::Ratio => "ratio",
            Self::Flops => "flops",
            Self::Decibel => "decibel",
            Self::Score => "score",
        }
    }
}
