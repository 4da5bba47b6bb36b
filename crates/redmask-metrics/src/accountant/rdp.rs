//! Renyi differential privacy of the Poisson-subsampled Gaussian (Mironov, Talwar and Zhang 2019).

use super::{SampledGaussian, log_space};

/// The bound from the best Renyi order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RdpEpsilon {
    /// Epsilon, at least 0.
    pub epsilon: f64,
    /// The order that gave it.
    pub order: f64,
    /// Whether it is the first or last of [`orders`].
    pub at_edge: bool,
}

/// The orders tried: 1.1 to 10.9 by 0.1, then 12 to 63.
pub fn orders() -> impl Iterator<Item = f64> {
    let fine = (11..110u32).map(|tenths| f64::from(tenths) / 10.0);
    fine.chain((12..64u32).map(f64::from))
}

/// The Renyi divergence of order `order` that one step spends.
///
/// With `A = E[(1 - q + q e^((2z - 1) / (2 sigma^2)))^order]` over `z ~ N(0, sigma^2)`, it is `ln A / (order - 1)`. Whole
/// orders have a finite sum; others are two convergent series (section 3.3 of the paper), exact in both cases.
///
/// ```
/// use redmask_metrics::accountant::{SampledGaussian, rdp};
/// // Without sampling: order / (2 sigma^2).
/// assert_eq!(rdp::step(&SampledGaussian::new(1.0, 2.0, 1)?, 4.0), 0.5);
/// // Order 2: ln(1 + q^2 (e^(1 / sigma^2) - 1)).
/// let found = rdp::step(&SampledGaussian::new(0.01, 1.0, 1)?, 2.0);
/// assert!((found - (1e-4 * 1f64.exp_m1()).ln_1p()).abs() < 1e-12);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
///
/// # Panics
/// If `order` is not above 1.
pub fn step(steps: &SampledGaussian, order: f64) -> f64 {
    assert!(order > 1.0, "Renyi order {order} is not above 1");
    let (q, sigma) = (steps.sample_rate(), steps.noise_multiplier());
    if q == 0.0 {
        return 0.0;
    }
    if sigma == 0.0 {
        return f64::INFINITY;
    }
    if q == 1.0 {
        return order / (2.0 * sigma * sigma);
    }
    let ln_a = if order.fract() == 0.0 {
        ln_a_whole(q, sigma, order as u32)
    } else {
        ln_a_fractional(q, sigma, order)
    };
    // A is at least 1 by Jensen; rounding may say otherwise where q is tiny.
    ln_a.max(0.0) / (order - 1.0)
}

fn ln_a_whole(q: f64, sigma: f64, order: u32) -> f64 {
    let (ln_q, ln_p) = (q.ln(), (-q).ln_1p());
    let (mut ln_sum, mut ln_binomial) = (f64::NEG_INFINITY, 0.0f64);
    for i in 0..=order {
        let k = f64::from(i);
        let term = ln_binomial
            + k * ln_q
            + f64::from(order - i) * ln_p
            + k * (k - 1.0) / (2.0 * sigma * sigma);
        ln_sum = log_space::add(ln_sum, term);
        ln_binomial += (f64::from(order - i) / (k + 1.0)).ln();
    }
    ln_sum
}

/// Terms below `e^-30` are under the rounding of the sum, which is at least 1.
const NEGLIGIBLE: f64 = -30.0;

fn ln_a_fractional(q: f64, sigma: f64, order: f64) -> f64 {
    let (ln_q, ln_p) = (q.ln(), (-q).ln_1p());
    let variance = sigma * sigma;
    // Left of it the unsampled part of the mixture is the larger one.
    let split = variance * (1.0 / q - 1.0).ln() + 0.5;
    let scale = std::f64::consts::SQRT_2 * sigma;
    let (mut left, mut right) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    let (mut ln_binomial, mut positive) = (0.0f64, true);
    let mut i = 0.0f64;
    loop {
        let j = order - i;
        let half = -std::f64::consts::LN_2;
        let left_term = ln_binomial
            + i * ln_q
            + j * ln_p
            + i * (i - 1.0) / (2.0 * variance)
            + half
            + log_space::erfc((i - split) / scale);
        let right_term = ln_binomial
            + j * ln_q
            + i * ln_p
            + j * (j - 1.0) / (2.0 * variance)
            + half
            + log_space::erfc((split - j) / scale);
        let join = if positive {
            log_space::add
        } else {
            log_space::subtract
        };
        left = join(left, left_term);
        right = join(right, right_term);
        if left_term.max(right_term) < NEGLIGIBLE && i > order {
            return log_space::add(left, right);
        }
        let factor = (order - i) / (i + 1.0);
        ln_binomial += factor.abs().ln();
        positive ^= factor < 0.0;
        i += 1.0;
    }
}

