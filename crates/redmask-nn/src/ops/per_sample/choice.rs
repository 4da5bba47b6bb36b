//! How the gradients of one weight are measured: the cheapest way in time that fits the memory.

use std::ops::Range;

use super::super::conv::Geometry;

/// A way to the norms of the samples' gradients, and later to their weighted sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Form each gradient and keep it: the sum is then a few additions. Large images and few weights.
    Keep,
    /// The norm from inner products of positions (Goodfellow, arXiv 1510.01799; Li et al., arXiv 2110.05679), the sum
    /// from one weight gradient of the scaled batch. Small images and many weights.
    Ghost,
    /// Form each gradient, measure it and drop it; the sum as for `Ghost`.
    Twice,
}

/// Multiplications and additions in a nanosecond: weight gradients in f32, inner products in f64. What two AVX-512 cores
/// reach; only their ratio matters.
const FORM_RATE: f64 = 150.0;
const GHOST_RATE: f64 = 40.0;
/// Additions of scattered products in a nanosecond.
const GATHER_RATE: f64 = 1.5;
/// Bytes moved in a nanosecond, and how often a kept element is moved: written, squared, added.
const MEMORY_RATE: f64 = 8.0;
const KEPT_MOVES: f64 = 3.0;

/// The method for a weight whose batch has these samples, with `room` bytes left to keep gradients in.
pub(super) fn choose(g: &Geometry, samples: &[Range<usize>], room: usize) -> Method {
    let weights: usize = g.weight_shape().iter().product();
    let rows = samples.last().map_or(0, |last| last.end) as f64;
    let bytes = (weights * samples.len() * size_of::<f32>()) as f64;
    let positions = (g.output[0] * g.output[1]) as f64;
    let form = 2.0 * rows * positions * weights as f64 / FORM_RATE;
    let ghost = samples
        .iter()
        .map(|span| ghost_time(g, span.len()))
        .sum::<f64>();
    // Against the one weight gradient that an ordinary pass needs as well.
    let keep = bytes * KEPT_MOVES / MEMORY_RATE;
    let twice = form + bytes / MEMORY_RATE;
    if bytes <= room as f64 && keep <= ghost.min(twice) {
        Method::Keep
    } else if ghost <= twice {
        Method::Ghost
    } else if bytes <= room as f64 {
        Method::Keep
    } else {
        Method::Twice
    }
}

fn ghost_time(g: &Geometry, rows: usize) -> f64 {
    let inputs = InputProducts::of(g);
    let positions = (rows * g.output[0] * g.output[1]) as f64;
    let pixels = (rows * g.input[0] * g.input[1]) as f64;
    let taps = g.window() as f64;
    let square = |side: f64, depth: usize| 2.0 * side * side * depth as f64 / GHOST_RATE;
    let input = match inputs {
        InputProducts::OfPixels => {
            square(pixels, g.inputs) + taps * positions * positions / GATHER_RATE
        }
        InputProducts::OfTaps => square(positions, g.inputs) * taps,
    };
    g.groups as f64 * (input + square(positions, g.outputs))
}

/// How the inner products of the unfolded input are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputProducts {
    /// Once for all pairs of pixels; a tap shifts both.
    OfPixels,
    /// For each tap anew, at the pixels that it reads.
    OfTaps,
}

impl InputProducts {
    pub(super) fn of(g: &Geometry) -> Self {
        let pixels = g.input[0] * g.input[1];
        let positions = g.output[0] * g.output[1];
        if g.window() > 1 && pixels * pixels < g.window() * positions * positions {
            Self::OfPixels
        } else {
            Self::OfTaps
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::ops::ConvOptions;

    use super::*;

    fn method(channels: [usize; 2], side: usize, kernel: usize, groups: usize) -> Method {
        let options = ConvOptions::new([1, 1], [kernel / 2; 2], [1, 1], groups);
        let weight = [channels[1], channels[0] / groups, kernel, kernel];
        let g = Geometry::new([8, channels[0], side, side], weight, &options);
        let samples: Vec<_> = (0..8).map(|i| i..i + 1).collect();
        choose(&g, &samples, super::super::KEPT_BYTES)
    }

    #[test]
    fn layers_of_a_unet_at_128_pixels() {
        assert_eq!(method([16, 16], 128, 3, 1), Method::Keep);
        assert_eq!(method([64, 64], 32, 3, 1), Method::Keep);
        assert_eq!(method([128, 128], 16, 3, 1), Method::Keep);
        assert_eq!(method([256, 256], 8, 3, 1), Method::Ghost);
        assert_eq!(method([512, 512], 4, 3, 1), Method::Ghost);
        assert_eq!(method([768, 256], 8, 3, 1), Method::Ghost);
        assert_eq!(method([96, 96], 64, 3, 96), Method::Keep);
    }

    #[test]
    fn what_does_not_fit_is_formed_twice_or_not_at_all() {
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let g = Geometry::new([4, 16, 64, 64], [16, 16, 3, 3], &options);
        let samples: Vec<_> = (0..4).map(|i| i..i + 1).collect();
        assert_eq!(choose(&g, &samples, 1 << 20), Method::Keep);
        assert_eq!(choose(&g, &samples, 1 << 10), Method::Twice);
    }
}
