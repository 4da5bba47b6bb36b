//! Nearest-neighbour resizing on the CPU.

use burn::backend::flex::FlexTensor;

use super::super::{
    autodiff::Gradient,
    flex::{self, contiguous, values},
    memory,
    simd::{Simd, multiversion},
};

/// The input index of every output index along one axis, in f32 as PyTorch has it: a whole number may come out just below
/// itself, and then the pixel before it is taken.
fn sources(input: usize, output: usize) -> Vec<u32> {
    let step = input as f32 / output as f32;
    let last = input.saturating_sub(1) as u32;
    (0..output)
        .map(|i| ((i as f32 * step) as u32).min(last))
        .collect()
}

/// Which pixels of a plane an enlarged or reduced one takes.
struct Pixels {
    simd: Simd,
    rows: Vec<u32>,
    columns: Vec<u32>,
    /// Columns of the input.
    width: usize,
}

impl Pixels {
    fn new([height, width]: [usize; 2], size: [usize; 2]) -> Self {
        Self {
            simd: Simd::current(),
            rows: sources(height, size[0]),
            columns: sources(width, size[1]),
            width,
        }
    }

    fn doubled(&self) -> bool {
        self.columns.len() == 2 * self.width
    }

    /// Resizes a plane.
    fn take(&self, x: &[f32], y: &mut [f32]) {
        let (width, columns) = (self.width, self.columns.len());
        let mut done: Option<u32> = None;
        for (i, &row) in self.rows.iter().enumerate() {
            let (before, line) = y.split_at_mut(i * columns);
            let line = &mut line[..columns];
            if done == Some(row) {
                line.copy_from_slice(&before[(i - 1) * columns..]);
                continue;
            }
            let source = &x[row as usize * width..][..width];
            if self.doubled() {
                double(self.simd, source, line);
            } else {
                for (value, &column) in line.iter_mut().zip(&self.columns) {
                    *value = source[column as usize];
                }
            }
            done = Some(row);
        }
    }

    /// Adds up the gradient of a plane at the pixels that were taken.
    fn give(&self, g: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        for (line, &row) in g.chunks_exact(self.columns.len()).zip(&self.rows) {
            let target = &mut dx[row as usize * self.width..][..self.width];
            if self.doubled() {
                add_pairs(self.simd, line, target);
            } else {
                for (value, &column) in line.iter().zip(&self.columns) {
                    target[column as usize] += value;
                }
            }
        }
    }
}

/// A resize and its backward pass.
pub(in super::super) fn nearest_op(
    [x]: [FlexTensor; 1],
    size: [usize; 2],
) -> (FlexTensor, Nearest) {
    let x = contiguous(x);
    let input @ [n, c, h, w] = flex::dims(&x);
    let pixels = Pixels::new([h, w], size);
    let area = size[0] * size[1];
    // SAFETY: `take` writes whole planes.
    let y = unsafe {
        memory::planes(n * c, area, area, |plane, y| {
            pixels.take(&values(&x)[plane * h * w..][..h * w], y);
        })
    };
    let y = flex::tensor(y, [n, c, size[0], size[1]]);
    (y, Nearest { input, size })
}

/// The backward pass of a resize.
#[derive(Debug, Clone)]
pub(in super::super) struct Nearest {
    input: [usize; 4],
    size: [usize; 2],
}

impl Gradient<1> for Nearest {
    fn backward(self, dy: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let Self {
            input: input @ [n, c, h, w],
            size,
        } = self;
        let dy = contiguous(dy);
        let area = size[0] * size[1];
        let pixels = Pixels::new([h, w], size);
        // SAFETY: `give` writes whole planes.
        let dx = unsafe {
            memory::planes(n * c, h * w, area, |plane, dx| {
                pixels.give(&values(&dy)[plane * area..][..area], dx);
            })
        };
        [Some(flex::tensor(dx, input))]
    }
}

/// A resize of `x` to the size of `skip`, the channels of `skip` behind those of `x`, and its backward pass.
pub(in super::super) fn beside_op(inputs: [FlexTensor; 2]) -> (FlexTensor, Beside) {
    let [x, skip] = inputs.map(contiguous);
    let [from, to] = [&x, &skip].map(flex::dims);
    let [n, c, h, w] = from;
    let [_, skips, height, width] = to;
    let (channels, area) = (c + skips, height * width);
    let pixels = Pixels::new([h, w], [height, width]);
    // SAFETY: `take` and the copy write whole planes.
    let y = unsafe {
        memory::planes(n * channels, area, area, |plane, y| {
            let (sample, channel) = (plane / channels, plane % channels);
            match channel.checked_sub(c) {
                None => pixels.take(&values(&x)[(sample * c + channel) * h * w..][..h * w], y),
                Some(i) => y.copy_from_slice(&values(&skip)[(sample * skips + i) * area..][..area]),
            }
        })
    };
    let y = flex::tensor(y, [n, channels, height, width]);
    (y, Beside { inputs: [from, to] })
}

/// The backward pass of a resize beside a skip.
#[derive(Debug, Clone)]
pub(in super::super) struct Beside {
    inputs: [[usize; 4]; 2],
}

impl Gradient<2> for Beside {
    fn backward(self, dy: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let [from @ [n, c, h, w], to @ [_, skips, height, width]] = self.inputs;
        let dy = contiguous(dy);
        let area = height * width;
        let gradient = |sample: usize, channel: usize| {
            &values(&dy)[(sample * (c + skips) + channel) * area..][..area]
        };
        let dx = wanted[0].then(|| {
            let pixels = Pixels::new([h, w], [height, width]);
            // SAFETY: `give` writes whole planes.
            let dx = unsafe {
                memory::planes(n * c, h * w, area, |plane, dx| {
                    pixels.give(gradient(plane / c, plane % c), dx);
                })
            };
            flex::tensor(dx, from)
        });
        let dskip = wanted[1].then(|| {
            // SAFETY: whole planes are copied.
            let dskip = unsafe {
                memory::planes(n * skips, area, area, |plane, dskip| {
                    dskip.copy_from_slice(gradient(plane / skips, c + plane % skips));
                })
            };
            flex::tensor(dskip, to)
        });
        [dx, dskip]
    }
}

multiversion! {
    fn double(source: &[f32], target: &mut [f32]) {
        for (pair, &value) in target.as_chunks_mut::<2>().0.iter_mut().zip(source) {
            *pair = [value; 2];
        }
    }
}

multiversion! {
    fn add_pairs(source: &[f32], target: &mut [f32]) {
        for (value, [a, b]) in target.iter_mut().zip(source.as_chunks::<2>().0) {
            *value += a + b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sources;

    /// Sizes at which whole numbers of pixels round down, from PyTorch 2.9.1 (`interpolate`, mode `nearest`).
    #[test]
    fn rounds_as_pytorch_does() {
        for (input, output, at, source) in [
            (2, 82, 41, 0),
            (4, 94, 47, 1),
            (6, 74, 37, 2),
            (26, 46, 23, 13),
        ] {
            assert_eq!(sources(input, output)[at], source, "{input} -> {output}");
        }
    }
}
