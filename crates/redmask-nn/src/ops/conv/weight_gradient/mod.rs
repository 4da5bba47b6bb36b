//! Weight gradient: a product whose summed dimension is the pixels of all samples.
//!
//! The micro-kernel takes output channels as rows and input channels as columns, so both operands are
//! transposed first, in portions that stay in the cache.

mod by_channels;
mod by_pixels;
mod depthwise;

use super::super::{
    kernel::{FactorLayout, Tile},
    memory,
    simd::Simd,
};
use super::{geometry::Geometry, transpose::transpose};

/// Pixels summed in one call of the micro-kernel: their columns stay in the first-level cache.
const PIXEL_BLOCK: usize = 128;

/// Floats of a thread's partial sums that stay in the second-level cache beside the operands.
const SUMS_LIMIT: usize = 1 << 17;

/// The gradient of the weight `[out, in / groups, kh, kw]`, given the input and the gradient of the output.
pub(super) fn weight_gradient(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let len = g.weight_shape().iter().product();
    let pixels = g.batch * g.output[0] * g.output[1];
    if g.inputs == 1 && g.outputs <= 2 {
        // SAFETY: the tasks write all taps of all their channels.
        return unsafe { memory::filled(len, |dw| depthwise::run(simd, g, x, dy, dw)) };
    }
    let threads = rayon::current_num_threads();
    if g.groups == 1 && len <= SUMS_LIMIT && pixels >= 1024 * threads {
        by_pixels::run(simd, g, x, dy)
    } else {
        // SAFETY: the tasks write all rows of all their input channels.
        unsafe { memory::filled(len, |dw| by_channels::run(simd, g, x, dy, dw)) }
    }
}

/// Some rows of an image with the channels innermost and the padding written out: `[rows][columns][pitch]`.
#[derive(Debug, Clone, Copy)]
struct Interleaved {
    columns: usize,
    /// Floats of a pixel.
    pitch: usize,
}

impl Interleaved {
    fn new(g: &Geometry, pitch: usize) -> Self {
        let columns = (g.output[1] - 1) * g.stride[1] + (g.kernel[1] - 1) * g.dilation[1] + 1;
        Self { columns, pitch }
    }

    /// Rows of the input that `rows` rows of the output read.
    fn rows(g: &Geometry, rows: usize) -> usize {
        (rows - 1) * g.stride[0] + (g.kernel[0] - 1) * g.dilation[0] + 1
    }

    /// Floats for `rows` rows of the output.
    fn len(self, g: &Geometry, rows: usize) -> usize {
        Self::rows(g, rows) * self.columns * self.pitch
    }

    /// Fills `target` with what the output rows `first..first + rows` read of `channels` planes.
    fn fill(
        self,
        simd: Simd,
        g: &Geometry,
        planes: &[f32],
        channels: usize,
        [first, rows]: [usize; 2],
        target: &mut [f32],
    ) {
        target.fill(0.0);
        let area = g.input[0] * g.input[1];
        let [top, left] = g.padding;
        let width = g.input[1].min(self.columns.saturating_sub(left));
        for row in 0..Self::rows(g, rows) {
            let line = first * g.stride[0] + row;
            if line < top || line - top >= g.input[0] {
                continue;
            }
            let from = &planes[(line - top) * g.input[1]..];
            let to = &mut target[(row * self.columns + left.min(self.columns)) * self.pitch..];
            transpose(simd, from, area, [channels, width], to, self.pitch);
        }
    }

    /// Where an output pixel, counted within rows of the output, reads its first tap.
    fn offset(self, g: &Geometry, pixel: usize) -> usize {
        let (row, column) = (pixel / g.output[1], pixel % g.output[1]);
        (row * g.stride[0] * self.columns + column * g.stride[1]) * self.pitch
    }

    /// How far a tap's reads lie from the first tap's.
    fn shift(self, g: &Geometry, ky: usize, kx: usize) -> usize {
        (ky * g.dilation[0] * self.columns + kx * g.dilation[1]) * self.pitch
    }
}

