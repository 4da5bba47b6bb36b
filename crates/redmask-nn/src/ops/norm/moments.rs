//! Mean and variance in one pass over memory.

use super::super::{
    kernel::pointwise::{self, BLOCK},
    simd::Simd,
};

/// Count, mean and summed squared distance from the mean of some elements.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds elements: exact moments per block, merged as Chan, Golub and LeVeque (1983) do.
    pub(super) fn add(&mut self, simd: Simd, x: &[f32]) {
        for block in x.chunks(BLOCK) {
            let count = block.len() as f64;
            let mean = f64::from(pointwise::sum(simd, block)) / count;
            let rounded = mean as f32;
            // Around the rounded mean; the distance between the two is put right below.
            let squares = f64::from(pointwise::sum_of_squares(simd, block, rounded));
            let squares = (squares - count * (mean - f64::from(rounded)).powi(2)).max(0.0);
            let total = self.count + count;
            let distance = mean - self.mean;
            self.mean += distance * count / total;
            self.squares += squares + distance * distance * self.count * count / total;
            self.count = total;
        }
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// The biased variance.
    pub(super) fn variance(&self) -> f64 {
        self.squares / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_spread_around_a_large_mean_is_kept() {
        let x: Vec<f32> = (0..10_000)
            .map(|i| 1000.0 + (i % 7) as f32 * 0.25)
            .collect();
        for simd in Simd::available() {
            let mut moments = Moments::default();
            for part in x.chunks(777) {
                moments.add(simd, part);
            }
            let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e4;
            let variance = x
                .iter()
                .map(|&x| (f64::from(x) - mean).powi(2))
                .sum::<f64>()
                / 1e4;
            assert!(
                (moments.mean() - mean).abs() < 1e-4,
                "{simd:?}: {moments:?}"
            );
            assert!(
                (moments.variance() - variance).abs() < 1e-4 * variance,
                "{simd:?}: {moments:?}"
            );
        }
    }
}
