//! Lattice noise: the texture of tissue, walls, foliage and clouds.

use rand::{Rng, RngExt};

/// Smooth value noise over the plane, a pure function of its seed and the position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    seed: u32,
}

impl Noise {
    pub(crate) fn new(rng: &mut impl Rng) -> Self {
        Self { seed: rng.random() }
    }

    /// Noise in `[-1, 1]` with features about one unit wide.
    pub(crate) fn at(self, x: f32, y: f32) -> f32 {
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (fade(x - x0), fade(y - y0));
        let (ix, iy) = (x0 as i32, y0 as i32);
        let top = lerp(self.lattice(ix, iy), self.lattice(ix + 1, iy), fx);
        let bottom = lerp(self.lattice(ix, iy + 1), self.lattice(ix + 1, iy + 1), fx);
        lerp(top, bottom, fy)
    }

    /// A sum of octaves, each at twice the frequency and `gain` times the amplitude of the one before, scaled back to
    /// `[-1, 1]`.
    pub(crate) fn fbm(self, x: f32, y: f32, octaves: u32, gain: f32) -> f32 {
        let (mut sum, mut total, mut amplitude, mut frequency) = (0.0, 0.0, 1.0, 1.0);
        for octave in 0..octaves {
            // Octaves that share lattice points would line up their features on a visible grid.
            let shift = octave as f32 * 17.31;
            sum += amplitude * self.at(x * frequency + shift, y * frequency - shift);
            total += amplitude;
            amplitude *= gain;
            frequency *= 2.0;
        }
        sum / total
    }

    /// Thin bright lines (vessels, cracks, twigs) in `[0, 1]`: one where the octave sum crosses zero.
    pub(crate) fn ridge(self, x: f32, y: f32, octaves: u32) -> f32 {
        1.0 - self.fbm(x, y, octaves, 0.5).abs()
    }

    /// A value in `[0, 1)` for a lattice cell: which window is lit, which brick is darker.
    pub(crate) fn cell(self, ix: i32, iy: i32) -> f32 {
        (hash(ix, iy, self.seed ^ 0x51ED_270B) >> 8) as f32 / (1 << 24) as f32
    }

    fn lattice(self, ix: i32, iy: i32) -> f32 {
        (hash(ix, iy, self.seed) >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn hash(ix: i32, iy: i32, seed: u32) -> u32 {
    let mut h = (ix as u32).wrapping_mul(0x9E37_79B1)
        ^ (iy as u32).wrapping_mul(0x85EB_CA77)
        ^ seed.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

fn fade(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

pub(crate) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Zero below `low`, one above `high`, smooth between.
pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    fade(((x - low) / (high - low)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use redmask_core::Seed;

    use super::*;

    #[test]
    fn noise_stays_in_range_and_varies() {
        let noise = Noise::new(&mut Seed::root(1).rng());
        let values: Vec<f32> = (0..4000)
            .map(|i| noise.fbm(i as f32 * 0.173, i as f32 * -0.091, 4, 0.5))
            .collect();
        assert!(values.iter().all(|v| v.abs() <= 1.0));
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!(
            mean.abs() < 0.1 && spread > 0.02,
            "mean {mean}, variance {spread}"
        );
    }

    #[test]
    fn noise_is_continuous_across_cell_borders() {
        let noise = Noise::new(&mut Seed::root(2).rng());
        for i in -3..3 {
            let x = i as f32;
            assert!((noise.at(x - 1e-4, 0.3) - noise.at(x + 1e-4, 0.3)).abs() < 1e-3);
        }
    }
}
