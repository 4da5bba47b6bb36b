//! Randomness that the guarantee rests on.

use std::fmt;

use rand::rngs::SysRng;
use rand::{RngExt, SeedableRng, TryRng};
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;
use redmask_core::{Error, Result, Seed};
use redmask_nn::ops::add_gaussian_noise;

/// Elements that share a noise stream.
const CHUNK: usize = 1 << 14;

/// The key of all draws of one private training. Sampling, noise and canaries use streams of their own, so that none tells
/// anything about the others.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A key from the operating system.
    ///
    /// # Errors
    /// If the system gives no entropy.
    pub fn from_entropy() -> Result<Self> {
        let mut key = [0; 32];
        SysRng.try_fill_bytes(&mut key).map_err(|e| {
            Error::unsupported(
                "differential privacy",
                format!("the operating system gives no entropy: {e}"),
            )
        })?;
        Ok(Self(key))
    }

    /// A key that follows from a seed. Who knows the seed can subtract the noise.
    pub fn from_seed(seed: Seed) -> Self {
        Self(*seed.child("privacy").as_bytes())
    }

    pub(crate) fn to_hex(&self) -> String {
        blake3::Hash::from(self.0).to_hex().to_string()
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text)
            .ok()
            .map(|h| Self(*h.as_bytes()))
    }

    fn key(&self, purpose: &str, step: u64, part: u64) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(purpose.as_bytes());
        hasher.update(&step.to_le_bytes());
        hasher.update(&part.to_le_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(super) fn stream(&self, purpose: &str, step: u64) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.key(purpose, step, 0))
    }

    /// The units of one step: each of `count` joins with probability `rate`.
    pub fn poisson(&self, step: u64, count: usize, rate: f64) -> Vec<usize> {
        let mut rng = self.stream("sampling", step);
        (0..count).filter(|_| rng.random::<f64>() < rate).collect()
    }

    /// The same for canaries, from a stream of its own.
    pub(super) fn poisson_canaries(&self, step: u64, count: usize, rate: f64) -> Vec<usize> {
        let mut rng = self.stream("canary sampling", step);
        (0..count).filter(|_| rng.random::<f64>() < rate).collect()
    }

    /// Adds independent `N(0, deviation^2)` to each element, then multiplies by `scale`. See
    /// [`add_gaussian_noise`]; parts are split into streams of their own, so that the threads change nothing.
    pub fn add_noise(&self, step: u64, deviation: f64, scale: f64, parts: &mut [Vec<f32>]) {
        let tasks: Vec<(u64, &mut [f32])> = parts
            .iter_mut()
            .enumerate()
            .flat_map(|(part, values)| {
                let chunks = values.chunks_mut(CHUNK).enumerate();
                chunks.map(move |(chunk, values)| (((part as u64) << 32) | chunk as u64, values))
            })
            .collect();
        tasks.into_par_iter().for_each(|(stream, values)| {
            if deviation > 0.0 {
                let key = self.key("noise", step, stream);
                add_gaussian_noise(&key, deviation as f32, scale as f32, values);
            } else {
                for value in values {
                    *value *= scale as f32;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;

    #[test]
    fn noise_has_the_stated_distribution() {
        let secret = Secret::from_seed(Seed::root(0));
        let deviation = 2.5;
        let mut parts = vec![vec![0f32; 150_000], vec![0f32; 50_000]];
        secret.add_noise(3, deviation, 1.0, &mut parts);
        let values = parts.concat();
        let mut sorted: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        sorted.sort_by(f64::total_cmp);
        let normal = Normal::new(0.0, deviation).unwrap();
        let n = sorted.len() as f64;
        // Kolmogorov-Smirnov; 1.63 / sqrt(n) is the 1 % point, and the seed is fixed.
        let distance = sorted
            .iter()
            .enumerate()
            .map(|(i, &v)| (normal.cdf(v) - (i as f64 + 0.5) / n).abs())
            .fold(0.0, f64::max);
        assert!(distance < 1.63 / n.sqrt(), "distance {distance}");
        let variance = sorted.iter().map(|v| v * v).sum::<f64>() / n;
        assert!((variance / (deviation * deviation) - 1.0).abs() < 0.01);
        // Neighbours, chunks and steps are independent.
        let lag = |k: usize| {
            values
                .windows(k + 1)
                .map(|w| f64::from(w[0]) * f64::from(w[k]))
                .sum::<f64>()
                / n
                / variance
        };
        for k in [1, 2, CHUNK] {
            assert!(lag(k).abs() < 4.0 / n.sqrt(), "lag {k}: {}", lag(k));
        }
        let mut other = vec![vec![0f32; 4]; 2];
        secret.add_noise(4, deviation, 1.0, &mut other);
        assert_ne!(other[0], values[..4]);
        assert_ne!(other[0], other[1]);
    }

    #[test]
    fn noise_is_added_to_what_is_there_and_zero_adds_none() {
        let secret = Secret::from_seed(Seed::root(1));
        let mut noise = vec![vec![0f32; 100]];
        secret.add_noise(0, 1.0, 1.0, &mut noise);
        let mut shifted = vec![vec![5f32; 100]];
        secret.add_noise(0, 1.0, 0.5, &mut shifted);
        for (a, b) in noise[0].iter().zip(&shifted[0]) {
            assert!((0.5 * (a + 5.0) - b).abs() < 1e-5);
        }
        let mut still = vec![vec![5f32; 100]];
        secret.add_noise(0, 0.0, 2.0, &mut still);
        assert_eq!(still[0], [10f32; 100]);
    }

    #[test]
    fn poisson_steps_vary_in_size_around_the_rate() {
        let secret = Secret::from_seed(Seed::root(2));
        let sizes: Vec<usize> = (0..2000)
            .map(|step| secret.poisson(step, 50, 0.1).len())
            .collect();
        let mean = sizes.iter().sum::<usize>() as f64 / 2000.0;
        assert!((mean - 5.0).abs() < 0.2, "mean {mean}");
        let variance = sizes
            .iter()
            .map(|&s| (s as f64 - mean).powi(2))
            .sum::<f64>()
            / 2000.0;
        assert!((variance - 4.5).abs() < 0.5, "variance {variance}");
        assert!(sizes.contains(&0), "an empty step happens");
    }

    #[test]
    fn keys_are_secret_and_survive_a_checkpoint() {
        let secret = Secret::from_entropy().unwrap();
        assert_ne!(secret, Secret::from_entropy().unwrap());
        assert_eq!(Secret::from_hex(&secret.to_hex()), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(&secret.to_hex()[..8]));
    }
}
