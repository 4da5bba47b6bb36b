//! Gaussian noise from a cryptographic generator, many draws at a time.

use super::kernel::{
    chacha::{BLOCKS as LANES, ChaCha20, Words},
    pointwise::multiply_add,
};
use super::simd::{Simd, multiversion};

/// Numbers that one round of blocks yields: eight words for two of them.
const YIELD: usize = 4 * LANES;

/// Replaces each value by `(value + deviation * z) * scale`, `z` standard normal and independent for each value.
///
/// The draws are a function of `key` alone, the key of a ChaCha20 stream: use each key once. Each `z` is half the sum of four
/// normals from eight words of the stream (Box and Muller, 1958), which closes the attack on the holes of floating-point
/// Gaussians (Holohan and Braghin, arXiv 2107.10138). Vector paths differ in the last bits.
pub fn add_gaussian_noise(key: &[u8; 32], deviation: f32, scale: f32, values: &mut [f32]) {
    let simd = Simd::current();
    let mut stream = ChaCha20::new(simd, key);
    let (mut words, mut normals) = ([[0; LANES]; 16], [0.0; YIELD]);
    for (counter, values) in values.chunks_mut(YIELD).enumerate() {
        stream.blocks((counter * LANES) as u64, &mut words);
        draw(simd, &words, &mut normals);
        for (value, z) in values.iter_mut().zip(&normals) {
            *value = (*value + deviation * z) * scale;
        }
    }
}

multiversion! {
    /// The numbers that the words of some blocks give.
    fn draw(words: &Words, normals: &mut [f32; YIELD]) {
        let (halves, _) = words.as_chunks::<8>();
        let (targets, _) = normals.as_chunks_mut::<{ 2 * LANES }>();
        for (words, target) in halves.iter().zip(targets) {
            for lane in 0..LANES {
                let (mut even, mut odd) = (0.0, 0.0);
                for pair in 0..4 {
                    let [a, b] = normal_pair::<FUSED>(words[2 * pair][lane], words[2 * pair + 1][lane]);
                    even += a;
                    odd += b;
                }
                target[lane] = 0.5 * even;
                target[LANES + lane] = 0.5 * odd;
            }
        }
    }
}

/// Two independent standard normals from two uniform words; at most 6.7 in size.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
fn normal_pair<const FUSED: bool>(radius: u32, angle: u32) -> [f32; 2] {
    // In (0, 1]: the top 31 bits, which vector units convert as signed numbers.
    let uniform = ((radius >> 1).cast_signed() as f32 + 0.5) * (1.0 / 2_147_483_648.0);
    let length = (-2.0 * logarithm::<FUSED>(uniform)).max(0.0).sqrt();
    let [sine, cosine] = turn::<FUSED>(angle);
    [length * cosine, length * sine]
}

/// The natural logarithm of a normal number in (0, 1], to two units in the last place; coefficients of Cephes' `logf`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
fn logarithm<const FUSED: bool>(x: f32) -> f32 {
    let bits = x.to_bits();
    let mantissa = f32::from_bits(bits & 0x007f_ffff | 0x3f00_0000);
    let exponent = ((bits >> 23).cast_signed() - 126) as f32;
    let low = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    let exponent = if low { exponent - 1.0 } else { exponent };
    let m = if low { 2.0 * mantissa } else { mantissa } - 1.0;
    let mut series = 7.037_683_6e-2;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_8e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        series = multiply_add::<FUSED>(series, m, coefficient);
    }
    let square = m * m;
    let mut rest = series * m * square;
    rest = multiply_add::<FUSED>(exponent, -2.121_944_4e-4, rest);
    rest = multiply_add::<FUSED>(-0.5, square, rest);
    multiply_add::<FUSED>(exponent, 0.693_359_4, m + rest)
}