/// Writes `pixels` pixels of `channels` planes of the output's gradient as panels `[block][pixels][mr]`.
///
/// `panels` are the block's distance and the target; rows that fill up the last block are zeros.
fn pack_panels(
    simd: Simd,
    planes: &[f32],
    area: usize,
    [channels, pixels]: [usize; 2],
    panel: usize,
    target: &mut [f32],
) {
    let mr = simd.blocking().mr;
    for (block, first) in (0..channels).step_by(mr).enumerate() {
        let rows = mr.min(channels - first);
        let target = &mut target[block * panel..][..pixels * mr];
        if rows < mr {
            target.fill(0.0);
        }
        transpose(
            simd,
            &planes[first * area..],
            area,
            [rows, pixels],
            target,
            mr,
        );
    }
}

/// The output's gradient as a product reads it.
enum Factors<'a> {
    /// `[pixels][mr]`.
    Packed(&'a [f32]),
    /// The planes themselves: rows `step` apart, a pixel at its offset.
    InRows {
        values: &'a [f32],
        offsets: Offsets<'a>,
        step: usize,
    },
}

/// Where the pixels of a product lie, and the largest of those offsets, found once for many products.
#[derive(Clone, Copy)]
struct Offsets<'a> {
    values: &'a [u32],
    last: usize,
}

impl<'a> Offsets<'a> {
    fn new(values: &'a [u32]) -> Self {
        let last = values.iter().copied().max().unwrap_or_default() as usize;
        Self { values, last }
    }

    /// Of a product's columns and of its factors, some pixels at once.
    fn chunks(columns: &'a [u32], factors: &'a [u32]) -> impl Iterator<Item = [Self; 2]> {
        let factors = factors.chunks(PIXEL_BLOCK).map(Self::new);
        columns
            .chunks(PIXEL_BLOCK)
            .map(Self::new)
            .zip(factors)
            .map(|(columns, factors)| [columns, factors])
    }
}

/// One product: `sums[row][column] += sum over pixels of factors * columns`.
struct Product<'a> {
    factors: Factors<'a>,
    rows: usize,
    columns: &'a [f32],
    vectors: usize,
    offsets: Offsets<'a>,
    sums: &'a mut [f32],
    /// Floats of a row of `sums`.
    pitch: usize,
}

impl Product<'_> {
    fn add(self, simd: Simd) {
        let blocking = simd.blocking();
        let width = self.vectors * blocking.lanes;
        let pixels = self.offsets.values.len();
        let (layout, a, a_offsets, a_row_step) = match self.factors {
            Factors::Packed(panel) => {
                assert!(panel.len() >= pixels * blocking.mr, "panel too short");
                (FactorLayout::Packed, panel.as_ptr(), std::ptr::null(), 1)
            }
            Factors::InRows {
                values,
                offsets,
                step,
            } => {
                assert_eq!(offsets.values.len(), pixels, "one factor a pixel");
                assert!(
                    values.len() > (self.rows - 1) * step + offsets.last,
                    "rows too short"
                );
                (
                    FactorLayout::InRows,
                    values.as_ptr(),
                    offsets.values.as_ptr(),
                    step,
                )
            }
        };
        assert!(
            self.columns.len() >= self.offsets.last + width,
            "columns too short"
        );
        assert!(
            self.sums.len() >= (self.rows - 1) * self.pitch + width,
            "sums too short"
        );
        let tile = Tile {
            depth: pixels,
            a,
            a_offsets,
            a_row_step,
            b: self.columns.as_ptr(),
            offsets: self.offsets.values.as_ptr(),
            c: self.sums.as_mut_ptr(),
            ldc: self.pitch,
            accumulate: true,
        };
        let kernel = simd.kernel(layout, self.rows, self.vectors);
        // SAFETY: the extents were checked above.
        unsafe { kernel(&tile) };
    }
}
