//! FIBA's trigger: mixing low frequencies of amplitude spectra.

use redmask_core::Image;
use rustfft::num_complex::Complex;
use rustfft::{FftDirection, FftPlanner};

use super::art::Art;
use super::stamp::{Ink, plane};

/// Mixes the amplitudes of `art`, drawn at the image's size, into those of the image: `A <- (1 - alpha) A + alpha A_art` for
/// frequencies up to `floor(beta min(h, w))` along both axes, phases kept, each channel on its own, rounded and clipped.
pub(super) fn mix(image: &mut Image, art: Art, alpha: f64, beta: f64) {
    let (height, width, channels) = (image.height(), image.width(), image.channels());
    let pixels = art.render(height, width);
    let size = height * width;
    let mut transform = Transform::new(height, width);
    for c in 0..channels {
        let channel = &mut image.data_mut()[c * size..(c + 1) * size];
        let own: Vec<f64> = channel.iter().map(|&v| f64::from(v)).collect();
        let mixed = mix_plane(
            &mut transform,
            &own,
            &plane(&pixels, channels, c),
            alpha,
            beta,
        );
        for (to, from) in channel.iter_mut().zip(mixed) {
            *to = Ink::byte(from as f32);
        }
    }
}

fn mix_plane(
    transform: &mut Transform,
    own: &[f64],
    art: &[f64],
    alpha: f64,
    beta: f64,
) -> Vec<f64> {
    let (height, width) = (transform.height, transform.width);
    let mut spectrum = transform.forward(own);
    let other = transform.forward(art);
    let reach = (beta * height.min(width) as f64).floor() as usize;
    let low = |i: usize, n: usize| i <= reach || n - i <= reach;
    for y in (0..height).filter(|&y| low(y, height)) {
        for x in (0..width).filter(|&x| low(x, width)) {
            let at = y * width + x;
            let amplitude = spectrum[at].norm();
            let wanted = (1.0 - alpha) * amplitude + alpha * other[at].norm();
            // The phase of nothing is 0.
            spectrum[at] = if amplitude > 0.0 {
                spectrum[at] * (wanted / amplitude)
            } else {
                Complex::new(wanted, 0.0)
            };
        }
    }
    transform.inverse(spectrum)
}

/// The discrete Fourier transform of a plane.
struct Transform {
    height: usize,
    width: usize,
    planner: FftPlanner<f64>,
}

impl Transform {
    fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            planner: FftPlanner::new(),
        }
    }

    fn forward(&mut self, plane: &[f64]) -> Vec<Complex<f64>> {
        let mut data: Vec<_> = plane.iter().map(|&v| Complex::new(v, 0.0)).collect();
        self.both_axes(&mut data, FftDirection::Forward);
        data
    }

    fn inverse(&mut self, mut data: Vec<Complex<f64>>) -> Vec<f64> {
        self.both_axes(&mut data, FftDirection::Inverse);
        let scale = (self.height * self.width) as f64;
        data.into_iter().map(|v| v.re / scale).collect()
    }

    fn both_axes(&mut self, data: &mut [Complex<f64>], direction: FftDirection) {
        let (height, width) = (self.height, self.width);
        self.planner.plan_fft(width, direction).process(data);
        let mut columns = vec![Complex::default(); data.len()];
        for (at, &value) in data.iter().enumerate() {
            columns[at % width * height + at / width] = value;
        }
        self.planner
            .plan_fft(height, direction)
            .process(&mut columns);
        for (at, value) in data.iter_mut().enumerate() {
            *value = columns[at % width * height + at / width];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_amplitude_and_all_frequencies_give_the_picture_s_spectrum() {
        // The picture and the image differ by a shift only, so the mixed image is the image.
        let own: Vec<f64> = (0..48).map(|i| f64::from(i * 29 % 97)).collect();
        let shifted: Vec<f64> = (0..48).map(|i| own[(i / 8) * 8 + (i + 3) % 8]).collect();
        let mixed = mix_plane(&mut Transform::new(6, 8), &own, &shifted, 1.0, 0.5);
        for (a, b) in own.iter().zip(mixed) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
    }

    /// `tests/fixtures/frequency.py` computes the same with numpy.
    #[test]
    fn agrees_with_numpy() {
        let text = include_str!("../../tests/fixtures/frequency.json");
        let fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        let numbers =
            |key: &str| -> Vec<f64> { serde_json::from_value(fixture[key].clone()).unwrap() };
        for case in fixture["cases"].as_array().unwrap() {
            let (h, w) = (
                case["height"].as_u64().unwrap(),
                case["width"].as_u64().unwrap(),
            );
            let n = (h * w) as usize;
            let mut transform = Transform::new(h as usize, w as usize);
            let mixed = mix_plane(
                &mut transform,
                &numbers("own")[..n],
                &numbers("art")[..n],
                0.15,
                case["beta"].as_f64().unwrap(),
            );
            let expected: Vec<f64> = serde_json::from_value(case["mixed"].clone()).unwrap();
            for (a, b) in expected.iter().zip(mixed) {
                assert!((a - b).abs() < 1e-9, "{a} {b}");
            }
        }
    }
}
