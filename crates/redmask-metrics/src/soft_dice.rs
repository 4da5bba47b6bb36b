//! Soft Dice over class probabilities, as segmentation-models-pytorch (smp) defined it when the audited papers used it.
//! Release 0.6 adds twice `smooth` to both sides; at the default of 0 the two are one.

use redmask_core::{ClassId, IGNORE, LabelMap};

use crate::error::{MetricError, Result};

/// The constants of soft Dice, and the ignore id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftDiceOptions {
    /// Added to numerator and denominator of each class.
    pub smooth: f64,
    /// Smallest denominator.
    pub eps: f64,
    /// Pixels with this true label count nowhere.
    pub ignore: ClassId,
}

impl Default for SoftDiceOptions {
    /// smp's defaults: `smooth` 0, `eps` 1e-7.
    fn default() -> Self {
        Self {
            smooth: 0.0,
            eps: 1e-7,
            ignore: IGNORE,
        }
    }
}

/// The three sums that soft Dice needs for each channel. One image's sums give the loss of that image; the sums of
/// several images, merged, give the *batch* loss of the published code, which is not the mean of the images' losses.
///
/// For a channel `c` with `I = sum p t` and `S = sum (p + t)`: `score = (2 I + smooth) / max(S + smooth, eps)`, and the
/// loss is the mean over all channels of `1 - score`, where a channel without a true pixel contributes 0 but stays in
/// the mean.
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_metrics::soft_dice::{SoftDice, SoftDiceOptions};
///
/// let options = SoftDiceOptions::default();
/// // Foreground probabilities of two images of four pixels.
/// let first = SoftDice::of_foreground(&[0.9, 0.8, 0.1, 0.0], &LabelMap::new(2, 2, vec![1, 1, 0, 0]), &options)?;
/// let second = SoftDice::of_foreground(&[0.6, 0.4, 0.2, 0.1], &LabelMap::new(2, 2, vec![1, 0, 0, 0]), &options)?;
/// // Image 1: I = 0.9 + 0.8, S = 1.8 + 2, so the loss is 1 - 3.4 / 3.8. Image 2: 1 - 1.2 / 2.3.
/// assert!((first.loss() - 0.105263).abs() < 1e-6);
/// assert!((second.loss() - 0.478261).abs() < 1e-6);
/// // The batch: 1 - 4.6 / 6.1, not the mean 0.291762.
/// let mut batch = first.clone();
/// batch.merge(&second)?;
/// assert!((batch.loss() - 0.245902).abs() < 1e-6);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SoftDice {
    options: SoftDiceOptions,
    channels: Vec<ChannelSums>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct ChannelSums {
    intersection: f64,
    total: f64,
    truth: f64,
}

impl SoftDice {
    /// The sums of one image with probabilities `[k, h, w]`: smp's multi-class mode.
    ///
    /// # Errors
    /// If the probabilities do not fill `k` maps of the labels' size, hold a NaN, or a label is unknown.
    pub fn of_classes(
        probabilities: &[f32],
        labels: &LabelMap,
        options: &SoftDiceOptions,
    ) -> Result<Self> {
        let plane = labels.data().len();
        if plane == 0 || probabilities.is_empty() || !probabilities.len().is_multiple_of(plane) {
            return Err(size_mismatch(probabilities.len(), labels));
        }
        let classes = probabilities.len() / plane;
        check_labels(labels, classes, options.ignore)?;
        let channels = probabilities
            .chunks_exact(plane)
            .enumerate()
            .map(|(class, p)| channel_sums(p, labels, class as ClassId, options.ignore))
            .collect::<Result<_>>()?;
        Ok(Self {
            options: *options,
            channels,
        })
    }

    /// The sums of one image with foreground probabilities `[h, w]`: smp's binary mode, where class 1 is the foreground
    /// and the background has no channel.
    ///
    /// # Errors
    /// As [`SoftDice::of_classes`].
    pub fn of_foreground(
        probabilities: &[f32],
        labels: &LabelMap,
        options: &SoftDiceOptions,
    ) -> Result<Self> {
        if probabilities.len() != labels.data().len() {
            return Err(size_mismatch(probabilities.len(), labels));
        }
        check_labels(labels, 2, options.ignore)?;
        Ok(Self {
            options: *options,
            channels: vec![channel_sums(probabilities, labels, 1, options.ignore)?],
        })
    }