/// Converts a divergence of order `order` to epsilon at `delta` (Balle et al. 2020, theorem 21).
///
/// ```
/// use redmask_metrics::accountant::rdp::to_epsilon;
/// // 0.5 - (ln 1e-5 + ln 8) / 7 + ln(7 / 8)
/// assert!((to_epsilon(0.5, 8.0, 1e-5) - 1.7141091678).abs() < 1e-9);
/// ```
pub fn to_epsilon(divergence: f64, order: f64, delta: f64) -> f64 {
    divergence - (delta.ln() + order.ln()) / (order - 1.0) + (-1.0 / order).ln_1p()
}

/// The smallest epsilon over [`orders`] for a history of noisy steps.
pub(super) fn epsilon(history: &[SampledGaussian], delta: f64) -> RdpEpsilon {
    let grid: Vec<f64> = orders().collect();
    let (mut best, mut at) = (f64::INFINITY, 0);
    for (i, &order) in grid.iter().enumerate() {
        let divergence: f64 = history
            .iter()
            .map(|s| s.steps() as f64 * step(s, order))
            .sum();
        let epsilon = to_epsilon(divergence, order, delta);
        if epsilon < best {
            (best, at) = (epsilon, i);
        }
    }
    RdpEpsilon {
        epsilon: best.max(0.0),
        order: grid[at],
        at_edge: at == 0 || at + 1 == grid.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(q: f64, sigma: f64, order: f64) -> f64 {
        step(&SampledGaussian::new(q, sigma, 1).unwrap(), order)
    }

    #[test]
    fn the_unit_values_hold() {
        for (q, sigma, order, expected) in [
            (0.01, 1.0, 1.5, 1.272_537_4e-4),
            (0.01, 1.0, 2.0, 1.718_134_2e-4),
            (0.01, 1.0, 8.0, 8.936_439_1e-4),
            (0.01, 1.0, 32.0, 11.246_276),
            (0.01, 2.0, 16.0, 2.376_240_2e-4),
            (0.1, 1.5, 5.0, 0.016_983_145_9),
            (1.0, 2.0, 4.0, 0.5),
            (1.0 / 63.0, 0.6, 1.7, 0.002_824_2),
        ] {
            let found = one(q, sigma, order);
            assert!(
                (found / expected - 1.0).abs() < 2e-5,
                "{q} {sigma} {order}: {found}"
            );
        }
    }

    /// The defining integral, by Simpson's rule. The integrand peaks up to `order` to the right and is gone 12 sigma later.
    fn by_quadrature(q: f64, sigma: f64, order: f64) -> f64 {
        let (low, high) = (-12.0 * sigma, order + 12.0 * sigma);
        let cells = 40_000;
        let width = (high - low) / f64::from(cells);
        let density = |z: f64| {
            let ratio = 1.0 - q + q * ((2.0 * z - 1.0) / (2.0 * sigma * sigma)).exp();
            (order * ratio.ln() - z * z / (2.0 * sigma * sigma)).exp()
        };
        let sum: f64 = (0..=cells)
            .map(|i| {
                let weight = match i {
                    0 => 1.0,
                    i if i == cells => 1.0,
                    i if i % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                weight * density(low + f64::from(i) * width)
            })
            .sum();
        let norm = sigma * (2.0 * std::f64::consts::PI).sqrt();
        (sum * width / 3.0 / norm).ln() / (order - 1.0)
    }

    #[test]
    fn the_series_equal_the_integral() {
        for q in [0.003, 0.05, 0.4, 0.9] {
            for sigma in [0.7, 1.3, 4.0] {
                for order in [1.1, 1.7, 2.5, 6.0, 9.3] {
                    let (series, integral) = (one(q, sigma, order), by_quadrature(q, sigma, order));
                    assert!(
                        (series - integral).abs() < 1e-9 * (1.0 + integral),
                        "{q} {sigma} {order}: {series} against {integral}"
                    );
                }
            }
        }
    }

    #[test]
    fn there_are_151_orders_and_an_optimum_at_the_edge_is_said() {
        assert_eq!(orders().count(), 99 + 52);
        let tight = SampledGaussian::new(0.02, 5.0, 50).unwrap();
        let found = epsilon(&[tight], 1e-3);
        assert_eq!(found.order, 63.0);
        assert!(found.at_edge);
        let usual = epsilon(&[SampledGaussian::new(0.01, 1.0, 1000).unwrap()], 1e-5);
        assert!(!usual.at_edge);
    }
}
