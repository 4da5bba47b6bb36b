//! Composition: the loss of many steps is the convolution of the losses of each.
//!
//! A plain FFT has an absolute error, and delta is a tail. So each loss is first tilted by `e^(lambda loss)`, which moves the
//! tail that matters into the middle of the distribution; tilting commutes with convolution and is undone at the end.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::Direction;
use super::grid::{Dots, LossGrid};
use crate::accountant::{SampledGaussian, rdp};

/// Share of the tilted distribution that may lie outside the FFT's window, each side. What lies outside comes back at the
/// other end, where it can only make delta larger, by this share of it.
const OUTSIDE: f64 = 1e-9;

/// Exponents tried for the window's Chernoff bounds, in standard deviations. A heavy tail wants the small ones.
const WIDTHS: [f64; 12] = [0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0];

/// Points of a window at most: 64 MiB a spectrum.
const MOST_POINTS: usize = 1 << 22;

/// One phase's loss, tilted and normalised.
struct Tilted {
    first: i64,
    mass: Vec<f64>,
    steps: u64,
}

/// A grid whose composed loss would not fit the largest window.
#[derive(Debug)]
pub(super) struct TooFine {
    pub(super) factor: f64,
}

/// The range of composed losses that the FFT covers.
struct Window {
    first: i64,
    points: usize,
    /// Upper end, in units of loss.
    high: f64,
}

/// The smallest epsilon of at least 0 whose delta is at most `delta`, or the factor by which the grid is too fine for the
/// memory that the composed loss would take.
pub(super) fn epsilon(
    dots: &Dots,
    history: &[SampledGaussian],
    direction: Direction,
    delta: f64,
) -> Result<f64, TooFine> {
    // The best Renyi order is the best Chernoff exponent plus one. Any other tilt is right too, only less sharp.
    let tilt = rdp::epsilon(history, delta).order - 1.0;
    let (mut ln_norm, mut infinite) = (0.0, 0.0);
    let mut phases = Vec::new();
    for grid in dots.connect(direction) {
        let steps = grid.steps as f64;
        infinite += grid.infinite * steps;
        let (phase, ln_total) = tilted(&grid, tilt, dots.interval);
        ln_norm += ln_total * steps;
        phases.push(phase);
    }
    let window = window(&phases, dots.interval);
    if window.points > MOST_POINTS {
        return Err(TooFine {
            factor: window.points as f64 / MOST_POINTS as f64,
        });
    }
    let mass = convolve(&phases, &window);

    // Untilting multiplies by e^(ln_norm - tilt * loss), which is delta itself at this loss.
    let reference = (ln_norm - delta.ln()) / tilt;
    let missing = OUTSIDE * (-tilt * (window.high - reference)).exp();
    let allowed = 1.0 - infinite / delta - missing;
    if allowed <= 0.0 {
        return Ok(f64::INFINITY);
    }
    // Above the loss at hand: the sum of mass and the sum of mass e^-(loss - reference), both untilted and over delta.
    let (mut above, mut shrunk) = (0.0f64, 0.0f64);
    for (k, mass) in mass.iter().enumerate().rev() {
        let loss = (window.first + k as i64) as f64 * dots.interval - reference;
        if above - loss.exp() * shrunk > allowed || loss + reference < 0.0 {
            // Between two masses delta is `above - e^epsilon shrunk`.
            let exact = reference + ((above - allowed) / shrunk).ln();
            return Ok(if exact > 0.0 { exact } else { 0.0 });
        }
        let untilted = mass * (-tilt * loss).exp();
        above += untilted;
        shrunk += untilted * (-loss).exp();
    }
    Ok((window.first as f64 * dots.interval).max(0.0))
}

/// The tilted loss of one step, and the logarithm of what it was divided by.
fn tilted(grid: &LossGrid, tilt: f64, interval: f64) -> (Tilted, f64) {
    let mut mass: Vec<f64> = grid
        .mass
        .iter()
        .enumerate()
        .map(|(k, p)| p.ln() + tilt * (grid.first + k as i64) as f64 * interval)
        .collect();
    let largest = mass.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for p in &mut mass {
        *p = (*p - largest).exp();
    }
    let total: f64 = mass.iter().sum();
    for p in &mut mass {
        *p /= total;
    }
    let phase = Tilted {
        first: grid.first,
        mass,
        steps: grid.steps,
    };
    (phase, largest + total.ln())
}

impl Tilted {
    fn last(&self) -> i64 {
        self.first + self.mass.len() as i64 - 1
    }

