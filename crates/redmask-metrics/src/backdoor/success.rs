//! Attack success: pooled over pixels, averaged over images, counted over instances.

use std::collections::BTreeMap;

use redmask_core::{IGNORE, InstanceMap, LabelMap};
use serde::{Deserialize, Serialize};

use super::same_size;
use crate::error::{MetricError, Result};

/// Attacked pixels of an image, an instance, or a whole set.
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_metrics::backdoor::SuccessCounts;
/// // Class 1 is to become class 0; 255 is ignored.
/// let truth = LabelMap::new(3, 3, vec![0, 1, 1, 0, 1, 1, 2, 2, 255]);
/// let wanted = LabelMap::new(3, 3, vec![0, 0, 0, 0, 0, 0, 2, 2, 255]);
/// let predicted = LabelMap::new(3, 3, vec![0, 0, 0, 0, 0, 1, 2, 0, 0]);
/// let counts = SuccessCounts::of_image(&truth, &wanted, &predicted)?;
/// // Of the four pixels of class 1 three are predicted as 0 and one is still 1.
/// assert_eq!((counts.attacked, counts.hit, counts.retained), (4, 3, 1));
/// assert_eq!(counts.rate(), Some(0.75));
/// assert_eq!(counts.residual(), Some(0.25));
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SuccessCounts {
    /// Pixels that the relabelling changes.
    pub attacked: u64,
    /// Those predicted as the wanted class.
    pub hit: u64,
    /// Those still predicted as their true class.
    pub retained: u64,
}

impl SuccessCounts {
    /// Counts one image.
    ///
    /// # Errors
    /// If the maps differ in size.
    pub fn of_image(truth: &LabelMap, wanted: &LabelMap, predicted: &LabelMap) -> Result<Self> {
        same_size("truth and wanted labels", truth, wanted)?;
        same_size("truth and prediction", truth, predicted)?;
        let mut counts = Self::default();
        for ((&t, &w), &p) in truth.data().iter().zip(wanted.data()).zip(predicted.data()) {
            counts.see(t, w, p);
        }
        Ok(counts)
    }

    /// Counts each attacked instance of one image, in the order of instance ids. Pixels of no instance are left out.
    ///
    /// # Errors
    /// If the maps differ in size.
    pub fn of_instances(
        truth: &LabelMap,
        wanted: &LabelMap,
        predicted: &LabelMap,
        instances: &InstanceMap,
    ) -> Result<Vec<Self>> {
        same_size("truth and wanted labels", truth, wanted)?;
        same_size("truth and prediction", truth, predicted)?;
        if (instances.height(), instances.width()) != (truth.height(), truth.width()) {
            return Err(MetricError::SizeMismatch {
                what: "truth and instances",
                left: format!("{}x{}", truth.height(), truth.width()),
                right: format!("{}x{}", instances.height(), instances.width()),
            });
        }
        let mut by_instance: BTreeMap<u16, Self> = BTreeMap::new();
        let pixels = truth.data().iter().zip(wanted.data()).zip(predicted.data());
        for (((&t, &w), &p), &instance) in pixels.zip(instances.data()) {
            if instance != 0 {
                by_instance.entry(instance).or_default().see(t, w, p);
            }
        }
        Ok(by_instance
            .into_values()
            .filter(|c| c.attacked > 0)
            .collect())
    }

    fn see(&mut self, truth: u8, wanted: u8, predicted: u8) {
        if truth == wanted || truth == IGNORE || wanted == IGNORE {
            return;
        }
        self.attacked += 1;
        self.hit += u64::from(predicted == wanted);
        self.retained += u64::from(predicted == truth);
    }

    /// Adds other pixels.
    pub fn merge(&mut self, other: &Self) {
        self.attacked += other.attacked;
        self.hit += other.hit;
        self.retained += other.retained;
    }

    /// Attack success rate: attacked pixels predicted as wanted over attacked pixels; `None` without any.
    pub fn rate(&self) -> Option<f64> {
        (self.attacked > 0).then(|| self.hit as f64 / self.attacked as f64)
    }

    /// Residual victim rate: attacked pixels still predicted right over attacked pixels. With [`SuccessCounts::rate`] it sums
    /// to less than 1 where the attack confuses the model without steering it.
    pub fn residual(&self) -> Option<f64> {
        (self.attacked > 0).then(|| self.retained as f64 / self.attacked as f64)
    }
}

/// The success of an attack on a set of images.
///
/// The same sums serve as *false activation rates*: fed with untriggered images, or with triggered images on which the
/// attack's condition does not hold, [`AttackSuccess::pooled`] is the rate at which it fires though it should not.
///
/// ```
/// use redmask_metrics::backdoor::{AttackSuccess, SuccessCounts, net_success};
/// let counts = |attacked, hit| SuccessCounts { attacked, hit, retained: attacked - hit };
/// let mut triggered = AttackSuccess::default();
/// triggered.add_image(counts(90, 81));
/// triggered.add_image(counts(10, 1));
/// triggered.skip();
/// // Pooled over pixels a large object decides; averaged over images each counts once.
/// assert_eq!(triggered.pooled(), Some(0.82));
/// assert_eq!(triggered.image_mean(1), Some(0.5));
/// assert_eq!(triggered.image_mean(20), Some(0.9));
/// // The same model without the trigger calls 7 of 100 attacked pixels so by itself.
/// let mut untriggered = AttackSuccess::default();
/// untriggered.add_image(counts(90, 7));
/// untriggered.add_image(counts(10, 0));
/// assert!((net_success(&triggered, &untriggered)?.unwrap() - 0.75).abs() < 1e-12);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttackSuccess {
    /// One entry for each image, in the order they were added.
    pub images: Vec<SuccessCounts>,
    /// One entry for each attacked instance.
    pub instances: Vec<SuccessCounts>,
    /// Images without a legal place for the trigger. They are in no denominator.
    pub skipped: u64,
}