/// Sine and cosine of a turn, of which a word is a fraction; coefficients of Cephes' `sinf` and `cosf`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
fn turn<const FUSED: bool>(fraction: u32) -> [f32; 2] {
    let quadrant = fraction.wrapping_add(1 << 29) >> 30;
    let rest = fraction.wrapping_sub(quadrant << 30).cast_signed() as f32;
    let x = rest * (std::f32::consts::TAU / 4_294_967_296.0);
    let z = x * x;
    let series = multiply_add::<FUSED>(-1.951_529_6e-4, z, 8.332_161e-3);
    let series = multiply_add::<FUSED>(series, z, -1.666_665_5e-1);
    let sine = multiply_add::<FUSED>(series * z, x, x);
    let series = multiply_add::<FUSED>(2.443_315_7e-5, z, -1.388_731_6e-3);
    let series = multiply_add::<FUSED>(series, z, 4.166_664_6e-2);
    let cosine = multiply_add::<FUSED>(series * z, z, multiply_add::<FUSED>(-0.5, z, 1.0));
    let odd = quadrant & 1 == 1;
    let (s, c) = if odd { (cosine, sine) } else { (sine, cosine) };
    let sign = |negative: bool| if negative { -1.0_f32 } else { 1.0 };
    [
        s * sign(quadrant & 2 == 2),
        c * sign((quadrant + 1) & 2 == 2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = *b"an example of thirty-two bytes!!";

    #[test]
    fn a_pair_is_box_and_mullers() {
        for i in 0..200_000_u32 {
            let (a, b) = (i.wrapping_mul(0x9e37_79b9), i.wrapping_mul(0x85eb_ca6b) ^ i);
            let u = (f64::from(a >> 1) + 0.5) / f64::from(1_u32 << 31);
            let (sine, cosine) = (f64::from(b) / 4_294_967_296.0 * std::f64::consts::TAU).sin_cos();
            let length = (-2.0 * u.ln()).sqrt();
            for pair in [normal_pair::<true>(a, b), normal_pair::<false>(a, b)] {
                for (got, expected) in pair.into_iter().zip([length * cosine, length * sine]) {
                    // The radius of a word near the largest one is rounded to a 24-bit number's.
                    let bound = 1e-6 * length + 4e-8 / length.max(1e-4);
                    assert!(
                        (f64::from(got) - expected).abs() <= bound,
                        "{a} {b}: {got} for {expected}"
                    );
                }
            }
        }
        let extremes = [0, u32::MAX].map(|word| normal_pair::<false>(word, 0)[0]);
        assert!(extremes[0] > 6.6 && extremes[0] < 6.7, "{extremes:?}");
        assert_eq!(extremes[1], 0.0);
    }

    #[test]
    fn every_path_draws_the_same_up_to_rounding() {
        let expected = Simd::Portable.force(|| {
            let mut values = vec![0.0; 1000];
            add_gaussian_noise(&KEY, 2.0, 1.0, &mut values);
            values
        });
        for simd in Simd::available() {
            let mut values = vec![0.0; 1000];
            simd.force(|| add_gaussian_noise(&KEY, 2.0, 1.0, &mut values));
            for (got, expected) in values.iter().zip(&expected) {
                assert!(
                    (got - expected).abs() < 1e-5,
                    "{simd:?}: {got} for {expected}"
                );
            }
        }
    }

    #[test]
    fn tails_and_moments_are_normal() {
        let mut values = vec![0.0; 1 << 20];
        add_gaussian_noise(&KEY, 1.0, 1.0, &mut values);
        let n = values.len() as f64;
        let moment = |k: i32| values.iter().map(|v| f64::from(*v).powi(k)).sum::<f64>() / n;
        for (k, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
        {
            let error = (moment(k) - expected) / f64::sqrt(variance / n);
            assert!(
                error.abs() < 4.0,
                "moment {k} is {error} standard errors off"
            );
        }
        // P(|z| > 4) = 6.334e-5.
        let beyond = values.iter().filter(|v| v.abs() > 4.0).count() as f64;
        assert!(
            (beyond - 6.334e-5 * n).abs() < 4.0 * (6.334e-5 * n).sqrt(),
            "{beyond}"
        );
    }
}
