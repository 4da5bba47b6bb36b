//! Logit-scaled confidence of a whole image (signal S3).

/// `phi = ln(p / (1 - p))` of the image-level confidence `p = exp(-loss)`, where `loss` is the mean cross-entropy in
/// nats and `p` therefore the geometric mean of the pixels' confidences.
///
/// Computed as `-loss - ln(-expm1(-loss))`, which keeps its precision for losses near zero, where members lie. LiRA
/// (Carlini et al., S&P 2022, arXiv 2112.03570, section V) uses this scale because it makes confidences nearly Gaussian.
/// The result is finite for every finite loss: the loss is taken to be at least `1e-300`.
///
/// ```
/// use redmask_attacks::signals::logit_confidence;
/// assert!((logit_confidence(0.01) - 4.600166).abs() < 1e-6);
/// assert!(logit_confidence(2f64.ln()).abs() < 1e-12);
/// ```
pub fn logit_confidence(loss: f64) -> f64 {
    let loss = loss.max(1e-300);
    -loss - (-(-loss).exp_m1()).ln()
}

/// `ln((1 - loss) / loss)` of a loss in `[0, 1]`, such as a Dice loss, which spreads the values near zero that tell
/// members apart. The loss is taken to lie in `[1e-9, 1 - 1e-9]`.
///
/// ```
/// use redmask_attacks::signals::logit_of_loss;
/// assert!(logit_of_loss(0.5).abs() < 1e-12);
/// assert!(logit_of_loss(0.0).is_finite());
/// ```
pub fn logit_of_loss(loss: f64) -> f64 {
    let loss = loss.clamp(1e-9, 1.0 - 1e-9);
    (-loss).ln_1p() - loss.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values derived with 30-digit arithmetic.
    #[test]
    fn vector_of_logit_confidences() {
        for (loss, phi) in [
            (0.01, 4.600166),
            (2f64.ln(), 0.0),
            (2.0, -1.854587),
            (10.0, -9.999955),
            (1e-6, 13.815511),
        ] {
            assert!((logit_confidence(loss) - phi).abs() < 1e-6, "{loss}");
        }
        assert!(logit_confidence(0.0).is_finite());
    }
}
