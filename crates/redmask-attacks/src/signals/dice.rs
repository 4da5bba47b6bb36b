//! Soft Dice loss of one image (signal S2).

use redmask_core::{IGNORE, LabelMap, ScoreKind};
use serde::{Deserialize, Serialize};

use super::pixel::PixelWeights;

/// How absent classes count in a Dice loss.
///
/// Sums run over the labelled pixels of one image: `I_c = sum p_c t_c`, `P_c = sum p_c`, `T_c = sum t_c`, and the loss of
/// a present class is `1 - 2 I_c / (P_c + T_c)`. With two classes only class 1, the foreground, takes part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiceForm {
    /// The mean over the classes present in the mask. With none present (an empty foreground) the loss is that of
    /// one smoothing pixel, `P / (P + 1)`: zero for a model that finds nothing, near one for a model that does.
    #[default]
    PresentClasses,
    /// The published form (segmentation-models-pytorch, smooth 0, eps 1e-7): absent classes contribute zero and stay
    /// in the mean, so an empty mask has loss 0 and is always called a member.
    Published,
}

/// Sums of a Dice loss, per class.
#[derive(Debug, Clone)]
pub(crate) struct DiceSums {
    intersection: Vec<f64>,
    predicted: Vec<f64>,
    truth: Vec<f64>,
}

impl DiceSums {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            intersection: vec![0.0; classes],
            predicted: vec![0.0; classes],
            truth: vec![0.0; classes],
        }
    }

    pub(crate) fn add(&mut self, pixel: &PixelWeights, label: usize) {
        for (c, sum) in self.predicted.iter_mut().enumerate() {
            *sum += pixel.probability(c);
        }
        self.intersection[label] += pixel.probability(label);
        self.truth[label] += 1.0;
    }

    pub(crate) fn loss(&self, form: DiceForm) -> f64 {
        let classes = self.truth.len();
        let first = usize::from(classes == 2);
        let (mut total, mut present) = (0.0, 0.0);
        for c in first..classes {
            if self.truth[c] > 0.0 {
                let size = (self.predicted[c] + self.truth[c]).max(1e-7);
                total += 1.0 - 2.0 * self.intersection[c] / size;
                present += 1.0;
            }
        }
        match form {
            DiceForm::Published => total / (classes - first) as f64,
            DiceForm::PresentClasses if present > 0.0 => total / present,
            DiceForm::PresentClasses => {
                let found: f64 = self.predicted[first..].iter().sum();
                found / (found + 1.0)
            }
        }
    }
}

/// The soft Dice loss of one image with scores `[k, h, w]`.
///
/// Two images of four pixels, evaluated one by one; a batch-coupled Dice would give 0.245902 for both together:
///
/// ```
/// use redmask_attacks::signals::{DiceForm, dice_loss};
/// use redmask_core::{LabelMap, ScoreKind};
///
/// let loss = |foreground: [f32; 4], truth: [u8; 4]| {
///     let scores: Vec<f32> = foreground.iter().map(|p| 1.0 - p).chain(foreground).collect();
///     let labels = LabelMap::new(2, 2, truth.to_vec());
///     dice_loss(&scores, ScoreKind::Probabilities, 2, &labels, DiceForm::PresentClasses)
/// };
/// assert!((loss([0.9, 0.8, 0.1, 0.0], [1, 1, 0, 0]) - 0.105263).abs() < 1e-6);
/// assert!((loss([0.6, 0.4, 0.2, 0.1], [1, 0, 0, 0]) - 0.478261).abs() < 1e-6);
/// ```
///
/// # Panics
/// If the scores do not fill `[classes, h, w]` or a label is neither below `classes` nor [`IGNORE`].
pub fn dice_loss(
    scores: &[f32],
    kind: ScoreKind,
    classes: usize,
    labels: &LabelMap,
    form: DiceForm,
) -> f64 {
    let plane = labels.data().len();
    assert_eq!(scores.len(), classes * plane, "scores fill [k, h, w]");
    let mut pixel = PixelWeights::new(classes);
    let mut sums = DiceSums::new(classes);
    for (i, &label) in labels.data().iter().enumerate() {
        if label != IGNORE {
            pixel.read(scores, kind, plane, i);
            sums.add(&pixel, usize::from(label));
        }
    }
    sums.loss(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(foreground: &[f32], truth: &[u8], form: DiceForm) -> f64 {
        let scores: Vec<f32> = foreground
            .iter()
            .map(|p| 1.0 - p)
            .chain(foreground.iter().copied())
            .collect();
        let labels = LabelMap::new(1, truth.len(), truth.to_vec());
        dice_loss(&scores, ScoreKind::Probabilities, 2, &labels, form)
    }

    #[test]
    fn an_empty_mask_is_always_a_member_in_the_published_form_only() {
        let found = [0.9, 0.9, 0.0, 0.0];
        assert_eq!(binary(&found, &[0; 4], DiceForm::Published), 0.0);
        let loss = binary(&found, &[0; 4], DiceForm::PresentClasses);
        assert!((loss - 1.8 / 2.8).abs() < 1e-6);
        assert_eq!(binary(&[0.0; 4], &[0; 4], DiceForm::PresentClasses), 0.0);
    }

    #[test]
    fn absent_classes_dilute_the_published_mean() {
        // Three classes, two present; class 0 and class 1 have probability 0.8 where they are true.
        let scores = [0.8, 0.1, 0.1, 0.8, 0.1, 0.1];
        let labels = LabelMap::new(1, 2, vec![0, 1]);
        let of = |form| dice_loss(&scores, ScoreKind::Probabilities, 3, &labels, form);
        let present = of(DiceForm::PresentClasses);
        let expected = 1.0 - 1.6 / 1.9;
        assert!((present - expected).abs() < 1e-6);
        assert!((of(DiceForm::Published) - present * 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn ignored_pixels_do_not_count() {
        let with = binary(&[0.9, 0.2, 0.7], &[1, 0, IGNORE], DiceForm::PresentClasses);
        let without = binary(&[0.9, 0.2], &[1, 0], DiceForm::PresentClasses);
        assert!((with - without).abs() < 1e-12);
    }
}
