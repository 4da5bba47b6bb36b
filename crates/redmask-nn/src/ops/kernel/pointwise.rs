//! Passes over consecutive elements: sums, and transforms in place.
//!
//! Callers hand over blocks of at most [`BLOCK`] elements, which stay in the first-level cache between passes.

use super::super::simd::multiversion;

/// Elements of a block.
pub(in super::super) const BLOCK: usize = 4096;

/// Partial sums; more than one vector, to hide the latency of an addition.
const LANES: usize = 32;

/// An affine map and the bounds that its result is cut at: `clamp(scale x + shift, low, high)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Affine {
    pub(in super::super) scale: f32,
    pub(in super::super) shift: f32,
    pub(in super::super) low: f32,
    pub(in super::super) high: f32,
}

/// Not `f32::clamp`: that turns a NaN under bounds of infinity into a bound on some paths.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
fn cut(z: f32, low: f32, high: f32) -> f32 {
    let z = if z < low { low } else { z };
    if z > high { high } else { z }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
pub(in super::super) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

multiversion! {
    /// The sum of the elements.
    pub(in super::super) fn sum(x: &[f32]) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += x;
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
    }
}

multiversion! {
    /// The sum of the squared distances from `center`.
    pub(in super::super) fn sum_of_squares(x: &[f32], center: f32) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = multiply_add::<FUSED>(x - center, x - center, *lane);
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().map(|x| (x - center) * (x - center)).sum::<f32>()
    }
}

multiversion! {
    /// Maps every element of `x` to one of `y`.
    pub(in super::super) fn map(map: Affine, x: &[f32], y: &mut [f32]) {
        for (&x, y) in x.iter().zip(y) {
            *y = cut(multiply_add::<FUSED>(x, map.scale, map.shift), map.low, map.high);
        }
    }
}

multiversion! {
    /// Maps every element in place.
    pub(in super::super) fn apply(map: Affine, x: &mut [f32]) {
        for x in x {
            *x = cut(multiply_add::<FUSED>(*x, map.scale, map.shift), map.low, map.high);
        }
    }
}

multiversion! {
    /// `sum g` and `sum g (x - center)` over the elements that `map` does not cut.
    pub(in super::super) fn gradient_sums(map: Affine, center: f32, x: &[f32], g: &[f32]) -> [f32; 2] {
        let mut sums = [0.0_f32; LANES];
        let mut products = [0.0_f32; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        let (g_chunks, g_rest) = g.as_chunks::<LANES>();
        let passed = |x: f32, g: f32| {
            let z = multiply_add::<FUSED>(x, map.scale, map.shift);
            if z <= map.low || z >= map.high { 0.0 } else { g }
        };
        for (x, g) in chunks.iter().zip(g_chunks) {
            for i in 0..LANES {
                let g = passed(x[i], g[i]);
                sums[i] += g;
                products[i] = multiply_add::<FUSED>(x[i] - center, g, products[i]);
            }
        }
        let (mut sum, mut product) = (sums.iter().sum::<f32>(), products.iter().sum::<f32>());
        for (&x, &g) in rest.iter().zip(g_rest) {
            let g = passed(x, g);
            sum += g;
            product += (x - center) * g;
        }
        [sum, product]
    }
}

multiversion! {
    /// Replaces `g` by `a g' + b x + c`, where `g'` is `g` at the elements that `map` does not cut, else zero.
    pub(in super::super) fn gradient(map: Affine, factors: [f32; 3], x: &[f32], g: &mut [f32]) {
        let [a, b, c] = factors;
        for (g, &x) in g.iter_mut().zip(x) {
            let z = multiply_add::<FUSED>(x, map.scale, map.shift);
            let passed = if z <= map.low || z >= map.high { 0.0 } else { *g };
            *g = multiply_add::<FUSED>(a, passed, multiply_add::<FUSED>(b, x, c));
        }
    }
}

multiversion! {
    /// `a = max(a + b, 0)`.
    pub(in super::super) fn add_relu(b: &[f32], a: &mut [f32]) {
        for (a, &b) in a.iter_mut().zip(b) {
            let sum = *a + b;
            *a = if sum < 0.0 { 0.0 } else { sum };
        }
    }
}

multiversion! {
    /// Zeroes `g` where the output `y` of a rectifier is not above zero.
    pub(in super::super) fn mask_by_output(y: &[f32], g: &mut [f32]) {
        for (g, &y) in g.iter_mut().zip(y) {
            *g = if y <= 0.0 { 0.0 } else { *g };
        }
    }
}

multiversion! {
    /// `sum += factor x`.
    pub(in super::super) fn add_scaled(factor: f32, x: &[f32], sum: &mut [f32]) {
        for (sum, &x) in sum.iter_mut().zip(x) {
            *sum = multiply_add::<FUSED>(factor, x, *sum);
        }
    }
}
