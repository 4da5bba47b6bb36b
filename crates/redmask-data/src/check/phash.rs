//! Perceptual hashes: which pictures look alike.

use std::f32::consts::PI;

use redmask_core::{Image, Result};

use crate::resize_image;

/// Side of the picture that is transformed.
const SIDE: usize = 32;
/// Frequencies kept along each axis.
const KEPT: usize = 8;

/// A 64-bit perceptual hash with the small picture it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct PerceptualHash {
    bits: u64,
    /// 32 x 32 grey levels with mean 0 and length 1.
    thumbnail: Vec<f32>,
}

impl PerceptualHash {
    /// pHash (Zauner, 2010): the signs, about their median, of the lowest 8 x 8 cosine coefficients of the grey picture
    /// at 32 x 32.
    ///
    /// # Errors
    /// If the image is empty.
    pub fn of(image: &Image) -> Result<Self> {
        let small = resize_image(image, SIDE, SIDE)?;
        let plane = SIDE * SIDE;
        let weights: &[f32] = if image.channels() == 3 {
            &[0.299, 0.587, 0.114]
        } else {
            &[1.0]
        };
        let mut grey = vec![0.0; plane];
        for (channel, weight) in small.data().chunks_exact(plane).zip(weights) {
            for (g, &v) in grey.iter_mut().zip(channel) {
                *g += weight * f32::from(v);
            }
        }
        let mean = grey.iter().sum::<f32>() / plane as f32;
        for g in &mut grey {
            *g -= mean;
        }
        let coefficients = low_cosines(&grey);
        // The constant term is the mean, which says nothing of the content.
        let mut sorted = coefficients[1..].to_vec();
        sorted.sort_by(f32::total_cmp);
        let median = sorted[sorted.len() / 2];
        let bits = coefficients
            .iter()
            .enumerate()
            .fold(0u64, |bits, (i, &c)| bits | u64::from(c > median) << i);
        let length = grey
            .iter()
            .map(|g| g * g)
            .sum::<f32>()
            .sqrt()
            .max(f32::MIN_POSITIVE);
        for g in &mut grey {
            *g /= length;
        }
        Ok(Self {
            bits,
            thumbnail: grey,
        })
    }

    /// The hash itself.
    pub fn bits(&self) -> u64 {
        self.bits
    }

    /// Number of bits that differ, 0 to 64. Unrelated pictures differ in about 32.
    pub fn distance(&self, other: &Self) -> u32 {
        (self.bits ^ other.bits).count_ones()
    }

    /// Correlation of the two small pictures, -1 to 1.
    pub fn correlation(&self, other: &Self) -> f32 {
        self.thumbnail
            .iter()
            .zip(&other.thumbnail)
            .map(|(a, b)| a * b)
            .sum()
    }
}

/// The lowest coefficients of the two-dimensional cosine transform (type II), row by row.
fn low_cosines(grey: &[f32]) -> Vec<f32> {
    let basis: Vec<[f32; SIDE]> = (0..KEPT)
        .map(|k| {
            std::array::from_fn(|x| (PI * k as f32 * (2 * x + 1) as f32 / (2 * SIDE) as f32).cos())
        })
        .collect();
    let dot = |a: &[f32], b: &[f32; SIDE]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let mut columns = vec![[0.0; SIDE]; KEPT];
    for (y, row) in grey.chunks_exact(SIDE).enumerate() {
        for (k, wave) in basis.iter().enumerate() {
            columns[k][y] = dot(row, wave);
        }
    }
    let mut coefficients = vec![0.0; KEPT * KEPT];
    for (v, wave) in basis.iter().enumerate() {
        for (u, column) in columns.iter().enumerate() {
            coefficients[v * KEPT + u] = dot(column, wave);
        }
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use crate::{OpenOptions, open, resize_image};

    use super::*;

    #[test]
    fn a_copy_is_near_and_another_scene_is_far() {
        let scenes = open(
            &"street:5?count=2&size=96".parse().unwrap(),
            &OpenOptions::default(),
        )
        .unwrap();
        let (a, b) = (
            scenes.sample(0).unwrap().image,
            scenes.sample(1).unwrap().image,
        );
        let hash = PerceptualHash::of(&a).unwrap();
        let mut copy = resize_image(&a, 60, 70).unwrap();
        copy.data_mut()
            .iter_mut()
            .for_each(|v| *v = (f32::from(*v) * 0.8) as u8 + 10);
        let near = PerceptualHash::of(&copy).unwrap();
        assert!(hash.distance(&near) <= 4 && hash.correlation(&near) > 0.98);
        assert!(hash.distance(&PerceptualHash::of(&b).unwrap()) > 8);
        assert_eq!(hash.distance(&hash), 0);
        assert!((hash.correlation(&hash) - 1.0).abs() < 1e-4);
    }

    #[test]
    fn flat_pictures_have_a_hash() {
        let flat = PerceptualHash::of(&Image::new(1, 4, 4, vec![7; 16])).unwrap();
        assert_eq!(flat.correlation(&flat), 0.0);
    }
}
