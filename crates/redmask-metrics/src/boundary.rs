//! Boundary F1: do predicted contours lie where the true ones do?

use redmask_core::{IGNORE, LabelMap};
use serde::{Deserialize, Serialize};

use crate::distance::{UNREACHABLE, squared_euclidean};
use crate::error::{MetricError, Result};

/// How far a contour may be off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundaryTolerance {
    /// In pixels (Euclidean).
    Pixels(f64),
    /// As a share of the image diagonal; 0.0075 is the usual one (Csurka et al. 2013).
    Diagonal(f64),
}

impl Default for BoundaryTolerance {
    fn default() -> Self {
        Self::Diagonal(0.0075)
    }
}

impl BoundaryTolerance {
    /// In pixels, for an image of this size.
    pub fn in_pixels(self, height: usize, width: usize) -> f64 {
        match self {
            Self::Pixels(pixels) => pixels,
            Self::Diagonal(share) => share * (height as f64).hypot(width as f64),
        }
    }
}

/// Contour pixels of one class, counted.
///
/// A contour pixel belongs to the class and has a 4-neighbour of another class. Ignored pixels belong to no contour, and
/// a side towards one is no contour either; the image edge is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BoundaryCounts {
    /// True contour pixels.
    pub truth: u64,
    /// Those with a predicted contour pixel within the tolerance.
    pub truth_found: u64,
    /// Predicted contour pixels.
    pub predicted: u64,
    /// Those with a true contour pixel within the tolerance.
    pub predicted_right: u64,
}

impl BoundaryCounts {
    /// Harmonic mean of contour precision and contour recall (the BF score of Csurka et al. 2013): 0 if only one side has
    /// a contour, `None` if neither has.
    pub fn f1(&self) -> Option<f64> {
        match (self.truth, self.predicted) {
            (0, 0) => None,
            (0, _) | (_, 0) => Some(0.0),
            (truth, predicted) => {
                let recall = self.truth_found as f64 / truth as f64;
                let precision = self.predicted_right as f64 / predicted as f64;
                let sum = precision + recall;
                Some(if sum > 0.0 {
                    2.0 * precision * recall / sum
                } else {
                    0.0
                })
            }
        }
    }

    /// Adds the contours of another image, for a score pooled over images.
    pub fn merge(&mut self, other: &Self) {
        self.truth += other.truth;
        self.truth_found += other.truth_found;
        self.predicted += other.predicted;
        self.predicted_right += other.predicted_right;
    }
}

/// The contours of each class of one image, in id order.
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_metrics::boundary::{BoundaryTolerance, boundary_counts};
///
/// // A vertical edge, predicted one column too far to the right.
/// let truth = LabelMap::new(2, 4, vec![0, 1, 1, 1, 0, 1, 1, 1]);
/// let guess = LabelMap::new(2, 4, vec![0, 0, 1, 1, 0, 0, 1, 1]);
/// let exact = boundary_counts(&truth, &guess, 2, BoundaryTolerance::Pixels(0.5))?;
/// assert_eq!(exact[1].f1(), Some(0.0));
/// let close = boundary_counts(&truth, &guess, 2, BoundaryTolerance::Pixels(1.0))?;
/// assert_eq!((close[1].truth, close[1].truth_found), (2, 2));
/// assert_eq!(close[1].f1(), Some(1.0));
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Errors
/// If the maps differ in size.
pub fn boundary_counts(
    truth: &LabelMap,
    predicted: &LabelMap,
    classes: usize,
    tolerance: BoundaryTolerance,
) -> Result<Vec<BoundaryCounts>> {
    let (h, w) = (truth.height(), truth.width());
    if (h, w) != (predicted.height(), predicted.width()) {
        return Err(MetricError::SizeMismatch {
            what: "truth and prediction",
            left: format!("{h}x{w}"),
            right: format!("{}x{}", predicted.height(), predicted.width()),
        });
    }
    let reach = tolerance.in_pixels(h, w);
    if reach.is_nan() || reach < 0.0 {
        return Err(MetricError::OutOfDomain {
            what: "the boundary tolerance",
            value: reach,
            domain: "0 or more",
        });
    }
    let (true_contour, guessed_contour) = (contour(truth, truth), contour(predicted, truth));
    let near = |squared: u32| squared != UNREACHABLE && f64::from(squared) <= reach * reach;
    Ok((0..classes as u16)
        .map(|class| {
            let of_class = |contour: &[u16]| contour.iter().filter(|&&c| c == class).count() as u64;
            let mut counts = BoundaryCounts {
                truth: of_class(&true_contour),
                predicted: of_class(&guessed_contour),
                ..BoundaryCounts::default()
            };
            if counts.truth > 0 && counts.predicted > 0 {
                let covered = |of: &[u16], by: &[u16]| {
                    let distance = squared_euclidean(h, w, |i| by[i] == class);
                    let pairs = of.iter().zip(&distance);
                    pairs.filter(|(c, d)| **c == class && near(**d)).count() as u64
                };
                counts.truth_found = covered(&true_contour, &guessed_contour);
                counts.predicted_right = covered(&guessed_contour, &true_contour);
            }
            counts
        })
        .collect())
}

