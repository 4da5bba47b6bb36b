//! Large images and few weights: each thread sums its pixels into all weights.

use std::cell::RefCell;

use super::super::super::{
    kernel::Blocking,
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::Simd,
};
use super::super::geometry::{Geometry, even_part};
use super::{Factors, Interleaved, Offsets, PIXEL_BLOCK, Product, pack_panels};

/// Pixels transposed at once.
const BAND: usize = 512;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    image: Scratch,
    panels: Scratch,
    offsets: Vec<u32>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// The gradient of an ungrouped convolution.
pub(super) fn run(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let runs = Runs::new(simd, g);
    let parts = rayon::current_num_threads();
    let part_len = runs.count * runs.rows * runs.width;
    let lines = g.batch * g.output[0];
    // SAFETY: each task writes its part whole.
    let sums = unsafe {
        memory::filled(parts * part_len, |sums: Shared<'_, f32>| {
            memory::parallel(parts, |part| {
                let sums = sums.part(part * part_len, part_len);
                sums.fill(0.0);
                scratch::lend(&BUFFERS, |buffers| {
                    runs.sum(x, dy, even_part(lines, parts, part), buffers, sums);
                });
            });
        })
    };
    // Parts are added in their order, so that the result depends on their number only.
    let mut dw = Vec::with_capacity(g.weight_shape().iter().product());
    for output in 0..g.outputs {
        for channel in 0..g.inputs {
            for tap in 0..g.window() {
                let at = runs.place(output, channel, tap);
                dw.push(sums[at..].iter().step_by(part_len).sum());
            }
        }
    }
    dw
}

/// The columns of the product: for each run the taps and channels that lie side by side in memory.
struct Runs<'a> {
    simd: Simd,
    g: &'a Geometry,
    image: Interleaved,
    /// Whether a run is a whole row of the window.
    merged: bool,
    count: usize,
    /// Output channels in whole blocks.
    rows: usize,
    /// Floats of a run in whole vectors.
    width: usize,
}

impl<'a> Runs<'a> {
    fn new(simd: Simd, g: &'a Geometry) -> Self {
        let Blocking { lanes, mr, .. } = simd.blocking();
        let merged = g.dilation[1] == 1 && g.inputs <= 4 * lanes;
        let (count, length) = if merged {
            (g.kernel[0], g.kernel[1] * g.inputs)
        } else {
            (g.window(), g.inputs)
        };
        Self {
            simd,
            g,
            image: Interleaved::new(g, g.inputs),
            merged,
            count,
            rows: g.outputs.next_multiple_of(mr),
            width: length.next_multiple_of(lanes),
        }
    }

    /// Where a weight lies in a part's sums.
    fn place(&self, output: usize, channel: usize, tap: usize) -> usize {
        let (run, column) = if self.merged {
            (
                tap / self.g.kernel[1],
                tap % self.g.kernel[1] * self.g.inputs + channel,
            )
        } else {
            (tap, channel)
        };
        (run * self.rows + output) * self.width + column
    }

    /// Adds the products of some lines of the output, counted over all samples.
    fn sum(
        &self,
        x: &[f32],
        dy: &[f32],
        lines: std::ops::Range<usize>,
        buffers: &mut Buffers,
        sums: &mut [f32],
    ) {
        let g = self.g;
        let Blocking { lanes, mr, vectors } = self.simd.blocking();
        let [height, across] = g.output;
        let tiles = (self.width / lanes).div_ceil(vectors);
        let mut line = lines.start;
        while line < lines.end {
            let (sample, first) = (line / height, line % height);
            let rows = BAND
                .div_ceil(across)
                .min(height - first)
                .min(lines.end - line);
            let pixels = rows * across;
            // The last pixel's run is read in whole vectors.
            let image = buffers.image.take(self.image.len(g, rows) + lanes);
            let planes = &x[sample * g.inputs * g.input[0] * g.input[1]..];
            self.image
                .fill(self.simd, g, planes, g.inputs, [first, rows], image);
            let panels = buffers.panels.take(pixels * self.rows);
            let planes = &dy[sample * g.outputs * height * across + first * across..];
            let (area, panel) = (height * across, pixels * mr);
            pack_panels(self.simd, planes, area, [g.outputs, pixels], panel, panels);
            for start in (0..pixels).step_by(PIXEL_BLOCK) {
                let end = pixels.min(start + PIXEL_BLOCK);
                buffers.offsets.clear();
                let offsets = (start..end).map(|pixel| self.image.offset(g, pixel) as u32);
                buffers.offsets.extend(offsets);
                let offsets = Offsets::new(&buffers.offsets);
                for (run, sums) in sums.chunks_exact_mut(self.rows * self.width).enumerate() {
                    let shift = if self.merged {
                        self.image.shift(g, run, 0)
                    } else {
                        self.image.shift(g, run / g.kernel[1], run % g.kernel[1])
                    };
                    for tile in 0..tiles {
                        let vectors = even_part(self.width / lanes, tiles, tile);
                        let column = vectors.start * lanes;
                        let sums = sums.chunks_mut(mr * self.width);
                        for (block, sums) in sums.enumerate() {
                            let product = Product {
                                factors: Factors::Packed(&panels[block * panel + start * mr..]),
                                rows: mr.min(g.outputs - block * mr),
                                columns: &image[shift + column..],
                                vectors: vectors.len(),
                                offsets,
                                sums: &mut sums[column..],
                                pitch: self.width,
                            };
                            product.add(self.simd);
                        }
                    }
                }
            }
            line += rows;
        }
    }
}
