//! Depthwise convolution: a weight is one sum over a plane.

use std::cell::RefCell;

use super::super::super::{
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::{Simd, multiversion},
};
use super::super::{geometry::Geometry, layout::Halo};

/// Lanes of a partial sum; more than the widest vector needs, to hide the latency of the addition.
const LANES: usize = 16;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    input: Scratch,
    gradient: Scratch,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Writes the gradients of all channels to `dw`.
pub(super) fn run(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32], dw: Shared<'_, f32>) {
    let shifts = g.forward_shifts();
    let halo = Halo::new(&shifts);
    let [height, across] = g.output;
    let offsets: Vec<usize> = shifts
        .taps
        .iter()
        .map(|tap| halo.offset(tap.shift, height))
        .collect();
    let area = g.input[0] * g.input[1];
    // Rows of the gradient take the pitch of the padded planes; what lies between them is zero.
    let len = ((height - 1) * halo.pitch + across).next_multiple_of(LANES);
    let window = g.window();
    memory::parallel(g.groups, |group| {
        // SAFETY: every group has its own weights.
        let dw = unsafe { dw.part(group * g.outputs * window, g.outputs * window) };
        dw.fill(0.0);
        scratch::lend(&BUFFERS, |buffers| {
            let input = buffers.input.take(halo.channel(height) + LANES);
            let gradient = buffers.gradient.take(len);
            gradient.fill(0.0);
            for sample in 0..g.batch {
                let plane = sample * g.groups + group;
                let source = &x[plane * area..][..area];
                let used = input.len() - LANES;
                halo.copy(source, g.input, 0..height, &mut input[..used]);
                for (output, dw) in dw.chunks_exact_mut(window).enumerate() {
                    let plane = (plane * g.outputs + output) * height * across;
                    let rows = dy[plane..][..height * across].chunks_exact(across);
                    for (row, target) in rows.zip(gradient.chunks_mut(halo.pitch)) {
                        target[..across].copy_from_slice(row);
                    }
                    for (offsets, dw) in offsets.chunks(9).zip(dw.chunks_mut(9)) {
                        match offsets.try_into() {
                            Ok(offsets) => nine_products(simd, gradient, input, offsets, dw),
                            Err(_) => {
                                for (&offset, dw) in offsets.iter().zip(dw) {
                                    product(simd, gradient, &input[offset..], dw);
                                }
                            }
                        }
                    }
                }
            }
        });
    });
}

multiversion! {
    /// Adds the inner products of `a` with `b` from nine offsets on; `a` is a multiple of [`LANES`] long.
    fn nine_products(a: &[f32], b: &[f32], offsets: &[usize; 9], sums: &mut [f32]) {
        let mut lanes = [[0.0_f32; LANES]; 9];
        let rows = offsets.map(|offset| &b[offset..offset + a.len()]);
        for (i, a) in a.as_chunks::<LANES>().0.iter().enumerate() {
            for (lanes, row) in lanes.iter_mut().zip(&rows) {
                let b = &row[i * LANES..(i + 1) * LANES];
                for ((sum, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                    *sum = if FUSED { a.mul_add(b, *sum) } else { *sum + a * b };
                }
            }
        }
        for (sum, lanes) in sums.iter_mut().zip(&lanes) {
            *sum += lanes.iter().sum::<f32>();
        }
    }
}

multiversion! {
    /// Adds the inner product of `a`, a multiple of [`LANES`] long, with the start of `b`.
    fn product(a: &[f32], b: &[f32], sum: &mut f32) {
        let mut lanes = [0.0_f32; LANES];
        for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
            for ((sum, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                *sum = if FUSED { a.mul_add(b, *sum) } else { *sum + a * b };
            }
        }
        *sum += lanes.iter().sum::<f32>();
    }
}
