//! Probabilities with few decimals (Shokri et al., S&P 2017, arXiv 1610.05820, section VIII).
#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "every defence has the same shape, whatever its size"
)]

use redmask_core::{Error, Result, Scores};
use serde::{Deserialize, Serialize};

use super::pixelwise;

/// Configuration of rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundingConfig {
    /// Decimals that are left, 1 to 6.
    pub decimals: u32,
}

impl RoundingConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if (1..=6).contains(&self.decimals) {
            return Ok(());
        }
        Err(Error::config(
            "decimals",
            format!("{} is outside 1 to 6", self.decimals),
        ))
    }

    /// Hands `10^decimals` units out to the classes of each pixel: the whole units first, the rest to the largest
    /// remainders, the lowest class first among equals. So the answer is made of multiples of a unit *and* sums to one,
    /// which plain rounding does not, and normalising after it would bring digits back.
    pub(super) fn apply(&self, scores: Scores) -> Result<Scores> {
        self.validate()?;
        let units = 10u32.pow(self.decimals);
        let mut order: Vec<usize> = Vec::new();
        pixelwise(scores, |pixel| {
            let exact = |p: f32| f64::from(p) * f64::from(units);
            let mut given: Vec<u32> = pixel.iter().map(|&p| exact(p).floor() as u32).collect();
            let rest = units.saturating_sub(given.iter().sum()) as usize;
            order.clear();
            order.extend(0..pixel.len());
            let remainder = |c: usize| exact(pixel[c]).fract();
            order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)).then(a.cmp(&b)));
            for &c in order.iter().take(rest) {
                given[c] += 1;
            }
            for (p, units_of) in pixel.iter_mut().zip(&given) {
                *p = (f64::from(*units_of) / f64::from(units)) as f32;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::ScoreKind;

    use super::*;

    #[test]
    fn units_are_handed_out_to_the_largest_remainders() {
        let pixel = vec![0.6667, 0.1667, 0.1666];
        let scores = Scores::new(ScoreKind::Probabilities, [1, 3, 1, 1], pixel).expect("finite");
        let rounded = RoundingConfig { decimals: 2 }
            .apply(scores)
            .expect("rounded");
        assert_eq!(rounded.data(), [0.67, 0.17, 0.16]);
    }
}