    /// Adds the sums of another image, which couples the two: the loss is then that of a batch.
    ///
    /// # Errors
    /// If channels or options differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.channels.len() != other.channels.len() || self.options != other.options {
            return Err(MetricError::SizeMismatch {
                what: "channels and options of two soft Dice sums",
                left: self.channels.len().to_string(),
                right: other.channels.len().to_string(),
            });
        }
        for (left, right) in self.channels.iter_mut().zip(&other.channels) {
            left.intersection += right.intersection;
            left.total += right.total;
            left.truth += right.truth;
        }
        Ok(())
    }

    /// The Dice loss, in `[0, 1]`.
    pub fn loss(&self) -> f64 {
        let SoftDiceOptions { smooth, eps, .. } = self.options;
        let sum: f64 = self
            .channels
            .iter()
            .filter(|c| c.truth > 0.0)
            .map(|c| 1.0 - (2.0 * c.intersection + smooth) / (c.total + smooth).max(eps))
            .sum();
        sum / self.channels.len() as f64
    }
}

fn channel_sums(
    probabilities: &[f32],
    labels: &LabelMap,
    class: ClassId,
    ignore: ClassId,
) -> Result<ChannelSums> {
    let mut sums = ChannelSums::default();
    for (&p, &label) in probabilities.iter().zip(labels.data()) {
        if label == ignore {
            continue;
        }
        let (p, t) = (f64::from(p), f64::from(u8::from(label == class)));
        sums.intersection += p * t;
        sums.total += p + t;
        sums.truth += t;
    }
    if sums.total.is_nan() {
        return Err(MetricError::NotANumber {
            what: "the sum of probabilities of channel",
            index: usize::from(class),
        });
    }
    Ok(sums)
}

fn check_labels(labels: &LabelMap, classes: usize, ignore: ClassId) -> Result<()> {
    match labels
        .data()
        .iter()
        .find(|&&id| id != ignore && usize::from(id) >= classes)
    {
        Some(&id) => Err(MetricError::UnknownClass {
            what: "the labels",
            id,
            classes,
        }),
        None => Ok(()),
    }
}

fn size_mismatch(probabilities: usize, labels: &LabelMap) -> MetricError {
    MetricError::SizeMismatch {
        what: "probabilities and labels",
        left: probabilities.to_string(),
        right: format!("{}x{}", labels.height(), labels.width()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_class_stays_in_the_mean_as_zero() {
        let labels = LabelMap::new(1, 2, vec![0, 0]);
        let sums =
            SoftDice::of_classes(&[0.5, 0.5, 0.5, 0.5], &labels, &SoftDiceOptions::default())
                .unwrap();
        // Class 0: 1 - 2 / 3; class 1: no true pixel, 0.
        assert!((sums.loss() - (1.0 / 3.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn an_empty_mask_has_no_loss() {
        let labels = LabelMap::filled(1, 2, 0);
        let sums =
            SoftDice::of_foreground(&[0.9, 0.9], &labels, &SoftDiceOptions::default()).unwrap();
        assert_eq!(sums.loss(), 0.0);
    }

    #[test]
    fn ignored_pixels_count_nowhere() {
        let options = SoftDiceOptions::default();
        let with =
            SoftDice::of_foreground(&[0.9, 0.7], &LabelMap::new(1, 2, vec![1, 255]), &options);
        let without = SoftDice::of_foreground(&[0.9], &LabelMap::new(1, 1, vec![1]), &options);
        assert_eq!(with, without);
    }

    #[test]
    fn nan_and_unknown_labels_are_refused() {
        let options = SoftDiceOptions::default();
        let labels = LabelMap::new(1, 1, vec![1]);
        assert!(SoftDice::of_foreground(&[f32::NAN], &labels, &options).is_err());
        let unknown = LabelMap::new(1, 1, vec![2]);
        assert!(SoftDice::of_foreground(&[0.5], &unknown, &options).is_err());
        assert!(SoftDice::of_classes(&[0.5; 3], &LabelMap::filled(1, 2, 0), &options).is_err());
    }
}
