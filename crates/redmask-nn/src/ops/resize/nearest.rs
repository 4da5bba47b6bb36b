//! Nearest-neighbour resizing on the CPU.

use burn::backend::flex::FlexTensor;

use super::super::{
    autodiff::Gradient,
    flex::{self, contiguous, values},
    memory::{self, Shared},
    simd::{Simd, multiversion},
};
use super::planes_at_once;

/// The input index of every output index along one axis, in f32 as PyTorch has it: a whole number may come out just below
/// itself, and then the pixel before it is taken.
fn sources(input: usize, output: usize) -> Vec<u32> {
    let step = input as f32 / output as f32;
    let last = input.saturating_sub(1) as u32;
    (0..output)
        .map(|i| ((i as f32 * step) as u32).min(last))
        .collect()
}

/// A resize and its backward pass.
pub(in super::super) fn nearest_op(
    [x]: [FlexTensor; 1],
    size: [usize; 2],
) -> (FlexTensor, Nearest) {
    let x = contiguous(x);
    let input @ [n, c, h, w] = flex::dims(&x);
    let [rows, columns] = [sources(h, size[0]), sources(w, size[1])];
    let (simd, area) = (Simd::current(), size[0] * size[1]);
    let doubled = size[1] == 2 * w;
    // SAFETY: every plane is written whole by its task.
    let y = unsafe {
        memory::filled(n * c * area, |y: Shared<'_, f32>| {
            let at_once = planes_at_once(area);
            memory::parallel((n * c).div_ceil(at_once), |task| {
                for plane in task * at_once..(n * c).min((task + 1) * at_once) {
                    let x = &values(&x)[plane * h * w..][..h * w];
                    let y = y.part(plane * area, area);
                    let mut done: Option<u32> = None;
                    for (i, &row) in rows.iter().enumerate() {
                        let (before, line) = y.split_at_mut(i * size[1]);
                        let line = &mut line[..size[1]];
                        if done == Some(row) {
                            line.copy_from_slice(&before[(i - 1) * size[1]..]);
                            continue;
                        }
                        let source = &x[row as usize * w..][..w];
                        if doubled {
                            double(simd, source, line);
                        } else {
                            for (value, &column) in line.iter_mut().zip(&columns) {
                                *value = source[column as usize];
                            }
                        }
                        done = Some(row);
                    }
                }
            });
        })
    };
    (
        flex::tensor(y, [n, c, size[0], size[1]]),
        Nearest { input, size },
    )
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
        let g = values(&dy);
        let [rows, columns] = [sources(h, size[0]), sources(w, size[1])];
        let (simd, area) = (Simd::current(), size[0] * size[1]);
        let doubled = size[1] == 2 * w;
        // SAFETY: every plane is written whole by its task.
        let dx = unsafe {
            memory::filled(n * c * h * w, |dx: Shared<'_, f32>| {
                let at_once = planes_at_once(area);
                memory::parallel((n * c).div_ceil(at_once), |task| {
                    for plane in task * at_once..(n * c).min((task + 1) * at_once) {
                        let dx = dx.part(plane * h * w, h * w);
                        dx.fill(0.0);
                        let g = &g[plane * area..][..area];
                        for (line, &row) in g.chunks_exact(size[1]).zip(&rows) {
                            let target = &mut dx[row as usize * w..][..w];
                            if doubled {
                                add_pairs(simd, line, target);
                            } else {
                                for (value, &column) in line.iter().zip(&columns) {
                                    target[column as usize] += value;
                                }
                            }
                        }
                    }
                });
            })
        };
        [Some(flex::tensor(dx, input))]
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
