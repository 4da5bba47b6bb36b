//! What one pixel contributes, from logits or probabilities, without loss of precision at either end.

use redmask_core::ScoreKind;

/// Probabilities are clamped below here before a logarithm, as in the code of He et al. (arXiv 1912.09685), so that a
/// certain mistake costs a finite 69.08 nats.
pub const PROBABILITY_FLOOR: f64 = 1e-30;

/// `-ln(PROBABILITY_FLOOR)`.
pub(crate) const LOSS_CAP: f64 = 69.077_552_789_821_37;

/// Unnormalised class weights `e_c` of one pixel, `p_c = e_c / sum`.
#[derive(Debug)]
pub(crate) struct PixelWeights {
    weights: Vec<f64>,
    sum: f64,
    /// `ln e_c` minus a constant: the logits, where the scores are logits.
    logs: Vec<f64>,
    predicted: usize,
}

/// Quantities of a labelled pixel, nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PixelTerms {
    /// `-ln p_y`, at most [`LOSS_CAP`].
    pub(crate) loss: f64,
    /// `ln p_y - ln sum_{c != y} p_c`.
    pub(crate) margin: f64,
    /// `ln p_y - ln max_{c != y} p_c`, within `+-LOSS_CAP`.
    pub(crate) hinge: f64,
    /// Song and Mittal's modified entropy.
    pub(crate) modified_entropy: f64,
}

impl PixelWeights {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            weights: vec![0.0; classes],
            sum: 0.0,
            logs: vec![0.0; classes],
            predicted: 0,
        }
    }

    /// Reads pixel `index` of planes of `plane` pixels.
    pub(crate) fn read(&mut self, scores: &[f32], kind: ScoreKind, plane: usize, index: usize) {
        self.predicted = 0;
        let mut best = f32::NEG_INFINITY;
        for (c, log) in self.logs.iter_mut().enumerate() {
            let score = scores[c * plane + index];
            *log = f64::from(score);
            if score > best {
                best = score;
                self.predicted = c;
            }
        }
        self.sum = 0.0;
        for (weight, log) in self.weights.iter_mut().zip(&mut self.logs) {
            match kind {
                ScoreKind::Logits => {
                    *log -= f64::from(best);
                    *weight = log.exp();
                }
                ScoreKind::Probabilities => {
                    *weight = log.max(0.0);
                    *log = weight.max(PROBABILITY_FLOOR).ln();
                }
            }
            self.sum += *weight;
        }
    }

    /// The class with the highest score; the lowest id wins a tie.
    pub(crate) fn predicted(&self) -> usize {
        self.predicted
    }

    /// `p_c`.
    pub(crate) fn probability(&self, class: usize) -> f64 {
        self.weights[class] / self.sum
    }

    /// `-sum_c p_c ln p_c`, nats.
    pub(crate) fn entropy(&self) -> f64 {
        let mean_log: f64 = self
            .weights
            .iter()
            .zip(&self.logs)
            .map(|(w, l)| w * l)
            .sum::<f64>()
            / self.sum;
        (self.sum.ln() - mean_log).max(0.0)
    }

    /// The terms of a pixel labelled `label`.
    pub(crate) fn terms(&self, label: usize) -> PixelTerms {
        let (mut others, mut rival) = (0.0, f64::NEG_INFINITY);
        for (c, (&weight, &log)) in self.weights.iter().zip(&self.logs).enumerate() {
            if c != label {
                others += weight;
                rival = rival.max(log);
            }
        }
        // Never 1 - p: the other classes' sum keeps its digits where p is close to one.
        let margin = self.logs[label] - others.max(PROBABILITY_FLOOR).ln();
        let loss = softplus(-margin).min(LOSS_CAP);
        PixelTerms {
            loss,
            margin,
            hinge: (self.logs[label] - rival).clamp(-LOSS_CAP, LOSS_CAP),
            modified_entropy: self.modified_entropy(label, loss, others / self.sum),
        }
    }

    /// `-(1 - p_y) ln p_y - sum_{c != y} p_c ln(1 - p_c)`, nats (Song and Mittal, USENIX Security 2021, equation 8).
    fn modified_entropy(&self, label: usize, loss: f64, others: f64) -> f64 {
        let mut total = others * loss;
        for (c, &weight) in self.weights.iter().enumerate() {
            let p = weight / self.sum;
            // Below this, p ln(1 - p) is under 1e-18: a logarithm saved for nearly every class.
            if c != label && p > 1e-9 {
                total -= p * (1.0 - p).max(PROBABILITY_FLOOR).ln();
            }
        }
        total
    }
}

/// `ln(1 + e^x)`.
fn softplus(x: f64) -> f64 {
    if x > 0.0 {
        x + (-x).exp().ln_1p()
    } else {
        x.exp().ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(scores: &[f32], kind: ScoreKind, label: usize) -> PixelTerms {
        let mut pixel = PixelWeights::new(scores.len());
        pixel.read(scores, kind, 1, 0);
        pixel.terms(label)
    }

    #[test]
    fn two_classes_by_hand() {
        let t = terms(&[0.0, 3.0], ScoreKind::Logits, 1);
        assert!((t.loss - (1.0 + (-3.0f64).exp()).ln()).abs() < 1e-12);
        assert!((t.margin - 3.0).abs() < 1e-12 && (t.hinge - 3.0).abs() < 1e-12);
        let p = 1.0 / (1.0 + (-3.0f64).exp());
        let modified = -2.0 * (1.0 - p) * p.ln();
        assert!((t.modified_entropy - modified).abs() < 1e-12);
    }

    #[test]
    fn logits_and_their_probabilities_agree() {
        let logits = [1.5f32, -2.0, 0.25, 4.0];
        let sum: f32 = logits.iter().map(|z| z.exp()).sum();
        let probabilities = logits.map(|z| z.exp() / sum);
        for label in 0..4 {
            let a = terms(&logits, ScoreKind::Logits, label);
            let b = terms(&probabilities, ScoreKind::Probabilities, label);
            assert!((a.loss - b.loss).abs() < 1e-6 && (a.margin - b.margin).abs() < 1e-5);
            assert!((a.hinge - b.hinge).abs() < 1e-5);
            assert!((a.modified_entropy - b.modified_entropy).abs() < 1e-6);
        }
    }

    #[test]
    fn certainty_stays_finite_in_both_forms() {
        for (scores, kind) in [
            ([0.0f32, 400.0], ScoreKind::Logits),
            ([0.0, 1.0], ScoreKind::Probabilities),
        ] {
            let right = terms(&scores, kind, 1);
            assert!(right.loss < 1e-29 && right.hinge == LOSS_CAP);
            let wrong = terms(&scores, kind, 0);
            assert!((wrong.loss - 69.0776).abs() < 1e-4, "{wrong:?}");
            assert!(wrong.modified_entropy.is_finite());
        }
    }

    #[test]
    fn uniform_entropy_is_ln_k() {
        let mut pixel = PixelWeights::new(8);
        pixel.read(&[0.125; 8], ScoreKind::Probabilities, 1, 0);
        assert!((pixel.entropy() - 8f64.ln()).abs() < 1e-12);
    }
}
