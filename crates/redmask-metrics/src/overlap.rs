//! Ratios of a confusion matrix: IoU, Dice, accuracies, and what to do with classes that do not occur.

use serde::{Deserialize, Serialize};

use crate::confusion::ConfusionMatrix;
use crate::error::{MetricError, Result};

/// What a mean over classes does with a class whose ratio is 0/0.
///
/// | class is | IoU, Dice | `Skip` | `InTruth` | `Zero` | `One` |
/// |---|---|---|---|---|---|
/// | in the truth | defined | counted | counted | counted | counted |
/// | predicted only | 0 | counted as 0 | left out | counted as 0 | counted as 0 |
/// | nowhere | 0/0 | left out | left out | counted as 0 | counted as 1 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AbsentClass {
    /// Leave it out of the mean (torchmetrics, mmsegmentation).
    #[default]
    Skip,
    /// Average over the classes of the truth alone, so that a class predicted by mistake costs only the others.
    InTruth,
    /// Count it as 0 (the released code of several papers).
    Zero,
    /// Count it as 1.
    One,
}

/// One class against the rest, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClassCounts {
    /// Pixels whose truth is the class.
    pub truth: u64,
    /// Pixels predicted as the class.
    pub predicted: u64,
    /// Pixels that are both.
    pub intersection: u64,
}

fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

impl ClassCounts {
    /// Intersection over union, `tp / (tp + fp + fn)`; `None` if the class is nowhere.
    pub fn iou(&self) -> Option<f64> {
        ratio(
            self.intersection,
            self.truth + self.predicted - self.intersection,
        )
    }

    /// Dice coefficient, `2 tp / (2 tp + fp + fn)`, the F1 of the class's pixels; `None` if the class is nowhere.
    ///
    /// ```
    /// use redmask_metrics::ClassCounts;
    /// let class = ClassCounts { truth: 4, predicted: 2, intersection: 2 };
    /// assert_eq!(class.dice(), Some(4.0 / 6.0));
    /// assert_eq!(class.iou(), Some(2.0 / 4.0));
    /// ```
    pub fn dice(&self) -> Option<f64> {
        ratio(2 * self.intersection, self.truth + self.predicted)
    }

    /// Share of the class's pixels that were found, its recall or class accuracy; `None` without a true pixel.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.intersection, self.truth)
    }

    /// Share of the predicted pixels that are right; `None` without a predicted pixel.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.intersection, self.predicted)
    }
}

/// The mean of `value` over classes under a policy.
///
/// # Errors
/// If no class is left.
pub fn class_mean(
    counts: &[ClassCounts],
    absent: AbsentClass,
    value: impl Fn(&ClassCounts) -> Option<f64>,
) -> Result<f64> {
    let (mut sum, mut classes) = (0.0, 0usize);
    for class in counts {
        let value = match (value(class), absent) {
            (Some(_), AbsentClass::InTruth) if class.truth == 0 => None,
            (Some(v), _) => Some(v),
            (None, AbsentClass::Zero) => Some(0.0),
            (None, AbsentClass::One) => Some(1.0),
            (None, AbsentClass::Skip | AbsentClass::InTruth) => None,
        };
        if let Some(v) = value {
            sum += v;
            classes += 1;
        }
    }
    if classes == 0 {
        return Err(MetricError::Empty("the set of classes that occur"));
    }
    Ok(sum / classes as f64)
}

impl ConfusionMatrix {
    /// Mean intersection over union, pooled over all images before the ratio.
    ///
    /// # Errors
    /// If the policy leaves no class.
    pub fn miou(&self, absent: AbsentClass) -> Result<f64> {
        class_mean(&self.class_counts(), absent, ClassCounts::iou)
    }

    /// Mean Dice over classes.
    ///
    /// # Errors
    /// If the policy leaves no class.
    pub fn mean_dice(&self, absent: AbsentClass) -> Result<f64> {
        class_mean(&self.class_counts(), absent, ClassCounts::dice)
    }

    /// Mean class accuracy: recall averaged over classes.
    ///
    /// ```
    /// use redmask_metrics::{AbsentClass, ConfusionMatrix};
    /// let mut matrix = ConfusionMatrix::new(2);
    /// matrix.add_pixels(&[0, 0, 0, 1], &[0, 0, 1, 1])?;
    /// assert!((matrix.mean_class_accuracy(AbsentClass::Skip)? - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
    /// # Ok::<(), redmask_metrics::MetricError>(())
    /// ```
    ///
    /// # Errors
    /// If the policy leaves no class.
    pub fn mean_class_accuracy(&self, absent: AbsentClass) -> Result<f64> {
        class_mean(&self.class_counts(), absent, ClassCounts::accuracy)
    }

    /// Share of the counted pixels that are right.
    ///
    /// # Errors
    /// If every pixel is ignored.
    pub fn pixel_accuracy(&self) -> Result<f64> {
        let right = self.class_counts().iter().map(|c| c.intersection).sum();
        ratio(right, self.total()).ok_or(MetricError::Empty("the set of pixels that count"))
    }

    /// IoU of each class weighted by its true pixels.
    ///
    /// # Errors
    /// If every pixel is ignored.
    pub fn frequency_weighted_iou(&self) -> Result<f64> {
        let total = self.total();
        if total == 0 {
            return Err(MetricError::Empty("the set of pixels that count"));
        }
        let weighted: f64 = self
            .class_counts()
            .iter()
            .filter_map(|c| Some(c.iou()? * c.truth as f64))
            .sum();
        Ok(weighted / total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 2 is predicted by mistake, class 3 is nowhere.
    fn matrix() -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(4);
        matrix.add_pixels(&[0, 0, 1, 1], &[0, 0, 1, 2]).unwrap();
        matrix
    }

    #[test]
    fn each_policy_counts_what_its_table_says() {
        let matrix = matrix();
        let mean = |absent| matrix.miou(absent).unwrap();
        assert_eq!(mean(AbsentClass::Skip), (1.0 + 0.5 + 0.0) / 3.0);
        assert_eq!(mean(AbsentClass::InTruth), 0.75);
        assert_eq!(mean(AbsentClass::Zero), (1.0 + 0.5) / 4.0);
        assert_eq!(mean(AbsentClass::One), (1.0 + 0.5 + 0.0 + 1.0) / 4.0);
    }

    #[test]
    fn nothing_to_average_is_an_error() {
        let matrix = ConfusionMatrix::new(2);
        assert!(matrix.miou(AbsentClass::Skip).is_err());
        assert!(matrix.pixel_accuracy().is_err());
        assert!(matrix.frequency_weighted_iou().is_err());
        assert_eq!(matrix.miou(AbsentClass::One), Ok(1.0));
    }

    #[test]
    fn frequent_classes_weigh_more() {
        assert_eq!(matrix().frequency_weighted_iou(), Ok(0.75));
    }
}
