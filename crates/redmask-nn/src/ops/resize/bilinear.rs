//! Bilinear resizing on the CPU: one axis after the other, rows of the image as vectors.

use std::cell::RefCell;

use burn::backend::flex::FlexTensor;

use super::super::{
    autodiff::Gradient,
    flex::{self, contiguous, values},
    kernel::pointwise,
    memory,
    scratch::{self, Scratch},
    simd::{Simd, multiversion},
};
use super::AxisTaps;

thread_local! {
    /// An image that is resized along its rows.
    static WIDENED: RefCell<Scratch> = RefCell::default();
}

/// What output `i` of an axis reads: two neighbours and the weight of the second.
#[derive(Debug, Clone, Copy)]
struct Pair {
    low: usize,
    high: usize,
    weight: f32,
}

/// The reads of every output along one axis; positions outside count as the border.
fn pairs(input: usize, output: usize, taps: AxisTaps) -> Vec<Pair> {
    let inside = |at: isize| at.clamp(0, input as isize - 1).cast_unsigned();
    let pair = |i| {
        let [(low, _), (high, weight), ..] = taps(i, input, output);
        Pair {
            low: inside(low),
            high: inside(high),
            weight: weight as f32,
        }
    };
    (0..output).map(pair).collect()
}

/// The reads along both axes.
#[derive(Debug, Clone)]
struct Reads {
    rows: Vec<Pair>,
    columns: Vec<Pair>,
    /// Height and width of the input.
    input: [usize; 2],
}

impl Reads {
    /// Planes of `target` floats: `resize` takes the index of a plane, the plane to write, and scratch for the input's rows at
    /// the output's width.
    fn for_each_plane(
        &self,
        planes: usize,
        target: usize,
        resize: impl Fn(usize, &mut [f32], &mut [f32]) + Sync + Send,
    ) -> Vec<f32> {
        let wide = self.input[0] * self.columns.len();
        let area = self.rows.len() * self.columns.len();
        // SAFETY: both `resize` below write whole planes.
        unsafe {
            memory::planes(planes, target, area, |plane, values| {
                scratch::lend(&WIDENED, |widened| {
                    resize(plane, values, widened.take(wide));
                });
            })
        }
    }
}

/// A resize to `size` by the taps of an axis, and its backward pass.
pub(in super::super) fn bilinear_op(
    [x]: [FlexTensor; 1],
    size: [usize; 2],
    taps: AxisTaps,
) -> (FlexTensor, Bilinear) {
    let x = contiguous(x);
    let [n, c, h, w] = flex::dims(&x);
    let reads = Reads {
        rows: pairs(h, size[0], taps),
        columns: pairs(w, size[1], taps),
        input: [h, w],
    };
    let (simd, source) = (Simd::current(), values(&x));
    let y = reads.for_each_plane(n * c, size[0] * size[1], |plane, y, widened| {
        let lines = source[plane * h * w..].chunks_exact(w);
        for (line, wide) in lines.zip(widened.chunks_exact_mut(size[1])) {
            for (value, &Pair { low, high, weight }) in wide.iter_mut().zip(&reads.columns) {
                *value = line[low] + weight * (line[high] - line[low]);
            }
        }
        let line = |row: usize| &widened[row * size[1]..][..size[1]];
        for (y, &Pair { low, high, weight }) in y.chunks_exact_mut(size[1]).zip(&reads.rows) {
            blend(simd, line(low), line(high), weight, y);
        }
    });
    let y = flex::tensor(y, [n, c, size[0], size[1]]);
    (
        y,
        Bilinear {
            images: [n, c],
            reads,
        },
    )
}

/// The backward pass of a resize.
#[derive(Debug, Clone)]
pub(in super::super) struct Bilinear {
    images: [usize; 2],
    reads: Reads,
}

impl Gradient<1> for Bilinear {
    fn backward(self, dy: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let Self {
            images: [n, c],
            reads,
        } = self;
        let dy = contiguous(dy);
        let ([h, w], width) = (reads.input, reads.columns.len());
        let (simd, source) = (Simd::current(), values(&dy));
        let dx = reads.for_each_plane(n * c, h * w, |plane, dx, widened| {
            widened.fill(0.0);
            dx.fill(0.0);
            let lines = source[plane * reads.rows.len() * width..].chunks_exact(width);
            for (line, &Pair { low, high, weight }) in lines.zip(&reads.rows) {
                let mut add = |factor, row: usize| {
                    pointwise::add_scaled(simd, factor, line, &mut widened[row * width..][..width]);
                };
                add(1.0 - weight, low);
                add(weight, high);
            }
            for (wide, dx) in widened.chunks_exact(width).zip(dx.chunks_exact_mut(w)) {
                for (value, &Pair { low, high, weight }) in wide.iter().zip(&reads.columns) {
                    dx[low] += (1.0 - weight) * value;
                    dx[high] += weight * value;
                }
            }
        });
        [Some(flex::tensor(dx, [n, c, h, w]))]
    }
}

multiversion! {
    fn blend(a: &[f32], b: &[f32], weight: f32, y: &mut [f32]) {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = pointwise::multiply_add::<FUSED>(weight, b - a, a);
        }
    }
}
