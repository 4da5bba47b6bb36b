//! One step's privacy loss on a grid, by connecting the dots (Doroshenko et al. 2022).
//!
//! As a function of `x = e^epsilon`, delta is convex, so the polygon through its values at the grid points lies above it;
//! the polygon is the delta of a distribution on the grid points, and no other such distribution is closer.

use rayon::prelude::*;

use super::Direction;
use crate::accountant::SampledGaussian;
use crate::error::{MetricError, Result};
use crate::normal;

/// Loss between grid points, unless a history asks for another.
const INTERVAL: f64 = 1e-4;

/// Steps beyond which the interval shrinks, because their errors add up.
const MANY_STEPS: f64 = 5e4;

/// Grid points of one step at most.
const MOST_POINTS: f64 = 4e6;

/// Losses beyond this leave the range of `f64`, and protect nothing.
const LARGEST_LOSS: f64 = 500.0;

/// Noise beyond this quantile is never drawn in a whole training, at any delta that matters.
const TAIL: f64 = 1e-20;

/// The trade-off of each phase of a history at the points of one grid.
#[derive(Debug)]
pub(super) struct Dots {
    /// Loss between grid points.
    pub(super) interval: f64,
    phases: Vec<PhaseDots>,
}

#[derive(Debug)]
struct PhaseDots {
    steps: u64,
    /// Grid index of the first value.
    first: i64,
    /// [`excess_delta`] at each point.
    excess: Vec<f64>,
}

/// The loss of one step.
#[derive(Debug, Clone)]
pub(super) struct LossGrid {
    /// Number of steps that lose this.
    pub(super) steps: u64,
    /// Grid index of the first mass.
    pub(super) first: i64,
    /// Probability of each grid point.
    pub(super) mass: Vec<f64>,
    /// Probability of an unbounded loss.
    pub(super) infinite: f64,
}

impl Dots {
    /// Evaluates each phase of a history.
    pub(super) fn on_grid(history: &[SampledGaussian], interval: f64) -> Self {
        let phases = history
            .iter()
            .map(|s| {
                let (low, high) = loss_range(s);
                let first = (low / interval).floor() as i64;
                let last = (high / interval).ceil() as i64;
                PhaseDots {
                    steps: s.steps(),
                    first,
                    excess: (first..=last)
                        .into_par_iter()
                        .map(|i| excess_delta(s, i as f64 * interval))
                        .collect(),
                }
            })
            .collect();
        Self { interval, phases }
    }

    /// The loss of a step of each phase, in one direction.
    pub(super) fn connect(&self, direction: Direction) -> Vec<LossGrid> {
        let phases = self.phases.iter();
        phases
            .map(|p| p.connect(direction, self.interval))
            .collect()
    }
}

/// The interval for a history: fine enough for its number of steps and its smallest sampling rate, as far as memory
/// allows. Coarser than that is loose, never wrong.
///
/// # Errors
/// If there is so little noise that a step's loss exceeds 500.
pub(super) fn interval(history: &[SampledGaussian]) -> Result<f64> {
    let steps: f64 = history.iter().map(|s| s.steps() as f64).sum();
    let mut interval = INTERVAL * (MANY_STEPS / steps).sqrt().min(1.0);
    let mut span = 0.0f64;
    for s in history {
        let (low, high) = loss_range(s);
        if high > LARGEST_LOSS {
            return Err(MetricError::Failed {
                what: "the privacy-loss distribution",
                problem: format!(
                    "a noise multiplier of {} lets one step lose {high:.0}; \
                     an epsilon in the hundreds protects nothing, and the RDP accountant gives its size",
                    s.noise_multiplier()
                ),
            });
        }
        // The bulk of the loss lies within q of 0.
        interval = interval.min(s.sample_rate() / 20.0);
        span = span.max(high - low);
    }
    Ok(interval.max(span / MOST_POINTS))
}

/// Quantile of the noise that stands for "never", in standard deviations.
fn reach(s: &SampledGaussian) -> f64 {
    -normal::quantile(TAIL / s.steps() as f64)
}

/// Loss of the output `z` (the component along the record's gradient), `ln(1 - q + q e^((2z - 1) / (2 sigma^2)))`.
fn loss(s: &SampledGaussian, z: f64) -> f64 {
    let (q, variance) = (s.sample_rate(), s.noise_multiplier().powi(2));
    let exponent = (2.0 * z - 1.0) / (2.0 * variance);
    if exponent > 0.0 {
        exponent + (q + (1.0 - q) * (-exponent).exp()).ln()
    } else {
        (q * exponent.exp_m1()).ln_1p()
    }
}

fn loss_range(s: &SampledGaussian) -> (f64, f64) {
    let far = reach(s) * s.noise_multiplier();
    (loss(s, -far), loss(s, 1.0 + far))
}

