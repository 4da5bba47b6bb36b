//! What a backdoored model still does right.

use redmask_core::{ClassId, IGNORE, LabelMap};

use super::same_size;
use crate::confusion::ConfusionMatrix;
use crate::error::{MetricError, Result};
use crate::overlap::{AbsentClass, ClassCounts, class_mean};

/// Poisoned benign accuracy (PBA): mIoU on *triggered* images, over the pixels that the attack leaves alone and the classes
/// that it does not attack. (The clean benign accuracy, CBA, is plain [`ConfusionMatrix::miou`] on clean images.)
///
/// Attacked pixels are ignored. The victim classes are left out of the mean; a pixel wrongly predicted as one of them
/// still counts as missed by its own class. IBA's released code divides by all `k` classes and rescales by `k / (k - 1)`,
/// which is the same number when every class occurs; it counts absent classes as 0 ([`AbsentClass::Zero`]).
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_metrics::AbsentClass;
/// use redmask_metrics::backdoor::BenignAccuracy;
/// // Class 1 is attacked and becomes 0.
/// let truth = LabelMap::new(3, 3, vec![0, 1, 1, 0, 0, 1, 2, 2, 255]);
/// let wanted = LabelMap::new(3, 3, vec![0, 0, 0, 0, 0, 0, 2, 2, 255]);
/// let predicted = LabelMap::new(3, 3, vec![0, 0, 0, 0, 1, 1, 2, 0, 0]);
/// let mut pba = BenignAccuracy::new(3, &[1])?;
/// pba.add(&truth, &wanted, &predicted)?;
/// // Five pixels are left. Class 0: 2 right, 1 taken for class 1, 1 false: 2 / 4. Class 2: 1 right of 2: 1 / 2.
/// assert_eq!(pba.miou(AbsentClass::Skip)?, 0.5);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BenignAccuracy {
    matrix: ConfusionMatrix,
    victims: Vec<ClassId>,
}

impl BenignAccuracy {
    /// Starts empty. `victims` are the classes that the relabelling empties; none for an attack on single instances,
    /// whose class lives on in the others.
    ///
    /// # Errors
    /// If a victim is not a class.
    pub fn new(classes: usize, victims: &[ClassId]) -> Result<Self> {
        match victims.iter().find(|&&v| usize::from(v) >= classes) {
            Some(&id) => Err(MetricError::UnknownClass {
                what: "the victim classes",
                id,
                classes,
            }),
            None => Ok(Self {
                matrix: ConfusionMatrix::new(classes),
                victims: victims.to_vec(),
            }),
        }
    }

    /// Adds one triggered image.
    ///
    /// # Errors
    /// If the maps differ in size or hold an unknown class.
    pub fn add(&mut self, truth: &LabelMap, wanted: &LabelMap, predicted: &LabelMap) -> Result<()> {
        same_size("truth and wanted labels", truth, wanted)?;
        let left_alone: Vec<ClassId> = truth
            .data()
            .iter()
            .zip(wanted.data())
            .map(|(&t, &w)| if t == w { t } else { IGNORE })
            .collect();
        let left_alone = LabelMap::new(truth.height(), truth.width(), left_alone);
        self.matrix.add(&left_alone, predicted)
    }

    /// Adds the images of another.
    ///
    /// # Errors
    /// If the classes differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.matrix.merge(&other.matrix)
    }

    /// The counts behind the mean, victim classes included.
    pub fn matrix(&self) -> &ConfusionMatrix {
        &self.matrix
    }

    /// mIoU over the other classes.
    ///
    /// # Errors
    /// If the policy leaves no class.
    pub fn miou(&self, absent: AbsentClass) -> Result<f64> {
        let others: Vec<ClassCounts> = self
            .matrix
            .class_counts()
            .into_iter()
            .enumerate()
            .filter(|(class, _)| !self.victims.iter().any(|&v| usize::from(v) == *class))
            .map(|(_, counts)| counts)
            .collect();
        class_mean(&others, absent, ClassCounts::iou)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_victim_is_refused() {
        assert!(BenignAccuracy::new(3, &[3]).is_err());
    }

    #[test]
    fn without_victims_the_untouched_pixels_of_the_class_count() {
        let truth = LabelMap::new(1, 3, vec![1, 1, 0]);
        let wanted = LabelMap::new(1, 3, vec![0, 1, 0]);
        let mut pba = BenignAccuracy::new(2, &[]).unwrap();
        pba.add(&truth, &wanted, &LabelMap::new(1, 3, vec![0, 1, 0]))
            .unwrap();
        assert_eq!(pba.matrix().total(), 2);
        assert_eq!(pba.miou(AbsentClass::Skip), Ok(1.0));
    }
}
