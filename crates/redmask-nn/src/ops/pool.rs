//! Max pooling.

use std::cell::RefCell;

use burn::{
    backend::{Dispatch, flex::FlexTensor},
    tensor::{Tensor, module, ops::MaxPoolOptions},
};

use super::{
    autodiff::Gradient,
    extension::{CpuOps, on_cpu},
    flex::{self, contiguous, values},
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::{Simd, multiversion},
};

/// Maximum over `kernel` windows, `padding` by minus infinity on both sides; output sizes are rounded down.
///
/// Where several inputs tie, the gradient goes to the first in row-major order; a NaN wins over every number.
/// Both as in PyTorch.
///
/// # Panics
///
/// If the padding exceeds half the window, or the window the padded input.
pub fn max_pool2d(
    x: Tensor<4>,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    for axis in [0, 1] {
        let (kernel, padding, size) = (kernel[axis], padding[axis], [h, w][axis]);
        assert!(
            2 * padding <= kernel,
            "a padding of {padding} exceeds half a window of {kernel}"
        );
        assert!(
            kernel <= size + 2 * padding,
            "a window of {kernel} exceeds an input of {size}"
        );
    }
    // An offset inside of the window is kept in a byte.
    if !on_cpu(&x) || kernel[0] * kernel[1] > 256 {
        let options = MaxPoolOptions {
            kernel_size: kernel,
            stride,
            padding: [(padding[0], padding[0]), (padding[1], padding[1])],
            dilation: [1, 1],
            ceil_mode: false,
        };
        return module::max_pool2d(x, options);
    }
    let window = Window {
        kernel,
        stride,
        padding,
    };
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_max_pool2d(
        x.into_dispatch(),
        window,
    ))
}

/// The window of a pooling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    /// Maxima over the rows of a window, one for each input column, and minus infinity for each of the padding.
    maxima: Scratch,
    /// The row of the window that each was found in.
    rows: Vec<u8>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// A pooling and its backward pass.
pub(super) fn op([x]: [FlexTensor; 1], window: Window) -> (FlexTensor, MaxPool) {
    let x = contiguous(x);
    let [n, c, h, w] = flex::dims(&x);
    let output: [usize; 2] = std::array::from_fn(|axis| {
        let Window {
            kernel,
            stride,
            padding,
        } = window;
        ([h, w][axis] + 2 * padding[axis] - kernel[axis]) / stride[axis] + 1
    });
    let area = output[0] * output[1];
    let simd = Simd::current();
    let mut offsets = vec![0_u8; n * c * area];
    let shared = Shared::new(&mut offsets);
    // SAFETY: `pool` writes whole planes, of both outputs.
    let y = unsafe {
        memory::planes(n * c, area, h * w, |plane, y| {
            let x = &values(&x)[plane * h * w..][..h * w];
            let offsets = shared.part(plane * area, area);
            scratch::lend(&BUFFERS, |buffers| {
                window.pool(simd, x, [h, w], output, buffers, y, offsets);
            });
        })
    };
    let state = MaxPool {
        offsets,
        window,
        input: [n, c, h, w],
        output,
    };
    (flex::tensor(y, [n, c, output[0], output[1]]), state)
}

impl Window {
    /// Rows of a window that lie inside of the input, as offsets in the window.
    fn rows_inside(self, position: usize, height: usize) -> std::ops::Range<usize> {
        let start = position * self.stride[0];
        let low = self.padding[0].saturating_sub(start);
        low..self.kernel[0].min(height + self.padding[0] - start)
    }

    #[expect(clippy::too_many_arguments, reason = "one plane's inputs and outputs")]
    fn pool(
        self,
        simd: Simd,
        x: &[f32],
        [h, w]: [usize; 2],
        output: [usize; 2],
        buffers: &mut Buffers,
        y: &mut [f32],
        offsets: &mut [u8],
    ) {
        let left = self.padding[1];
        // A last odd column fills a pair; a window never reads it, as output sizes are rounded down.
        let columns = (w + 2 * left).next_multiple_of(2);
        let maxima = buffers.maxima.take(columns);
        maxima.fill(f32::NEG_INFINITY);
        buffers.rows.clear();
        buffers.rows.resize(columns, u8::MAX);
        let rows = &mut buffers.rows[..];
        let lines = y
            .chunks_exact_mut(output[1])
            .zip(offsets.chunks_exact_mut(output[1]));
        for (oy, (y, offsets)) in lines.enumerate() {
            let window_rows = self.rows_inside(oy, h);
            let top = oy * self.stride[0] + window_rows.start - self.padding[0];
            let inside = left..left + w;
            maxima[inside.clone()].copy_from_slice(&x[top * w..][..w]);
            rows[inside.clone()].fill(window_rows.start as u8);
            for (row, line) in window_rows
                .clone()
                .zip(x[top * w..].chunks_exact(w))
                .skip(1)
            {
                let (maxima, rows) = (&mut maxima[inside.clone()], &mut rows[inside.clone()]);
                row_maximum(simd, line, row as u8, maxima, rows);
            }
            match (self.stride[1], self.kernel[1]) {
                (2, kernel @ 2..=3) => {
                    let (maxima, rows) = (maxima.as_chunks().0, rows.as_chunks().0);
                    maximum_of_pairs(simd, maxima, rows, kernel, y, offsets);
                }
                (stride, kernel) => {
                    for (ox, (y, offset)) in y.iter_mut().zip(offsets).enumerate() {
                        let window = ox * stride..ox * stride + kernel;
                        (*y, *offset) = maximum(&maxima[window.clone()], &rows[window]);
                    }
                }
            }
        }
    }
}

