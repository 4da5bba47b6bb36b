//! How well predicted labels agree with the mask (signal S11).

use redmask_core::{IGNORE, LabelMap};
use redmask_metrics::ClassCounts;

use super::boundary::boundary_distance;

/// Pixel counts of one image, by class.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    classes: Vec<ClassCounts>,
}

impl Agreement {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            classes: vec![ClassCounts::default(); classes],
        }
    }

    pub(crate) fn add(&mut self, label: usize, predicted: usize) {
        self.classes[label].truth += 1;
        self.classes[predicted].predicted += 1;
        self.classes[label].intersection += u64::from(predicted == label);
    }

    /// Share of labelled pixels predicted right.
    pub(crate) fn pixel_accuracy(&self) -> f64 {
        let total = |count: fn(&ClassCounts) -> u64| self.classes.iter().map(count).sum::<u64>();
        total(|c| c.intersection) as f64 / total(|c| c.truth).max(1) as f64
    }

    /// Mean intersection over union of the classes in the mask or the prediction.
    pub(crate) fn mean_iou(&self) -> f64 {
        let ious: Vec<f64> = self.classes.iter().filter_map(ClassCounts::iou).collect();
        ious.iter().sum::<f64>() / ious.len().max(1) as f64
    }
}

/// F1 of changes of label, whatever the classes, within `radius` pixels of each other on the chessboard; 1 where neither
/// map has one. Both arguments are distances to a change ([`boundary_distance`]); a pixel is at one where its distance is 1.
///
/// [`redmask_metrics::boundary`] has the published per-class score; this one costs nothing beside the boundary band.
pub(crate) fn boundary_f1(truth: &[u16], found: &[u16], radius: u16) -> f64 {
    let matched = |on: &[u16], near: &[u16]| {
        let (mut total, mut hit) = (0u64, 0u64);
        for (&on, &near) in on.iter().zip(near) {
            if on == 1 {
                total += 1;
                hit += u64::from(near <= radius);
            }
        }
        (total > 0).then(|| hit as f64 / total as f64)
    };
    match (matched(found, truth), matched(truth, found)) {
        (Some(precision), Some(recall)) if precision + recall > 0.0 => {
            2.0 * precision * recall / (precision + recall)
        }
        (None, None) => 1.0,
        _ => 0.0,
    }
}

/// Pixel accuracy, mean IoU and boundary F1 of predicted labels. Pixels that are ignored in the mask count nowhere, and
/// so do predictions outside the class table.
pub(crate) fn label_agreement(
    labels: &LabelMap,
    found: &LabelMap,
    classes: usize,
    radius: u16,
) -> [f64; 3] {
    let mut agreement = Agreement::new(classes);
    let mut seen = Vec::with_capacity(found.data().len());
    for (&label, &predicted) in labels.data().iter().zip(found.data()) {
        let counts = usize::from(label) < classes && usize::from(predicted) < classes;
        seen.push(if counts { predicted } else { IGNORE });
        if counts {
            agreement.add(usize::from(label), usize::from(predicted));
        }
    }
    let (height, width) = (labels.height(), labels.width());
    let truth = boundary_distance(labels.data(), height, width);
    let found = boundary_distance(&seen, height, width);
    [
        agreement.pixel_accuracy(),
        agreement.mean_iou(),
        boundary_f1(&truth, &found, radius),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_edge() {
        let truth = LabelMap::new(2, 4, vec![0, 1, 1, 1, 0, 1, 1, 1]);
        let found = LabelMap::new(2, 4, vec![0, 0, 1, 1, 0, 0, 1, 1]);
        let [accuracy, iou, f1] = label_agreement(&truth, &found, 2, 2);
        assert_eq!((accuracy, f1), (0.75, 1.0));
        assert!((iou - f64::midpoint(2.0 / 4.0, 4.0 / 6.0)).abs() < 1e-12);
    }

    #[test]
    fn a_contour_on_one_side_only() {
        let flat = LabelMap::filled(1, 3, 0);
        let edge = LabelMap::new(1, 3, vec![0, 1, 1]);
        assert_eq!(label_agreement(&flat, &flat, 2, 1)[2], 1.0);
        assert_eq!(label_agreement(&flat, &edge, 2, 1)[2], 0.0);
    }
}
