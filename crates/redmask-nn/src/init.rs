//! Weight initialisation from the seed tree.
//!
//! Every parameter draws from its own node, named by its path in the network, and is filled at once: Burn's lazy
//! initialisation from one global generator would make weights depend on the order of first use.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand::distr::{Distribution, Uniform};
use rand_distr::StandardNormal;
use redmask_core::Seed;

/// A distribution of initial weights. `fan_in` is the count of inputs of one output value, `fan_out` the count of
/// outputs times the kernel's area (groups do not divide it), as in `torch.nn.init`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightInit {
    /// `N(0, 2 / fan_out)`: torchvision's convolutions.
    KaimingNormalFanOut,
    /// `U(-b, b)`, `b = sqrt(6 / fan_in)`: the decoders of segmentation-models-pytorch.
    KaimingUniformFanIn,
    /// `U(-b, b)`, `b = sqrt(6 / (fan_in + fan_out))`: its segmentation heads.
    XavierUniform,
    /// `U(-b, b)`, `b = 1 / sqrt(fan_in)`, biases too: what PyTorch's layers do by themselves.
    PyTorch,
    /// `N(0, std^2)`.
    Normal(f64),
}

/// Where a layer finds its seed, its device and its initial distribution.
#[derive(Debug, Clone, Copy)]
pub struct Init<'a> {
    seed: Seed,
    device: &'a Device,
    weights: WeightInit,
}

impl<'a> Init<'a> {
    /// The root of a network.
    pub fn new(seed: Seed, device: &'a Device, weights: WeightInit) -> Self {
        Self {
            seed,
            device,
            weights,
        }
    }

    /// The place of the sub-module `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self {
            seed: self.seed.child(name),
            ..*self
        }
    }

    /// The place of the sub-module number `i`.
    #[must_use]
    pub fn index(&self, i: usize) -> Self {
        Self {
            seed: self.seed.index(i as u64),
            ..*self
        }
    }

    /// The same place with another distribution.
    #[must_use]
    pub fn with(&self, weights: WeightInit) -> Self {
        Self { weights, ..*self }
    }

    /// Where parameters live.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// A weight `[out, in, ...]` drawn from the distribution.
    pub(crate) fn weight<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        let area: usize = shape[2..].iter().product();
        let (fan_in, fan_out) = ((shape[1] * area) as f64, (shape[0] * area) as f64);
        let count = shape.iter().product();
        let mut rng = self.seed.child("weight").rng();
        let values = match self.weights {
            WeightInit::KaimingNormalFanOut => normal(&mut rng, (2.0 / fan_out).sqrt(), count),
            WeightInit::Normal(std) => normal(&mut rng, std, count),
            WeightInit::KaimingUniformFanIn => uniform(&mut rng, (6.0 / fan_in).sqrt(), count),
            WeightInit::XavierUniform => {
                uniform(&mut rng, (6.0 / (fan_in + fan_out)).sqrt(), count)
            }
            WeightInit::PyTorch => uniform(&mut rng, 1.0 / fan_in.sqrt(), count),
        };
        Param::from_tensor(Tensor::from_data(
            TensorData::new(values, shape),
            self.device,
        ))
    }

    /// The bias `[out]` that belongs to a weight with this `fan_in`.
    pub(crate) fn bias(&self, out: usize, fan_in: usize) -> Param<Tensor<1>> {
        let values = if self.weights == WeightInit::PyTorch {
            let mut rng = self.seed.child("bias").rng();
            uniform(&mut rng, 1.0 / (fan_in as f64).sqrt(), out)
        } else {
            vec![0.0; out]
        };
        Param::from_tensor(Tensor::from_data(
            TensorData::new(values, [out]),
            self.device,
        ))
    }

    /// A vector of one value, such as a normalisation's scale.
    pub(crate) fn constant(&self, value: f32, len: usize) -> Param<Tensor<1>> {
        Param::from_tensor(Tensor::from_data(
            TensorData::new(vec![value; len], [len]),
            self.device,
        ))
    }
}

fn normal(rng: &mut impl Rng, std: f64, count: usize) -> Vec<f32> {
    (0..count)
        .map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            (std * z) as f32
        })
        .collect()
}

fn uniform(rng: &mut impl Rng, bound: f64, count: usize) -> Vec<f32> {
    let range = Uniform::new(-bound, bound).expect("a fan is finite and positive");
    (0..count).map(|_| range.sample(rng) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(weights: WeightInit, seed: u64) -> Vec<f32> {
        let device = Device::flex();
        Init::new(Seed::root(seed), &device, weights)
            .child("layer")
            .weight([64, 32, 3, 3])
            .val()
            .into_data()
            .try_into_vec()
            .unwrap()
    }

    fn std_of(v: &[f32]) -> f64 {
        (v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / v.len() as f64).sqrt()
    }

    #[test]
    fn variances_are_those_of_torch() {
        let (fan_in, fan_out) = (32.0 * 9.0, 64.0 * 9.0);
        let cases: [(WeightInit, f64); 5] = [
            (WeightInit::KaimingNormalFanOut, (2.0f64 / fan_out).sqrt()),
            (WeightInit::KaimingUniformFanIn, (2.0f64 / fan_in).sqrt()),
            (
                WeightInit::XavierUniform,
                (2.0f64 / (fan_in + fan_out)).sqrt(),
            ),
            (WeightInit::PyTorch, (1.0f64 / (3.0 * fan_in)).sqrt()),
            (WeightInit::Normal(0.01), 0.01),
        ];
        for (weights, expected) in cases {
            let got = std_of(&draw(weights, 0));
            assert!(
                (got / expected - 1.0).abs() < 0.03,
                "{weights:?}: {got} against {expected}"
            );
        }
    }

    #[test]
    fn weights_follow_the_seed() {
        let init = WeightInit::KaimingNormalFanOut;
        assert_eq!(draw(init, 3), draw(init, 3));
        assert_ne!(draw(init, 3), draw(init, 4));
    }
}