/// The class of each contour pixel, [`NO_CONTOUR`] elsewhere. Pixels where `valid` is ignored are left out.
fn contour(labels: &LabelMap, valid: &LabelMap) -> Vec<u16> {
    let (h, w) = (labels.height(), labels.width());
    let (labels, valid) = (labels.data(), valid.data());
    let counts = |i: usize| valid[i] != IGNORE && labels[i] != IGNORE;
    let differs = |i: usize, j: usize| counts(j) && labels[i] != labels[j];
    (0..h * w)
        .map(|i| {
            let (y, x) = (i / w, i % w);
            let edge = counts(i)
                && ((x > 0 && differs(i, i - 1))
                    || (x + 1 < w && differs(i, i + 1))
                    || (y > 0 && differs(i, i - w))
                    || (y + 1 < h && differs(i, i + w)));
            if edge {
                u16::from(labels[i])
            } else {
                NO_CONTOUR
            }
        })
        .collect()
}

const NO_CONTOUR: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_map_is_perfect_and_a_flat_one_has_no_contour() {
        let map = LabelMap::new(2, 2, vec![0, 1, 0, 1]);
        let counts = boundary_counts(&map, &map, 3, BoundaryTolerance::default()).unwrap();
        assert_eq!(
            counts.iter().map(BoundaryCounts::f1).collect::<Vec<_>>(),
            [Some(1.0), Some(1.0), None]
        );
    }

    #[test]
    fn a_side_towards_ignored_pixels_is_no_contour() {
        let truth = LabelMap::new(1, 3, vec![0, IGNORE, 1]);
        let guess = LabelMap::new(1, 3, vec![0, 1, 1]);
        let counts = boundary_counts(&truth, &guess, 2, BoundaryTolerance::Pixels(1.0)).unwrap();
        assert_eq!(counts, vec![BoundaryCounts::default(); 2]);
    }

    #[test]
    fn a_missed_object_scores_zero() {
        let truth = LabelMap::new(1, 3, vec![0, 1, 0]);
        let guess = LabelMap::filled(1, 3, 0);
        let counts = boundary_counts(&truth, &guess, 2, BoundaryTolerance::Pixels(1.0)).unwrap();
        assert_eq!(counts[1].f1(), Some(0.0));
    }

    #[test]
    fn the_tolerance_scales_with_the_image() {
        assert!((BoundaryTolerance::Diagonal(0.01).in_pixels(300, 400) - 5.0).abs() < 1e-12);
        assert!(
            boundary_counts(
                &LabelMap::filled(1, 1, 0),
                &LabelMap::filled(1, 1, 0),
                1,
                BoundaryTolerance::Pixels(-1.0)
            )
            .is_err()
        );
    }
}
