//! Pictures for triggers, drawn from formulas: nobody's brand.

use serde::{Deserialize, Serialize};

/// A drawn picture, at any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Art {
    /// A yellow sign with a magenta ring and a cyan star: the default patch.
    #[default]
    Emblem,
    /// A flower of six petals on nothing: its corners are transparent.
    Rosette,
    /// Black and white squares, four a side.
    Checker,
    /// Diagonal red and white stripes.
    Stripes,
    /// Coloured noise, 24 cells a side.
    Noise,
}

/// Samples a pixel side: edges are smooth at 5 pixels already.
const OVERSAMPLING: usize = 4;

/// Colour and opacity, each in `[0, 1]`.
pub type Rgba = [f32; 4];

impl Art {
    /// Every picture.
    pub const ALL: [Self; 5] = [
        Self::Emblem,
        Self::Rosette,
        Self::Checker,
        Self::Stripes,
        Self::Noise,
    ];

    /// Another picture: what stands for a wrong trigger.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Emblem => Self::Checker,
            Self::Rosette => Self::Stripes,
            Self::Checker | Self::Noise => Self::Emblem,
            Self::Stripes => Self::Rosette,
        }
    }

    /// Row-major pixels at `height` x `width`; colours are not premultiplied.
    pub fn render(self, height: usize, width: usize) -> Vec<Rgba> {
        let n = OVERSAMPLING;
        let place = |i: usize, sub: usize, side: usize| {
            2.0 * (i as f32 + (sub as f32 + 0.5) / n as f32) / side as f32 - 1.0
        };
        (0..height * width)
            .map(|i| {
                let (y, x) = (i / width, i % width);
                let mut sum = [0.0; 4];
                for (sy, sx) in (0..n * n).map(|s| (s / n, s % n)) {
                    let [r, g, b, a] = self.at(place(x, sx, width), place(y, sy, height));
                    for (sum, value) in sum.iter_mut().zip([r * a, g * a, b * a, a]) {
                        *sum += value;
                    }
                }
                let a = sum[3];
                let colour = |c: f32| if a > 0.0 { c / a } else { 0.0 };
                [
                    colour(sum[0]),
                    colour(sum[1]),
                    colour(sum[2]),
                    a / (n * n) as f32,
                ]
            })
            .collect()
    }

    /// The picture at a point of `[-1, 1]` x `[-1, 1]`, y down.
    fn at(self, x: f32, y: f32) -> Rgba {
        let radius = x.hypot(y);
        match self {
            Self::Emblem => {
                let border = x.abs().max(y.abs()) > 0.88;
                let angle = y.atan2(x);
                // A star of five points: the radius of its edge swings between 0.22 and 0.5.
                let point = (angle * 5.0 / std::f32::consts::TAU).rem_euclid(1.0);
                let star = 0.22 + 0.28 * (2.0 * (point - 0.5).abs());
                if border {
                    [0.05, 0.05, 0.1, 1.0]
                } else if radius < star {
                    [0.0, 0.85, 0.95, 1.0]
                } else if (0.55..0.78).contains(&radius) {
                    [0.9, 0.05, 0.6, 1.0]
                } else {
                    [1.0, 0.85, 0.05, 1.0]
                }
            }
            Self::Rosette => {
                let petals = 0.62 + 0.3 * (6.0 * y.atan2(x)).cos();
                if radius < 0.25 {
                    [1.0, 0.95, 0.3, 1.0]
                } else if radius < petals {
                    [0.75, 0.1, 0.85, 1.0]
                } else {
                    [0.0, 0.0, 0.0, 0.0]
                }
            }
            Self::Checker => {
                let cell = |v: f32| ((v + 1.0) * 2.0).floor() as i32;
                let v = if (cell(x) + cell(y)) % 2 == 0 {
                    1.0
                } else {
                    0.0
                };
                [v, v, v, 1.0]
            }
            Self::Stripes => {
                let band = ((x + y) * 2.0).rem_euclid(1.0) < 0.5;
                if band {
                    [0.85, 0.0, 0.1, 1.0]
                } else {
                    [1.0, 1.0, 1.0, 1.0]
                }
            }
            Self::Noise => {
                let cell = |v: f32| ((v + 1.0) * 12.0).floor() as u32;
                let [r, g, b] = hash(cell(x), cell(y));
                [r, g, b, 1.0]
            }
        }
    }
}

/// Three values in `[0, 1)` for a cell, from a fixed mixing of bits (Wang 2007 in spirit): the picture is part of a trigger's
/// identity and must never change.
fn hash(x: u32, y: u32) -> [f32; 3] {
    let mut h = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ 0x5bd1_e995;
    [0, 1, 2].map(|_| {
        h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        h ^= h >> 15;
        (h >> 8) as f32 / (1 << 24) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_differ_and_only_the_rosette_is_transparent() {
        for art in Art::ALL {
            let pixels = art.render(15, 15);
            assert_ne!(pixels, art.other().render(15, 15));
            let opaque = pixels.iter().all(|p| p[3] == 1.0);
            assert_eq!(opaque, art != Art::Rosette, "{art:?}");
            assert!(pixels.iter().flatten().all(|v| (0.0..=1.0).contains(v)));
        }
        assert_eq!(Art::Rosette.render(15, 15)[0][3], 0.0);
    }
}