/// The maximum of a window over the columns' maxima and where it was found: the row times the columns plus the column.
fn maximum(maxima: &[f32], rows: &[u8]) -> (f32, u8) {
    let (mut best, mut row, mut column) = (maxima[0], rows[0], 0);
    for (c, (&value, &r)) in maxima.iter().zip(rows).enumerate().skip(1) {
        if wins((value, r), (best, row)) {
            (best, row, column) = (value, r, c);
        }
    }
    (best, (usize::from(row) * maxima.len() + column) as u8)
}

multiversion! {
    /// [`maximum`] for windows of two or three columns in steps of two.
    fn maximum_of_pairs(
        maxima: &[[f32; 2]], rows: &[[u8; 2]], kernel: usize, y: &mut [f32], offsets: &mut [u8],
    ) {
        let len = y.len();
        let (these, from, offsets) = (&maxima[..len], &rows[..len], &mut offsets[..len]);
        if kernel == 2 {
            for i in 0..len {
                let ([a, b], [row_a, row_b]) = (these[i], from[i]);
                let second = wins((b, row_b), (a, row_a));
                y[i] = if second { b } else { a };
                offsets[i] = if second { 2 * row_b + 1 } else { 2 * row_a };
            }
        } else {
            let (next, from_next) = (&maxima[1..=len], &rows[1..=len]);
            for i in 0..len {
                let ([a, b], [row_a, row_b]) = (these[i], from[i]);
                let (c, row_c) = (next[i][0], from_next[i][0]);
                let second = wins((b, row_b), (a, row_a));
                let (best, row) = (if second { b } else { a }, if second { row_b } else { row_a });
                let third = wins((c, row_c), (best, row));
                y[i] = if third { c } else { best };
                let column = if third { 2 } else { u8::from(second) };
                offsets[i] = 3 * (if third { row_c } else { row }) + column;
            }
        }
    }
}

/// Whether a column's maximum, and the row it was found in, comes before the best of the columns to its left.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
fn wins((value, row): (f32, u8), (best, best_row): (f32, u8)) -> bool {
    let equal = value == best || (value.is_nan() && best.is_nan());
    beats(value, best) || (equal && row < best_row)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
fn beats(value: f32, best: f32) -> bool {
    value > best || (value.is_nan() && !best.is_nan())
}

multiversion! {
    fn row_maximum(line: &[f32], row: u8, maxima: &mut [f32], rows: &mut [u8]) {
        for ((maximum, from), &value) in maxima.iter_mut().zip(rows).zip(line) {
            let beats = beats(value, *maximum);
            *from = if beats { row } else { *from };
            *maximum = if beats { value } else { *maximum };
        }
    }
}

/// The backward pass of a pooling.
#[derive(Debug, Clone)]
pub(super) struct MaxPool {
    /// For every output the element of its window that won.
    offsets: Vec<u8>,
    window: Window,
    input: [usize; 4],
    output: [usize; 2],
}

impl Gradient<1> for MaxPool {
    fn backward(self, dy: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let Self {
            offsets,
            window:
                Window {
                    kernel,
                    stride,
                    padding,
                },
            input,
            output,
        } = self;
        let [n, c, h, w] = input;
        let dy = contiguous(dy);
        let g = values(&dy);
        let area = output[0] * output[1];
        // SAFETY: every plane is filled with zeros first.
        let dx = unsafe {
            memory::planes(n * c, h * w, h * w, |plane, dx| {
                dx.fill(0.0);
                let range = plane * area..(plane + 1) * area;
                let lines = g[range.clone()]
                    .chunks_exact(output[1])
                    .zip(offsets[range].chunks_exact(output[1]));
                for (oy, (g, offsets)) in lines.enumerate() {
                    for (ox, (g, &offset)) in g.iter().zip(offsets).enumerate() {
                        let offset = usize::from(offset);
                        let y = oy * stride[0] + offset / kernel[1] - padding[0];
                        let x = ox * stride[1] + offset % kernel[1] - padding[1];
                        dx[y * w + x] += g;
                    }
                }
            })
        };
        [Some(flex::tensor(dx, input))]
    }
}