    /// Mean and variance of one step.
    fn moments(&self, interval: f64) -> (f64, f64) {
        let losses = || (self.first..).map(|i| i as f64 * interval).zip(&self.mass);
        let mean: f64 = losses().map(|(l, p)| l * p).sum();
        (mean, losses().map(|(l, p)| (l - mean).powi(2) * p).sum())
    }

    /// `ln E[e^(u loss)]` of one step, infinite where it overflows.
    fn cumulant(&self, u: f64, interval: f64) -> f64 {
        // Horner's rule from the end where the powers are small.
        let ratio = (u * interval).exp();
        let sum = if u > 0.0 {
            self.mass.iter().rev().fold(0.0, |sum, p| sum * ratio + p)
        } else {
            self.mass.iter().fold(0.0, |sum, p| sum / ratio + p)
        };
        let end = if u > 0.0 { self.first } else { self.last() };
        sum.ln() + u * end as f64 * interval
    }
}

/// Ends beyond which the composed loss lies with a chance of at most [`OUTSIDE`]: the best of several Chernoff bounds, or
/// the largest loss there is.
fn window(phases: &[Tilted], interval: f64) -> Window {
    let total = |of: &dyn Fn(&Tilted) -> f64| -> f64 {
        phases.iter().map(|p| p.steps as f64 * of(p)).sum()
    };
    let spread = total(&|p| p.moments(interval).1).sqrt().max(interval);
    let bound = |u: f64| (total(&|p| p.cumulant(u, interval)) - OUTSIDE.ln()) / u;
    let high = WIDTHS
        .iter()
        .map(|w| bound(w / spread))
        .fold(total(&|p| p.last() as f64 * interval), f64::min);
    let low = WIDTHS
        .iter()
        .map(|w| bound(-w / spread))
        .fold(total(&|p| p.first as f64 * interval), f64::max);
    let first = (low / interval).floor() as i64;
    let last = (high / interval).ceil() as i64;
    Window {
        first,
        points: fast_length((last - first + 1) as usize),
        high,
    }
}

/// The next power of two, or three quarters of it: lengths that FFTs like.
fn fast_length(points: usize) -> usize {
    let power = points.next_power_of_two();
    if power >= 4 && power / 4 * 3 >= points {
        power / 4 * 3
    } else {
        power
    }
}

/// The composed loss on the window: a product of spectra, each to the power of its number of steps.
fn convolve(phases: &[Tilted], window: &Window) -> Vec<f64> {
    let n = window.points;
    let mut planner = FftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(n), planner.plan_fft_inverse(n));
    let mut product = vec![Complex::new(1.0, 0.0); n];
    for phase in phases {
        let mut spectrum = vec![Complex::new(0.0, 0.0); n];
        for (i, p) in (phase.first..).zip(&phase.mass) {
            spectrum[i.rem_euclid(n as i64) as usize].re += p;
        }
        forward.process(&mut spectrum);
        for (product, value) in product.iter_mut().zip(&spectrum) {
            *product *= power(*value, phase.steps);
        }
    }
    inverse.process(&mut product);
    (window.first..)
        .take(n)
        .map(|i| (product[i.rem_euclid(n as i64) as usize].re / n as f64).max(0.0))
        .collect()
}

/// `base` to a power that may exceed `u32`.
fn power(base: Complex<f64>, mut exponent: u64) -> Complex<f64> {
    let (mut square, mut result) = (base, Complex::new(1.0, 0.0));
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_long_enough_and_not_twice_too_long() {
        for points in 1..5000 {
            let length = fast_length(points);
            assert!(points <= length && length < 2 * points.max(1));
        }
    }

    #[test]
    fn a_convolution_equals_the_sum_over_pairs() {
        let a = [0.5, 0.3, 0.2];
        let b = [0.6, 0.4];
        let tilted = |first, mass: &[f64], steps| Tilted {
            first,
            mass: mass.to_vec(),
            steps,
        };
        let window = Window {
            first: -4,
            points: 12,
            high: 0.0,
        };
        let found = convolve(&[tilted(-1, &a, 2), tilted(1, &b, 1)], &window);
        let mut expected = vec![0.0; 12];
        for (i, p) in a.iter().enumerate() {
            for (j, q) in a.iter().enumerate() {
                for (k, r) in b.iter().enumerate() {
                    // Grid index i + j - 2 + k + 1, less the window's first.
                    expected[i + j + k + 3] += p * q * r;
                }
            }
        }
        for (f, e) in found.iter().zip(&expected) {
            assert!((f - e).abs() < 1e-15, "{found:?}");
        }
    }
}
