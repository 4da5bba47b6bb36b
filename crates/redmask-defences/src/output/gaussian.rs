//! Gaussian noise on probabilities (He et al., ECCV 2020, arXiv 1912.09685, and its code).
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every defence has the same shape, whatever its size"
)]

use rand_distr::{Distribution, Normal};
use rayon::prelude::*;
use redmask_core::{Error, Fingerprint, Result, Sample, ScoreKind, Scores, Seed};
use serde::{Deserialize, Serialize};

use super::floor_and_normalise;

/// Configuration of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianConfig {
    /// Standard deviation of what is added to each probability.
    pub deviation: f64,
}

impl GaussianConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if self.deviation.is_finite() && self.deviation >= 0.0 {
            return Ok(());
        }
        Err(Error::config(
            "deviation",
            format!("{} is not a finite number of at least 0", self.deviation),
        ))
    }

    /// Adds noise, lifts to the floor, normalises each pixel. The draws follow from `seed` and the pixels of the image:
    /// who asks twice gets one answer, and cannot average the noise away.
    pub(super) fn apply(&self, scores: Scores, batch: &[&Sample], seed: Seed) -> Result<Scores> {
        self.validate()?;
        let normal = Normal::new(0.0, self.deviation)
            .map_err(|e| Error::config("deviation", e.to_string()))?;
        let scores = scores.into_probabilities();
        let [n, k, h, w] = scores.shape();
        let plane = h * w;
        let mut data = scores.data().to_vec();
        data.par_chunks_exact_mut((k * plane).max(1))
            .zip(batch)
            .for_each(|(image, sample)| {
                let query = Fingerprint::of(sample.image.data()).to_hex();
                let mut rng = seed.child(&query).rng();
                let mut pixel = vec![0.0; k];
                for i in 0..plane {
                    for (c, p) in pixel.iter_mut().enumerate() {
                        *p = image[c * plane + i] + normal.sample(&mut rng) as f32;
                    }
                    floor_and_normalise(&mut pixel);
                    for (c, &p) in pixel.iter().enumerate() {
                        image[c * plane + i] = p;
                    }
                }
            });
        Scores::new(ScoreKind::Probabilities, [n, k, h, w], data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::picture;

    #[test]
    fn noise_has_the_stated_deviation_before_normalisation() {
        // Two classes at 1/2 each stay clear of the floor; (1/2 + e_a) / (1 + e_a + e_b) is 1/2 + (e_a - e_b) / 2 to first order.
        let side = 200;
        let half = vec![0.5; 2 * side * side];
        let scores = Scores::new(ScoreKind::Probabilities, [1, 2, side, side], half);
        let sample = picture(side, side, 1);
        let deviation = 0.01;
        let noised = GaussianConfig { deviation }
            .apply(scores.expect("finite"), &[&sample], Seed::root(1))
            .expect("noised");
        let offsets: Vec<f64> = noised.data()[..side * side]
            .iter()
            .map(|&p| f64::from(p) - 0.5)
            .collect();
        let n = offsets.len() as f64;
        let mean = offsets.iter().sum::<f64>() / n;
        let spread = (offsets.iter().map(|o| (o - mean).powi(2)).sum::<f64>() / n).sqrt();
        let expected = deviation * 2f64.sqrt() / 2.0;
        assert!(mean.abs() < 4.0 * expected / n.sqrt(), "mean {mean}");
        assert!((spread / expected - 1.0).abs() < 0.02, "{spread}");
    }
}
