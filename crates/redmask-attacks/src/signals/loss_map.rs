//! The structured loss map: where in an image the model errs.

use redmask_core::{IGNORE, LabelMap, ScoreKind};

use super::pixel::PixelWeights;

/// Per-pixel cross-entropy in nats, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct LossMap {
    height: usize,
    width: usize,
    data: Vec<f32>,
}

impl LossMap {
    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Losses, row-major, nats.
    pub fn data(&self) -> &[f32] {
        &self.data
    }
}

/// `L_ij = -ln max(p_{y_ij}, 1e-30)` for labelled pixels, 0 elsewhere, from scores `[k, h, w]`. Probabilities that do not
/// sum to one are renormalised per pixel first.
///
/// The representation of He et al. (ECCV 2020, arXiv 1912.09685), as their published code computes it.
///
/// ```
/// use redmask_attacks::signals::loss_map;
/// use redmask_core::{IGNORE, LabelMap, ScoreKind};
///
/// let labels = LabelMap::new(1, 2, vec![0, IGNORE]);
/// let map = loss_map(&[0.0, 0.5, 1.0, 0.5], ScoreKind::Probabilities, 2, &labels);
/// assert!((map.data()[0] - 69.0776).abs() < 1e-4);
/// assert_eq!(map.data()[1], 0.0);
/// ```
///
/// # Panics
/// If the scores do not fill `[classes, h, w]` or a label is neither below `classes` nor [`IGNORE`].
pub fn loss_map(scores: &[f32], kind: ScoreKind, classes: usize, labels: &LabelMap) -> LossMap {
    let plane = labels.data().len();
    assert_eq!(scores.len(), classes * plane, "scores fill [k, h, w]");
    let mut pixel = PixelWeights::new(classes);
    let data = labels
        .data()
        .iter()
        .enumerate()
        .map(|(i, &label)| {
            if label == IGNORE {
                return 0.0;
            }
            pixel.read(scores, kind, plane, i);
            pixel.terms(usize::from(label)).loss as f32
        })
        .collect();
    LossMap {
        height: labels.height(),
        width: labels.width(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denormal_probability_is_clamped() {
        let labels = LabelMap::new(1, 1, vec![0]);
        let map = loss_map(&[1e-40, 1.0], ScoreKind::Probabilities, 2, &labels);
        assert!((map.data()[0] - 69.0776).abs() < 1e-4);
    }

    #[test]
    fn probabilities_are_renormalised() {
        let labels = LabelMap::new(1, 1, vec![0]);
        let map = loss_map(&[0.2, 0.2], ScoreKind::Probabilities, 2, &labels);
        assert!((map.data()[0] - 2f32.ln()).abs() < 1e-6);
    }
}
