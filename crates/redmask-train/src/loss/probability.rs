//! Sigmoid and softmax of one image's logits, channel-planar, in loops that the compiler turns into vector code.

/// Writes the class probabilities of `logits`, `[k, plane]`, into `out`: a sigmoid for one channel, else a softmax over
/// the channels. Returns the log-normaliser of each pixel, `[plane]`, for the softmax (`ln sum exp z`).
pub(super) fn probabilities(logits: &[f32], k: usize, out: &mut [f32]) -> Vec<f32> {
    let plane = logits.len() / k;
    if k == 1 {
        for (o, &z) in out.iter_mut().zip(logits) {
            *o = sigmoid(z);
        }
        return Vec::new();
    }
    let mut max = logits[..plane].to_vec();
    for channel in logits[plane..].chunks_exact(plane) {
        for (m, &z) in max.iter_mut().zip(channel) {
            *m = if z > *m { z } else { *m };
        }
    }
    let mut sum = vec![0f32; plane];
    for (channel, z) in out.chunks_exact_mut(plane).zip(logits.chunks_exact(plane)) {
        for (((o, &z), &m), s) in channel.iter_mut().zip(z).zip(&max).zip(&mut sum) {
            *o = exp_of_negative(z - m);
            *s += *o;
        }
    }
    let inverse: Vec<f32> = sum.iter().map(|s| s.recip()).collect();
    for channel in out.chunks_exact_mut(plane) {
        for (o, &i) in channel.iter_mut().zip(&inverse) {
            *o *= i;
        }
    }
    for (m, s) in max.iter_mut().zip(sum) {
        *m += s.ln();
    }
    max
}

pub(super) fn sigmoid(z: f32) -> f32 {
    let e = exp_of_negative(-z.abs());
    let small = e / (1.0 + e);
    if z >= 0.0 { 1.0 - small } else { small }
}

/// `-t ln sigmoid(z) - (1 - t) ln(1 - sigmoid(z))`, stable for any `z`.
pub(super) fn binary_entropy(z: f32, t: f32) -> f32 {
    z.max(0.0) - z * t + (-z.abs()).exp().ln_1p()
}

/// `e^x` for `x <= 0` to about 2e-7 relative; 0 below -87; NaN stays NaN. Cody and Waite's reduction with the polynomial
/// of Cephes' `expf`; `f32::exp` is a call that keeps loops scalar.
#[inline]
fn exp_of_negative(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x < -87.0 { -87.0 } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let mantissa = p * r * r + r + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { mantissa * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_accurate() {
        let mut worst = 0f64;
        for i in 0..200_000 {
            let x = -87.0 * (i as f32 / 200_000.0);
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp_of_negative(x)) - exact).abs() / exact);
        }
        assert!(worst < 2.5e-7, "relative error {worst}");
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert_eq!(exp_of_negative(-200.0), 0.0);
        assert_eq!(exp_of_negative(f32::NEG_INFINITY), 0.0);
        assert!(exp_of_negative(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoids_and_softmaxes_stay_finite() {
        assert_eq!(sigmoid(1e30), 1.0);
        assert_eq!(sigmoid(-1e30), 0.0);
        assert!(sigmoid(f32::NAN).is_nan());
        let mut p = [0.0; 3];
        probabilities(&[1e30, -1e30, 0.0], 3, &mut p);
        assert_eq!(p, [1.0, 0.0, 0.0]);
    }
}
