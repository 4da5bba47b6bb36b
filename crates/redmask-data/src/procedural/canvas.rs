//! Where a scene is drawn, and the camera that turns it into an 8-bit picture.

use rand::{Rng, RngExt};
use redmask_core::{ClassId, Image, InstanceMap, LabelMap};

use super::colour::{Rgb, mix};

/// A float picture with its truth.
#[derive(Debug, Clone)]
pub(crate) struct Canvas {
    height: usize,
    width: usize,
    colour: Vec<Rgb>,
    labels: Vec<ClassId>,
    instances: Vec<u16>,
}

impl Canvas {
    pub(crate) fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            colour: vec![[0.0; 3]; height * width],
            labels: vec![0; height * width],
            instances: vec![0; height * width],
        }
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn colour_mut(&mut self) -> &mut [Rgb] {
        &mut self.colour
    }

    /// Replaces the pixel `i` and its truth; instance 0 is stuff.
    pub(crate) fn put(&mut self, i: usize, colour: Rgb, class: ClassId, instance: u16) {
        self.colour[i] = colour;
        self.labels[i] = class;
        self.instances[i] = instance;
    }

    /// Changes the picture but not the truth.
    pub(crate) fn tint(&mut self, i: usize, colour: Rgb, alpha: f32) {
        self.colour[i] = mix(self.colour[i], colour, alpha);
    }

    /// Takes the picture.
    pub(crate) fn develop(
        mut self,
        camera: &Camera,
        rng: &mut impl Rng,
    ) -> (Image, LabelMap, InstanceMap) {
        let sigma = camera.blur * self.height.min(self.width) as f32 / 128.0;
        blur(&mut self.colour, self.height, self.width, sigma);
        let (h, w) = (self.height, self.width);
        let plane = h * w;
        let mut data = vec![0u8; 3 * plane];
        for (i, colour) in self.colour.iter().enumerate() {
            let y = (i / w) as f32 / h as f32 - 0.5;
            let x = (i % w) as f32 / w as f32 - 0.5;
            let shade = camera.exposure * (1.0 - camera.vignette * (x * x + y * y));
            let grain = camera.noise * triangular(rng);
            for c in 0..3 {
                let light = (colour[c] * camera.balance[c] * shade).max(0.0);
                // A shoulder instead of a hard clip, as sensors' tone curves have.
                let toned = (light * (1.0 + light / 4.0) / (1.0 + light)).powf(camera.gamma) * 1.6;
                let value = toned + grain + camera.noise * 0.7 * triangular(rng);
                data[c * plane + i] = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
        (
            Image::new(3, h, w, data),
            LabelMap::new(h, w, self.labels),
            InstanceMap::new(h, w, self.instances),
        )
    }
}

/// What differs between two cameras looking at one scene.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Camera {
    /// Standard deviation of the lens blur, pixels at a 128-pixel short side.
    pub(crate) blur: f32,
    pub(crate) exposure: f32,
    pub(crate) gamma: f32,
    /// White balance, a gain for each channel.
    pub(crate) balance: Rgb,
    /// Light lost in the corners.
    pub(crate) vignette: f32,
    /// Amplitude of the sensor noise, where 1 is white.
    pub(crate) noise: f32,
}

impl Camera {
    pub(crate) fn sample(rng: &mut impl Rng) -> Self {
        Self {
            blur: rng.random_range(0.25..0.75),
            exposure: rng.random_range(0.75..1.3),
            gamma: rng.random_range(0.85..1.15),
            balance: [
                rng.random_range(0.9..1.1),
                rng.random_range(0.95..1.05),
                rng.random_range(0.88..1.12),
            ],
            vignette: rng.random_range(0.0..0.7),
            noise: rng.random_range(0.01..0.045),
        }
    }
}

/// Noise in `(-1, 1)` with a peak at 0: two draws, no transcendental function for each of three values a pixel.
fn triangular(rng: &mut impl Rng) -> f32 {
    let bits: u32 = rng.random();
    let (a, b) = (bits & 0xFFFF, bits >> 16);
    (a as f32 - b as f32) / 65536.0
}

/// Separable Gaussian blur with clamped borders.
pub(crate) fn blur(pixels: &mut [Rgb], height: usize, width: usize, sigma: f32) {
    let radius = (sigma * 2.5).ceil() as usize;
    if radius == 0 {
        return;
    }
    let weights: Vec<f32> = (0..=radius)
        .map(|d| (-0.5 * (d as f32 / sigma).powi(2)).exp())
        .collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    let along = |source: &[Rgb], target: &mut [Rgb], count: usize, start: usize, stride: usize| {
        for p in 0..count {
            let mut sum = [0.0; 3];
            for d in 0..=2 * radius {
                let q = (p + d).saturating_sub(radius).min(count - 1);
                let weight = weights[d.abs_diff(radius)] / total;
                for c in 0..3 {
                    sum[c] += weight * source[start + q * stride][c];
                }
            }
            target[start + p * stride] = sum;
        }
    };
    let mut rows = pixels.to_vec();
    for y in 0..height {
        along(pixels, &mut rows, width, y * width, 1);
    }
    for x in 0..width {
        along(&rows, pixels, height, x, width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_a_flat_picture() {
        let mut pixels = vec![[0.25, 0.5, 0.75]; 35];
        blur(&mut pixels, 5, 7, 1.3);
        for p in pixels {
            assert!((p[0] - 0.25).abs() < 1e-5 && (p[2] - 0.75).abs() < 1e-5);
        }
    }
}