/// Delta at `epsilon` in the direction of removal, less the `1 - e^epsilon` that any mechanism has at a negative epsilon.
/// What is left is small in both tails, so its differences keep their digits.
fn excess_delta(s: &SampledGaussian, epsilon: f64) -> f64 {
    let (q, sigma) = (s.sample_rate(), s.noise_multiplier());
    let ratio = epsilon.exp_m1() / q;
    if ratio <= -1.0 {
        return 0.0;
    }
    let z = sigma * sigma * ratio.ln_1p() + 0.5;
    let (sampled, plain) = ((z - 1.0) / sigma, z / sigma);
    let excess = if epsilon >= 0.0 {
        normal::cdf(-sampled) - (1.0 + ratio) * normal::cdf(-plain)
    } else {
        (1.0 + ratio) * normal::cdf(plain) - normal::cdf(sampled)
    };
    (q * excess).max(0.0)
}

impl PhaseDots {
    fn connect(&self, direction: Direction, interval: f64) -> LossGrid {
        let count = self.excess.len();
        // In the other direction the roles and the sign of the loss swap: delta'(eps) = e^eps delta(-eps) on this excess.
        let (first, values) = match direction {
            Direction::Remove => (self.first, self.excess.clone()),
            Direction::Add => {
                let first = -(self.first + count as i64 - 1);
                let mirrored = self.excess.iter().rev().enumerate();
                let values = mirrored
                    .map(|(k, v)| ((first + k as i64) as f64 * interval).exp() * v)
                    .collect();
                (first, values)
            }
        };
        let (rise, fall) = (interval.exp_m1(), (-interval).exp_m1());
        let mass = (0..count)
            .map(|k| {
                // Slopes of the polygon, times x: it starts at (0, 0) and ends flat.
                let right = match values.get(k + 1) {
                    Some(next) => (next - values[k]) / rise,
                    None => 0.0,
                };
                let left = if k > 0 {
                    (values[k] - values[k - 1]) / fall
                } else {
                    -values[0]
                };
                // The kink of 1 - e^epsilon at 0 is a mass of its own.
                let kink = f64::from(u8::from(first + k as i64 == 0));
                (right + left + kink).max(0.0)
            })
            .collect();
        LossGrid {
            steps: self.steps,
            first,
            mass,
            infinite: values[count - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta_on_grid(grid: &LossGrid, interval: f64, epsilon: f64) -> f64 {
        let finite: f64 = grid
            .mass
            .iter()
            .enumerate()
            .map(|(k, &p)| {
                let loss = (grid.first + k as i64) as f64 * interval;
                p * (-(epsilon - loss).min(0.0).exp_m1())
            })
            .sum();
        finite + grid.infinite
    }

    fn true_delta(s: &SampledGaussian, direction: Direction, epsilon: f64) -> f64 {
        let excess = match direction {
            Direction::Remove => excess_delta(s, epsilon),
            Direction::Add => epsilon.exp() * excess_delta(s, -epsilon),
        };
        excess + (-epsilon.exp_m1()).max(0.0)
    }

    #[test]
    fn the_grid_lies_above_the_truth_and_meets_it_at_its_points() {
        for (q, sigma) in [(0.01, 0.8), (0.3, 2.0), (1.0, 1.5), (0.9, 0.6)] {
            let s = SampledGaussian::new(q, sigma, 10).unwrap();
            for direction in [Direction::Remove, Direction::Add] {
                let interval = 1e-3;
                let grid = &Dots::on_grid(&[s], interval).connect(direction)[0];
                let total: f64 = grid.mass.iter().sum::<f64>() + grid.infinite;
                assert!((total - 1.0).abs() < 1e-10, "{total}");
                for i in [-3000, -400, -3, 0, 1, 8, 300, 2500] {
                    let at = f64::from(i) * interval;
                    let (grid_at, truth) = (
                        delta_on_grid(grid, interval, at),
                        true_delta(&s, direction, at),
                    );
                    assert!(
                        (grid_at - truth).abs() < 1e-11,
                        "{q} {sigma} {direction:?} {i}"
                    );
                    let between = at + 0.4 * interval;
                    let (grid_at, truth) = (
                        delta_on_grid(grid, interval, between),
                        true_delta(&s, direction, between),
                    );
                    assert!(grid_at >= truth - 1e-13, "{q} {sigma} {direction:?} {i}");
                    assert!(grid_at - truth < 1e-4);
                }
            }
        }
    }

    #[test]
    fn hardly_any_noise_is_refused() {
        let s = SampledGaussian::new(0.1, 0.01, 1).unwrap();
        assert!(interval(&[s]).is_err());
    }
}
