//! WABA's trigger: mixing coarse wavelet coefficients.

mod bior44;

use redmask_core::Image;

use super::art::Art;
use super::stamp::{Ink, plane};

/// Mixes the approximation coefficients of `art`, drawn at the image's size, into those of the image:
/// `a <- (1 - alpha) a + alpha a_art` at the coarsest of `level` levels, details kept, each channel on its own, rounded and
/// clipped.
pub(super) fn mix(image: &mut Image, art: Art, alpha: f64, level: usize) {
    let (height, width, channels) = (image.height(), image.width(), image.channels());
    let pixels = art.render(height, width);
    let size = height * width;
    for c in 0..channels {
        let channel = &mut image.data_mut()[c * size..(c + 1) * size];
        let own: Vec<f64> = channel.iter().map(|&v| f64::from(v)).collect();
        let mixed = mix_plane(
            &own,
            &plane(&pixels, channels, c),
            (height, width),
            alpha,
            level,
        );
        for (to, from) in channel.iter_mut().zip(mixed) {
            *to = Ink::byte(from as f32);
        }
    }
}

/// The transform is linear and rebuilds its input, so mixing the approximations is adding the inverse of their difference
/// with all details at zero.
fn mix_plane(
    own: &[f64],
    art: &[f64],
    (height, width): (usize, usize),
    alpha: f64,
    level: usize,
) -> Vec<f64> {
    let difference: Vec<f64> = art.iter().zip(own).map(|(a, o)| alpha * (a - o)).collect();
    let coarse = bior44::coarse_part(&difference, height, width, level);
    own.iter().zip(coarse).map(|(o, d)| o + d).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/fixtures/wavelet.py` computes the same with PyWavelets.
    #[test]
    fn agrees_with_pywavelets() {
        let text = include_str!("../../../tests/fixtures/wavelet.json");
        let fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        let numbers =
            |v: &serde_json::Value| -> Vec<f64> { serde_json::from_value(v.clone()).unwrap() };
        let (own, art) = (numbers(&fixture["own"]), numbers(&fixture["art"]));
        let cases = fixture["cases"].as_array().unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let side = |key: &str| case[key].as_u64().unwrap() as usize;
            let (h, w) = (side("height"), side("width"));
            let mixed = mix_plane(&own[..h * w], &art[..h * w], (h, w), 0.4, side("level"));
            for (expected, found) in numbers(&case["mixed"]).iter().zip(&mixed) {
                assert!(
                    (expected - found).abs() < 1e-8,
                    "{h}x{w}: {expected} {found}"
                );
            }
        }
    }
}
