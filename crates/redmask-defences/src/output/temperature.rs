//! Softmax temperature (Shokri et al., S&P 2017, arXiv 1610.05820, section VIII).
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every defence has the same shape, whatever its size"
)]

use redmask_core::{Error, Result, Scores};
use serde::{Deserialize, Serialize};

use super::pixelwise;

/// Configuration of the temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemperatureConfig {
    /// What logits are divided by; above 1 flattens.
    pub temperature: f64,
}

impl TemperatureConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if self.temperature.is_finite() && self.temperature > 0.0 {
            return Ok(());
        }
        Err(Error::config(
            "temperature",
            format!("{} is not a positive number", self.temperature),
        ))
    }

    /// `p_c^(1/T)`, normalised: the softmax of the logits over `T`. The order of the classes stays.
    pub(super) fn apply(&self, scores: Scores) -> Result<Scores> {
        self.validate()?;
        let exponent = 1.0 / self.temperature;
        pixelwise(scores, |pixel| {
            let top = f64::from(pixel.iter().copied().fold(0.0, f32::max));
            let mut sum = 0.0;
            for p in pixel.iter_mut() {
                // Relative to the largest, so that no power underflows where all are small.
                let power = (f64::from(*p) / top).powf(exponent);
                *p = power as f32;
                sum += power;
            }
            for p in pixel.iter_mut() {
                *p = (f64::from(*p) / sum) as f32;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::ScoreKind;

    use super::*;

    #[test]
    fn logits_are_divided() {
        let logits = vec![0.0, 4.0, -2.0];
        let scores = Scores::new(ScoreKind::Logits, [1, 3, 1, 1], logits).expect("finite");
        let flat = TemperatureConfig { temperature: 2.0 }
            .apply(scores)
            .expect("flattened");
        let expected = Scores::new(ScoreKind::Logits, [1, 3, 1, 1], vec![0.0, 2.0, -1.0])
            .expect("finite")
            .into_probabilities();
        for (a, b) in flat.data().iter().zip(expected.data()) {
            assert!((a - b).abs() < 1e-6, "{a} and {b}");
        }
    }
}
