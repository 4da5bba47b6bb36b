//! Sizes of a convolution and what follows from them.

use std::ops::Range;

use burn::tensor::ops::ConvOptions;

use super::super::{kernel::pointwise::Affine, memory::Shared, simd::Simd};
use super::weight::{Reduce, Weight};

/// The sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    /// Input channels of one group.
    pub(crate) inputs: usize,
    /// Output channels of one group.
    pub(crate) outputs: usize,
    /// Height and width of the input.
    pub(crate) input: [usize; 2],
    /// Height and width of the output.
    pub(crate) output: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Zeros before the first row and column.
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
}

impl Geometry {
    /// The convolution of an input `[n, c, h, w]` with a weight `[out, c / groups, kh, kw]`.
    ///
    /// # Panics
    ///
    /// If the channels do not fit together or the dilated kernel is larger than the padded input.
    pub(crate) fn new(x: [usize; 4], weight: [usize; 4], options: &ConvOptions<2>) -> Self {
        let groups = options.groups;
        assert!(
            x[1] == weight[1] * groups && weight[0].is_multiple_of(groups),
            "a weight {weight:?} in {groups} groups does not fit an input {x:?}"
        );
        let output = [0, 1].map(|axis| {
            let padded = x[2 + axis] + options.padding[axis].0 + options.padding[axis].1;
            let reach = options.dilation[axis] * (weight[2 + axis] - 1) + 1;
            assert!(
                reach <= padded,
                "a kernel of {reach} exceeds a padded input of {padded}"
            );
            (padded - reach) / options.stride[axis] + 1
        });
        Self {
            batch: x[0],
            groups,
            inputs: weight[1],
            outputs: weight[0] / groups,
            input: [x[2], x[3]],
            output,
            kernel: [weight[2], weight[3]],
            stride: options.stride,
            padding: options.padding.map(|(begin, _)| begin),
            dilation: options.dilation,
        }
    }

    pub(crate) fn input_shape(&self) -> [usize; 4] {
        [
            self.batch,
            self.groups * self.inputs,
            self.input[0],
            self.input[1],
        ]
    }

    pub(crate) fn output_shape(&self) -> [usize; 4] {
        [
            self.batch,
            self.groups * self.outputs,
            self.output[0],
            self.output[1],
        ]
    }

    pub(crate) fn weight_shape(&self) -> [usize; 4] {
        [
            self.groups * self.outputs,
            self.inputs,
            self.kernel[0],
            self.kernel[1],
        ]
    }

    /// The weight `[out, in / groups, kh, kw]`, to be read along `reduce`.
    pub(super) fn view<'a>(&self, values: &'a [f32], reduce: Reduce) -> Weight<'a> {
        Weight {
            values,
            window: self.window(),
            reduce,
        }
    }

    /// Elements of the kernel window.
    pub(crate) fn window(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The convolution as reads of the input at shifted positions.
    pub(crate) fn forward_shifts(&self) -> Shifts {
        let taps = (0..self.kernel[0])
            .flat_map(|ky| (0..self.kernel[1]).map(move |kx| [ky, kx]))
            .map(|k| Tap {
                element: k[0] * self.kernel[1] + k[1],
                shift: [0, 1]
                    .map(|a| (k[a] * self.dilation[a]) as isize - self.padding[a] as isize),
            })
            .collect();
        Shifts {
            batch: self.batch,
            groups: self.groups,
            inputs: self.inputs,
            outputs: self.outputs,
            input: self.input,
            output: self.output,
            grid: self.output,
            origin: [0, 0],
            step: [1, 1],
            read_step: self.stride,
            taps,
        }
    }

    /// The data gradient as reads of the output's gradient at shifted positions: one set of shifts for each
    /// residue of the input position modulo the stride, so that no zero between strided pixels is multiplied.
    pub(crate) fn data_gradient_shifts(&self) -> Vec<Shifts> {
        let residues = |axis: usize| 0..self.stride[axis].min(self.input[axis]);
        residues(0)
            .flat_map(|ry| residues(1).map(move |rx| [ry, rx]))
            .map(|origin| {
                // Input p feeds output q through tap k where p = q stride + k dilation - padding.
                let shift = |axis: usize, k: usize| {
                    let distance = (origin[axis] + self.padding[axis]) as isize
                        - (k * self.dilation[axis]) as isize;
                    let stride = self.stride[axis] as isize;
                    (distance.rem_euclid(stride) == 0).then(|| distance.div_euclid(stride))
                };
                let taps = (0..self.kernel[0])
                    .flat_map(|ky| (0..self.kernel[1]).map(move |kx| [ky, kx]))
                    .filter_map(|[ky, kx]| {
                        let shift = [shift(0, ky)?, shift(1, kx)?];
                        Some(Tap {
                            element: ky * self.kernel[1] + kx,
                            shift,
                        })
                    })
                    .collect();
                Shifts {
                    batch: self.batch,
                    groups: self.groups,
                    inputs: self.outputs,
                    outputs: self.inputs,
                    input: self.output,
                    output: self.input,
                    grid: [0, 1].map(|a| (self.input[a] - origin[a]).div_ceil(self.stride[a])),
                    origin,
                    step: self.stride,
                    read_step: [1, 1],
                    taps,
                }
            })
            .collect()
    }
}

/// One element of the kernel window and where it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tap {
    /// Index in the row-major window.
    pub(crate) element: usize,
    /// Rows and columns from the grid position times the read step.
    pub(crate) shift: [isize; 2],
}

/// A convolution as sums over shifted reads: grid position `g` of output channel `o` is the sum over input
/// channels and taps of `weight * input[g * read_step + tap.shift]` (zero outside of the input), and is stored
/// at `origin + g * step`.
#[derive(Debug, Clone)]
pub(crate) struct Shifts {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    /// Channels read in one group.
    pub(crate) inputs: usize,
    /// Channels written in one group.
    pub(crate) outputs: usize,
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) grid: [usize; 2],
    pub(crate) origin: [usize; 2],
    pub(crate) step: [usize; 2],
    pub(crate) read_step: [usize; 2],
    pub(crate) taps: Vec<Tap>,
}

impl Shifts {
    /// Positions of the grid.
    pub(crate) fn positions(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// The positions along `axis` (0 rows, 1 columns) at which `shift` reads inside of the input.
    pub(crate) fn inside(&self, axis: usize, shift: isize) -> Range<usize> {
        let step = self.read_step[axis] as isize;
        let low = (-shift)
            .max(0)
            .cast_unsigned()
            .div_ceil(self.read_step[axis]);
        let room = self.input[axis] as isize - shift;
        let high = if room <= 0 { 0 } else { (room - 1) / step + 1 } as usize;
        let high = high.min(self.grid[axis]);
        low.min(high)..high
    }
}

/// Sums over shifted reads to be computed: all positions of `shifts` into `y`, each output channel mapped by its own of `maps`,
/// if given.
#[derive(Clone, Copy)]
pub(super) struct Sums<'a> {
    pub(super) simd: Simd,
    pub(super) shifts: &'a Shifts,
    pub(super) x: &'a [f32],
    pub(super) maps: Option<&'a [Affine]>,
    pub(super) y: Shared<'a, f32>,
}

/// Splits `total` into `parts` consecutive ranges that differ by at most one in length.
pub(crate) fn even_part(total: usize, parts: usize, index: usize) -> Range<usize> {
    total * index / parts..total * (index + 1) / parts
}