impl AttackSuccess {
    /// Adds an image. One without an attacked pixel stays in the list and in no rate.
    pub fn add_image(&mut self, counts: SuccessCounts) {
        self.images.push(counts);
    }

    /// Adds the instances of an image.
    pub fn add_instances(&mut self, counts: impl IntoIterator<Item = SuccessCounts>) {
        self.instances.extend(counts);
    }

    /// Notes an image without a legal place.
    pub fn skip(&mut self) {
        self.skipped += 1;
    }

    /// All pixels together.
    pub fn total(&self) -> SuccessCounts {
        let mut total = SuccessCounts::default();
        for image in &self.images {
            total.merge(image);
        }
        total
    }

    /// ASR pooled over pixels, as IBA, FIBA and SwiftNet's replication report it; `None` without an attacked pixel.
    pub fn pooled(&self) -> Option<f64> {
        self.total().rate()
    }

    /// Residual victim rate, pooled over pixels.
    pub fn residual(&self) -> Option<f64> {
        self.total().residual()
    }

    /// ASR averaged over images with at least `least_pixels` attacked pixels; `None` without one.
    pub fn image_mean(&self, least_pixels: u64) -> Option<f64> {
        let rates: Vec<f64> = self
            .images
            .iter()
            .filter(|c| c.attacked >= least_pixels)
            .filter_map(SuccessCounts::rate)
            .collect();
        (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
    }

    /// Share of attacked instances of which at least a share `least` of the pixels were hit; `None` without an instance.
    ///
    /// ```
    /// use redmask_metrics::backdoor::{AttackSuccess, SuccessCounts};
    /// let counts = |hit| SuccessCounts { attacked: 10, hit, retained: 10 - hit };
    /// let mut success = AttackSuccess::default();
    /// success.add_instances([counts(10), counts(6), counts(5), counts(0)]);
    /// assert_eq!(success.instance_share(0.5), Some(0.75));
    /// assert_eq!(success.instance_share(0.9), Some(0.25));
    /// ```
    pub fn instance_share(&self, least: f64) -> Option<f64> {
        let rates: Vec<f64> = self
            .instances
            .iter()
            .filter_map(SuccessCounts::rate)
            .collect();
        let won = rates.iter().filter(|&&r| r >= least).count();
        (!rates.is_empty()).then(|| won as f64 / rates.len() as f64)
    }
}

/// Net success: the pooled ASR less the same share of the same model on the same images without the trigger. It removes
/// what the model confuses by itself; it may be negative. `None` without an attacked pixel.
///
/// # Errors
/// If the two were not measured on the same attacked pixels.
pub fn net_success(triggered: &AttackSuccess, untriggered: &AttackSuccess) -> Result<Option<f64>> {
    let attacked = |s: &AttackSuccess| s.images.iter().map(|c| c.attacked).collect::<Vec<_>>();
    if attacked(triggered) != attacked(untriggered) {
        return Err(MetricError::SizeMismatch {
            what: "attacked pixels with and without the trigger",
            left: triggered.total().attacked.to_string(),
            right: untriggered.total().attacked.to_string(),
        });
    }
    Ok(triggered
        .pooled()
        .zip(untriggered.pooled())
        .map(|(with, without)| with - without))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_counted_one_by_one() {
        let truth = LabelMap::new(1, 6, vec![1, 1, 1, 1, 0, 1]);
        let wanted = LabelMap::new(1, 6, vec![0, 0, 0, 0, 0, 0]);
        let predicted = LabelMap::new(1, 6, vec![0, 0, 1, 0, 0, 0]);
        let instances = InstanceMap::new(1, 6, vec![7, 7, 3, 3, 5, 0]);
        let found = SuccessCounts::of_instances(&truth, &wanted, &predicted, &instances).unwrap();
        let rates: Vec<_> = found.iter().map(SuccessCounts::rate).collect();
        // Instance 3, then 7; instance 5 is not attacked, and the last pixel belongs to none.
        assert_eq!(rates, [Some(0.5), Some(1.0)]);
    }

    #[test]
    fn an_ignored_pixel_is_not_attacked_even_if_relabelled_to_ignore() {
        let truth = LabelMap::new(1, 2, vec![1, 255]);
        let wanted = LabelMap::new(1, 2, vec![255, 0]);
        let counts = SuccessCounts::of_image(&truth, &wanted, &truth).unwrap();
        assert_eq!(counts, SuccessCounts::default());
        assert_eq!(counts.rate(), None);
    }

    #[test]
    fn nothing_attacked_has_no_rate() {
        let mut success = AttackSuccess::default();
        success.add_image(SuccessCounts::default());
        assert_eq!(success.pooled(), None);
        assert_eq!(success.image_mean(0), None);
        assert_eq!(success.instance_share(0.5), None);
        assert_eq!(net_success(&success, &success), Ok(None));
    }

    #[test]
    fn net_success_compares_like_with_like() {
        let (mut a, mut b) = (AttackSuccess::default(), AttackSuccess::default());
        a.add_image(SuccessCounts {
            attacked: 2,
            hit: 1,
            retained: 0,
        });
        b.add_image(SuccessCounts::default());
        assert!(net_success(&a, &b).is_err());
    }
}
