//! Only the likeliest classes of each pixel (Shokri et al., S&P 2017, arXiv 1610.05820, section VIII).
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every defence has the same shape, whatever its size"
)]

use redmask_core::{Error, Result, Scores};
use serde::{Deserialize, Serialize};

use super::{floor_and_normalise, pixelwise};

/// Configuration of top-k.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopKConfig {
    /// Classes that keep their probability. 1 is the argmax; with two classes, 2 changes nothing but the floor.
    pub classes: usize,
}

impl TopKConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if self.classes >= 1 {
            return Ok(());
        }
        Err(Error::config(
            "classes",
            "at least one class must be answered",
        ))
    }

    /// Sets every other class to the floor and normalises. Among equals the lowest class stays.
    pub(super) fn apply(&self, scores: Scores) -> Result<Scores> {
        self.validate()?;
        let mut order: Vec<usize> = Vec::new();
        pixelwise(scores, |pixel| {
            order.clear();
            order.extend(0..pixel.len());
            order.sort_by(|&a, &b| pixel[b].total_cmp(&pixel[a]).then(a.cmp(&b)));
            for &c in order.iter().skip(self.classes) {
                pixel[c] = 0.0;
            }
            floor_and_normalise(pixel);
        })
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::ScoreKind;

    use super::*;

    #[test]
    fn the_rest_falls_to_the_floor() {
        let pixel = vec![0.1, 0.5, 0.3, 0.1];
        let scores = Scores::new(ScoreKind::Probabilities, [1, 4, 1, 1], pixel).expect("finite");
        let answer = TopKConfig { classes: 2 }.apply(scores).expect("cut");
        assert!((answer.data()[1] - 0.625).abs() < 1e-5);
        assert!((answer.data()[2] - 0.375).abs() < 1e-5);
        assert!(answer.data()[0] < 2e-6 && answer.data()[3] < 2e-6);
    }
}
