//! Weights and inputs computed from names and positions: `fixtures/parity/formula.py` in Rust.

use redmask_nn::weights::{StateDict, StateTensor};

fn fnv1a(name: &str) -> u32 {
    name.bytes().fold(0x811C_9DC5, |h, byte| {
        (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// `count` numbers in [-1, 1) that depend on `name` and their position only.
pub(crate) fn noise(name: &str, count: usize) -> Vec<f64> {
    let start = fnv1a(name);
    (0..count as u32)
        .map(|i| {
            let mut x = i.wrapping_mul(0x9E37_79B1).wrapping_add(start);
            for (shift, factor) in [(16, 0x7FEB_352D), (15, 0x846C_A68B)] {
                x ^= x >> shift;
                x = x.wrapping_mul(factor);
            }
            x ^= x >> 16;
            f64::from(x) / f64::from(1u32 << 31) - 1.0
        })
        .collect()
}

fn value(name: &str, shape: &[usize]) -> Vec<f32> {
    let scale = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
    noise(name, shape.iter().product())
        .into_iter()
        .map(|u| {
            let v = if name.ends_with("running_var") {
                1.0 + 0.5 * u
            } else if name.ends_with("running_mean") || name.ends_with("bias") {
                0.1 * u
            } else if shape.len() == 1 {
                1.0 + 0.1 * u
            } else {
                u * scale
            };
            v as f32
        })
        .collect()
}

/// The state dict that the exporting script gave to PyTorch.
pub(crate) fn state(shapes: impl IntoIterator<Item = (String, Vec<usize>)>) -> StateDict {
    shapes
        .into_iter()
        .map(|(name, shape)| {
            let values = value(&name, &shape);
            (name, StateTensor { shape, values })
        })
        .collect()
}

pub(crate) fn image(name: &str, count: usize) -> Vec<f32> {
    noise(name, count).into_iter().map(|v| v as f32).collect()
}
