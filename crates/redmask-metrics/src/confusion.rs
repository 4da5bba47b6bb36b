//! The confusion matrix of dense predictions.

use rayon::prelude::*;
use redmask_core::{ClassId, IGNORE, LabelMap};

use crate::error::{MetricError, Result};
use crate::overlap::ClassCounts;

/// Pixel counts by true class (row) and predicted class (column), summed over images.
///
/// Pixels whose *truth* is the ignore id count nowhere. Pixels *predicted* as the ignore id (a saved prediction may
/// abstain) are misses of their true class and false positives of none. Any other id outside `0..k` is an error, never
/// a silent drop.
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_metrics::{AbsentClass, ConfusionMatrix};
///
/// let truth = LabelMap::new(3, 3, vec![0, 0, 1, 0, 0, 1, 2, 2, 255]);
/// let guess = LabelMap::new(3, 3, vec![0, 0, 1, 0, 1, 1, 2, 0, 2]);
/// let mut matrix = ConfusionMatrix::new(3);
/// matrix.add(&truth, &guess)?;
/// assert_eq!(matrix.count(0, 1), 1);
/// assert_eq!(matrix.total(), 8);
/// // Intersection over union: class 0: 3 / (4 + 4 - 3), class 1: 2 / (2 + 3 - 2), class 2: 1 / (2 + 1 - 1).
/// let iou = [3.0 / 5.0, 2.0 / 3.0, 1.0 / 2.0];
/// assert_eq!(matrix.class(1).iou(), Some(iou[1]));
/// assert!((matrix.miou(AbsentClass::Skip)? - iou.iter().sum::<f64>() / 3.0).abs() < 1e-12);
/// assert_eq!(matrix.pixel_accuracy()?, 6.0 / 8.0);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConfusionMatrix {
    classes: usize,
    ignore: ClassId,
    /// `[classes, classes + 1]`; the last column holds abstentions.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// An empty matrix of `classes` classes that ignores [`IGNORE`].
    ///
    /// # Panics
    /// If `classes` is 0 or above 255.
    pub fn new(classes: usize) -> Self {
        Self::with_ignore(classes, IGNORE)
    }

    /// An empty matrix with another ignore id; an id below `classes` takes that class out of the evaluation.
    ///
    /// # Panics
    /// If `classes` is 0 or above 255.
    pub fn with_ignore(classes: usize, ignore: ClassId) -> Self {
        assert!(
            (1..=255).contains(&classes),
            "a confusion matrix has 1 to 255 classes"
        );
        Self {
            classes,
            ignore,
            counts: vec![0; classes * (classes + 1)],
        }
    }

    /// Adds the pixels of one image.
    ///
    /// # Errors
    /// If the maps differ in size or hold an unknown class. The matrix is then unchanged.
    pub fn add(&mut self, truth: &LabelMap, predicted: &LabelMap) -> Result<()> {
        if (truth.height(), truth.width()) != (predicted.height(), predicted.width()) {
            return Err(MetricError::SizeMismatch {
                what: "truth and prediction",
                left: format!("{}x{}", truth.height(), truth.width()),
                right: format!("{}x{}", predicted.height(), predicted.width()),
            });
        }
        self.add_pixels(truth.data(), predicted.data())
    }

    /// Adds pixels given as slices of one length, for those who mask or pool them first.
    ///
    /// # Errors
    /// As [`ConfusionMatrix::add`].
    pub fn add_pixels(&mut self, truth: &[ClassId], predicted: &[ClassId]) -> Result<()> {
        if truth.len() != predicted.len() {
            return Err(MetricError::SizeMismatch {
                what: "truth and prediction",
                left: truth.len().to_string(),
                right: predicted.len().to_string(),
            });
        }
        // Two more rows and columns than classes: one for the ignore id, one for ids that do not exist. This keeps
        // branches out of the pixel loop and lets a bad image be refused whole.
        let (ignored, unknown, stride) = (self.classes, self.classes + 1, self.classes + 2);
        let slot: [u16; 256] = std::array::from_fn(|id| {
            if id == usize::from(self.ignore) {
                ignored as u16
            } else if id < self.classes {
                id as u16
            } else {
                unknown as u16
            }
        });
        let mut image = vec![0u64; stride * stride];
        for (&t, &p) in truth.iter().zip(predicted) {
            image
                [usize::from(slot[usize::from(t)]) * stride + usize::from(slot[usize::from(p)])] +=
                1;
        }
        let bad_truth = image[unknown * stride..].iter().any(|&n| n > 0);
        let bad_guess = (0..self.classes).any(|t| image[t * stride + unknown] > 0);
        if bad_truth || bad_guess {
            return Err(self.first_unknown(truth, predicted));
        }
        for t in 0..self.classes {
            for p in 0..=self.classes {
                self.counts[t * (self.classes + 1) + p] += image[t * stride + p];
            }
        }
        Ok(())
    }

    fn first_unknown(&self, truth: &[ClassId], predicted: &[ClassId]) -> MetricError {
        let exists = |id: ClassId| id == self.ignore || usize::from(id) < self.classes;
        let unknown = |what, id| MetricError::UnknownClass {
            what,
            id,
            classes: self.classes,
        };
        match truth.iter().find(|&&id| !exists(id)) {
            Some(&id) => unknown("the truth", id),
            None => unknown(
                "the prediction",
                predicted
                    .iter()
                    .copied()
                    .find(|&id| !exists(id))
                    .unwrap_or(self.ignore),
            ),
        }
    }

    /// Sums over all pairs in parallel. Counts are integers, so the thread count cannot change the result.
    ///
    /// # Errors
    /// As [`ConfusionMatrix::add`], for any pair.
    pub fn of_pairs(classes: usize, pairs: &[(&LabelMap, &LabelMap)]) -> Result<Self> {
        pairs
            .par_iter()
            .try_fold(
                || Self::new(classes),
                |mut matrix, (truth, predicted)| {
                    matrix.add(truth, predicted)?;
                    Ok(matrix)
                },
            )
            .try_reduce(
                || Self::new(classes),
                |mut left, right| {
                    left.merge(&right)?;
                    Ok(left)
                },
            )
    }

    /// Adds another matrix, as if its images had been added here.
    ///
    /// # Errors
    /// If class count or ignore id differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.classes, self.ignore) != (other.classes, other.ignore) {
            return Err(MetricError::SizeMismatch {
                what: "classes and ignore id of two confusion matrices",
                left: format!("{} / {}", self.classes, self.ignore),
                right: format!("{} / {}", other.classes, other.ignore),
            });
        }
        for (left, right) in self.counts.iter_mut().zip(&other.counts) {
            *left += right;
        }
        Ok(())
    }

    /// Number of classes `k`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Pixels of true class `truth` that were predicted as `predicted`.
    ///
    /// # Panics
    /// If an id is not below `k`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        assert!(predicted < self.classes, "class {predicted} does not exist");
        self.counts[truth * (self.classes + 1) + predicted]
    }

    /// Pixels of true class `truth` that were predicted as the ignore id.
    ///
    /// # Panics
    /// If `truth` is not below `k`.
    pub fn abstained(&self, truth: usize) -> u64 {
        self.counts[truth * (self.classes + 1) + self.classes]
    }

    /// All pixels whose truth is a class.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The four counts of one class against the rest.
    ///
    /// # Panics
    /// If `class` is not below `k`.
    pub fn class(&self, class: usize) -> ClassCounts {
        let row = &self.counts[class * (self.classes + 1)..(class + 1) * (self.classes + 1)];
        let predicted = (0..self.classes).map(|t| self.count(t, class)).sum();
        ClassCounts {
            truth: row.iter().sum(),
            predicted,
            intersection: row[class],
        }
    }

    /// The counts of every class, in id order.
    pub fn class_counts(&self) -> Vec<ClassCounts> {
        (0..self.classes).map(|c| self.class(c)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abstention_is_a_miss_of_its_class_and_of_no_other() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add_pixels(&[1, 1, 0], &[255, 1, 0]).unwrap();
        assert_eq!(matrix.abstained(1), 1);
        assert_eq!(matrix.class(1).iou(), Some(0.5));
        assert_eq!(matrix.class(0).iou(), Some(1.0));
    }

    #[test]
    fn an_unknown_id_is_refused_and_leaves_no_trace() {
        let mut matrix = ConfusionMatrix::new(2);
        for (truth, guess, what) in [
            ([0, 7], [0, 0], "the truth"),
            ([0, 0], [0, 7], "the prediction"),
        ] {
            let error = matrix.add_pixels(&truth, &guess).unwrap_err();
            assert_eq!(
                error,
                MetricError::UnknownClass {
                    what,
                    id: 7,
                    classes: 2
                }
            );
            assert_eq!(matrix.total(), 0);
        }
        assert!(
            matrix.add_pixels(&[255], &[7]).is_ok(),
            "an ignored pixel may hold anything"
        );
    }

    #[test]
    fn sizes_must_agree() {
        let (wide, tall) = (LabelMap::filled(1, 2, 0), LabelMap::filled(2, 1, 0));
        assert!(ConfusionMatrix::new(2).add(&wide, &tall).is_err());
    }

    #[test]
    fn a_real_class_can_be_ignored() {
        let mut matrix = ConfusionMatrix::with_ignore(3, 0);
        matrix.add_pixels(&[0, 1, 2], &[2, 1, 0]).unwrap();
        assert_eq!(matrix.total(), 2);
        assert_eq!(matrix.abstained(2), 1);
        assert_eq!(matrix.class(2).predicted, 0);
    }
}
