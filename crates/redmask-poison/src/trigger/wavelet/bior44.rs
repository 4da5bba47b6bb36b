//! The biorthogonal wavelet "bior4.4" (Cohen, Daubechies and Feauveau 1992, the CDF 9/7 pair of JPEG 2000), with
//! half-sample symmetric borders, in the conventions of PyWavelets, whose `bior4.4` the coefficients are.

/// Low-pass analysis filter, with the zero in front that brings it to an even length.
const ANALYSIS: [f64; 10] = [
    0.0,
    0.037_828_455_507_264_04,
    -0.023_849_465_019_556_843,
    -0.110_624_404_418_437_18,
    0.377_402_855_612_830_66,
    0.852_698_679_008_893_8,
    0.377_402_855_612_830_66,
    -0.110_624_404_418_437_18,
    -0.023_849_465_019_556_843,
    0.037_828_455_507_264_04,
];

/// Low-pass synthesis filter, its seven taps padded to the same length.
const SYNTHESIS: [f64; 10] = [
    0.0,
    -0.064_538_882_628_697_06,
    -0.040_689_417_609_164_06,
    0.418_092_273_221_617_24,
    0.788_485_616_405_582_9,
    0.418_092_273_221_617_24,
    -0.040_689_417_609_164_06,
    -0.064_538_882_628_697_06,
    0.0,
    0.0,
];

/// What is left of a plane when all detail coefficients of `levels` levels are put to zero.
pub(super) fn coarse_part(plane: &[f64], height: usize, width: usize, levels: usize) -> Vec<f64> {
    let mut sizes = Vec::with_capacity(levels);
    let mut current = plane.to_vec();
    let (mut h, mut w) = (height, width);
    for _ in 0..levels {
        sizes.push((h, w));
        current = rows(&current, w, analyse);
        w = coefficients(w);
        current = columns(&current, w, analyse);
        h = coefficients(h);
    }
    for (to_h, to_w) in sizes.into_iter().rev() {
        current = columns(&current, w, |column| synthesise(column, to_h));
        current = rows(&current, w, |row| synthesise(row, to_w));
        w = to_w;
    }
    current
}

/// Approximation coefficients of `n` samples.
fn coefficients(n: usize) -> usize {
    (n + ANALYSIS.len() - 1) / 2
}

/// One level of approximation coefficients: convolve with the border reflected, keep every second.
fn analyse(samples: &[f64]) -> Vec<f64> {
    let n = samples.len() as isize;
    // ... c b a | a b c ... | c b a ..., as often as a short row needs it.
    let at = |i: isize| {
        let i = i.rem_euclid(2 * n);
        samples[if i < n { i } else { 2 * n - 1 - i } as usize]
    };
    (0..coefficients(samples.len()) as isize)
        .map(|k| {
            let taps = ANALYSIS.iter().enumerate();
            taps.map(|(t, f)| f * at(2 * k + 1 - t as isize)).sum()
        })
        .collect()
}

/// `n` samples from approximation coefficients alone.
fn synthesise(approximation: &[f64], n: usize) -> Vec<f64> {
    let length = SYNTHESIS.len();
    (0..n)
        .map(|i| {
            // Zeros stand between the coefficients; the first `length - 2` samples of the full convolution are border.
            let full = i + length - 2;
            (0..length)
                .filter(|&t| t <= full && (full - t).is_multiple_of(2))
                .map(|t| SYNTHESIS[t] * approximation.get((full - t) / 2).copied().unwrap_or(0.0))
                .sum()
        })
        .collect()
}

fn rows(plane: &[f64], width: usize, change: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    plane.chunks_exact(width.max(1)).flat_map(change).collect()
}

fn columns(plane: &[f64], width: usize, change: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let changed: Vec<Vec<f64>> = (0..width)
        .map(|x| {
            let column: Vec<f64> = plane.iter().skip(x).step_by(width).copied().collect();
            change(&column)
        })
        .collect();
    let height = changed.first().map_or(0, Vec::len);
    (0..height)
        .flat_map(|y| changed.iter().map(move |column| column[y]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_has_no_detail() {
        for (h, w) in [(1, 1), (7, 12), (33, 20)] {
            for v in coarse_part(&vec![3.5; h * w], h, w, 2) {
                assert!((v - 3.5).abs() < 1e-9, "{h}x{w}: {v}");
            }
        }
    }
}
