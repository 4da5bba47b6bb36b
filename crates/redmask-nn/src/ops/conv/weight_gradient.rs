//! Weight gradient: one product whose summed dimension is the pixels of all samples.

use super::super::{
    kernel::{Blocking, Tile},
    memory::{self, Shared},
    scratch::with_buffers,
    simd::Simd,
};
use super::geometry::{Geometry, even_part};
use super::transpose::transpose;

/// Pixels summed in one call of the micro-kernel.
const PIXEL_BLOCK: usize = 128;

/// The gradient of the weight `[out, in / groups, kh, kw]`, given the input and the gradient of the output.
pub(super) fn weight_gradient(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let images = Images::new(simd, g, x);
    let panels = Panels::new(simd, g, dy);
    let Blocking { lanes, vectors, .. } = simd.blocking();
    let total: usize = g.weight_shape().iter().product();
    let window = g.window();
    // Output channels by input channels: blocks of both, as many as keep all threads busy.
    let strips = g.inputs.div_ceil(lanes).div_ceil(vectors);
    let row_parts = panels.blocks.min(8);
    let pixels = g.batch * g.output[0] * g.output[1];
    let threads = rayon::current_num_threads();
    // Long sums into a small gradient are split by pixels into parts that are added in order.
    let parts = if pixels >= 4096 * threads && total <= 1 << 18 {
        threads
    } else {
        1
    };
    let row_parts = if parts > 1 { 1 } else { row_parts };
    let part_len = total;
    // SAFETY: every (group, strip, rows) task writes its own rows and channels of the part it belongs to.
    let mut values = unsafe {
        memory::filled(parts * part_len, |values| {
            let per_part = g.groups * strips * row_parts;
            memory::parallel(parts * per_part, |task| {
                let (part, rest) = (task / per_part, task % per_part);
                let (group, rest) = (rest / (strips * row_parts), rest % (strips * row_parts));
                let (strip, rows) = (rest / row_parts, rest % row_parts);
                let task = Task {
                    simd,
                    geometry: g,
                    images: &images,
                    panels: &panels,
                    group,
                    vectors: even_part(g.inputs.div_ceil(lanes), strips, strip),
                    blocks: even_part(panels.blocks, row_parts, rows),
                    pixels: even_part(pixels, parts, part),
                };
                task.run(part * part_len, window, values);
            });
        })
    };
    let (sum, others) = values.split_at_mut(part_len);
    for part in others.chunks_exact(part_len) {
        for (total, &value) in sum.iter_mut().zip(part) {
            *total += value;
        }
    }
    values.truncate(part_len);
    values
}

/// The input with its channels innermost and its padding written out: `[n][groups][rows][columns][pitch]`.
struct Images {
    values: Vec<f32>,
    /// Floats of a pixel.
    pitch: usize,
    columns: usize,
    /// Floats of one group of one sample.
    plane: usize,
}

impl Images {
    fn new(simd: Simd, g: &Geometry, x: &[f32]) -> Self {
        let lanes = simd.blocking().lanes;
        // One spare vector per pixel where the size would map pixels onto few cache sets.
        let whole = g.inputs.next_multiple_of(lanes);
        let pitch = if whole.is_multiple_of(4 * lanes) {
            whole + lanes
        } else {
            whole
        };
        let reach =
            |a: usize| (g.output[a] - 1) * g.stride[a] + (g.kernel[a] - 1) * g.dilation[a] + 1;
        let [rows, columns] = [reach(0), reach(1)];
        let plane = rows * columns * pitch;
        let area = g.input[0] * g.input[1];
        // SAFETY: each task writes its plane whole.
        let values = unsafe {
            memory::filled(g.batch * g.groups * plane, |values| {
                memory::parallel(g.batch * g.groups, |image| {
                    let target = values.part(image * plane, plane);
                    target.fill(0.0);
                    let source = &x[image * g.inputs * area..][..g.inputs * area];
                    let left = g.padding[1];
                    let width = g.input[1].min(columns.saturating_sub(left));
                    for row in 0..g.input[0].min(rows.saturating_sub(g.padding[0])) {
                        let from = &source[row * g.input[1]..];
                        let to = &mut target[((row + g.padding[0]) * columns + left) * pitch..];
                        transpose(simd, from, area, [g.inputs, width], to, pitch);
                    }
                });
            })
        };
        Self {
            values,
            pitch,
            columns,
            plane,
        }
    }
}

/// The gradient of the output as panels `[groups][blocks][pixels][mr]`, pixels running over all samples.
struct Panels {
    values: Vec<f32>,
    blocks: usize,
    /// Floats of one panel.
    panel: usize,
}

impl Panels {
    fn new(simd: Simd, g: &Geometry, dy: &[f32]) -> Self {
        let mr = simd.blocking().mr;
        let blocks = g.outputs.div_ceil(mr);
        let area = g.output[0] * g.output[1];
        let panel = g.batch * area * mr;
        // SAFETY: each (group, block, sample) task writes its part of a panel whole.
        let values = unsafe {
            memory::filled(g.groups * blocks * panel, |values| {
                memory::parallel(g.groups * g.batch, |task| {
                    let (group, sample) = (task / g.batch, task % g.batch);
                    for block in 0..blocks {
                        let at = (group * blocks + block) * panel + sample * area * mr;
                        let target = values.part(at, area * mr);
                        let rows = mr.min(g.outputs - block * mr);
                        if rows < mr {
                            target.fill(0.0);
                        }
                        let image = (sample * g.groups + group) * g.outputs + block * mr;
                        transpose(simd, &dy[image * area..], area, [rows, area], target, mr);
                    }
                });
            })
        };
        Self {
            values,
            blocks,
            panel,
        }
    }
}

/// The gradient for some output channels and some input channels of a group, summed over some pixels.
struct Task<'a> {
    simd: Simd,
    geometry: &'a Geometry,
    images: &'a Images,
    panels: &'a Panels,
    group: usize,
    /// Vectors of input channels.
    vectors: std::ops::Range<usize>,
    /// Blocks of output channels.
    blocks: std::ops::Range<usize>,
    pixels: std::ops::Range<usize>,
}

impl Task<'_> {
    fn run(&self, base: usize, window: usize, values: Shared<'_, f32>) {
        let g = self.geometry;
        let Blocking { lanes, mr, .. } = self.simd.blocking();
        let width = self.vectors.len() * lanes;
        let channels = self.vectors.start * lanes..(self.vectors.end * lanes).min(g.inputs);
        let rows = self.blocks.len() * mr;
        with_buffers(|buffers| {
            // [tap][row][channel]
            let sums = buffers.sums.take(window * rows * width);
            sums.fill(0.0);
            let mut start = self.pixels.start;
            while start < self.pixels.end {
                let count = PIXEL_BLOCK.min(self.pixels.end - start);
                buffers.offsets.clear();
                buffers
                    .offsets
                    .extend((start..start + count).map(|pixel| self.offset(pixel)));
                for tap in 0..window {
                    self.multiply(
                        tap,
                        start,
                        count,
                        &buffers.offsets,
                        &mut sums[tap * rows * width..],
                    );
                }
                start += count;
            }
            for row in 0..rows.min(g.outputs - self.blocks.start * mr) {
                let output = self.group * g.outputs + self.blocks.start * mr + row;
                let at = base + (output * g.inputs + channels.start) * window;
                // SAFETY: these rows and channels of this part belong to this task.
                let target = unsafe { values.part(at, channels.len() * window) };
                for tap in 0..window {
                    let source = &sums[(tap * rows + row) * width..];
                    for (value, &sum) in target[tap..].iter_mut().step_by(window).zip(source) {
                        *value = sum;
                    }
                }
            }
        });
    }

    /// Adds the products of `count` pixels from `start` on to `sums` `[row][channel]` of one tap.
    fn multiply(&self, tap: usize, start: usize, count: usize, offsets: &[u32], sums: &mut [f32]) {
        let g = self.geometry;
        let Blocking { lanes, mr, .. } = self.simd.blocking();
        let width = self.vectors.len() * lanes;
        let [ky, kx] = [tap / g.kernel[1], tap % g.kernel[1]];
        let shift =
            (ky * g.dilation[0] * self.images.columns + kx * g.dilation[1]) * self.images.pitch;
        let b = &self.images.values[shift + self.vectors.start * lanes..];
        for (row, block) in self.blocks.clone().enumerate() {
            let panel = &self.panels.values
                [(self.group * self.panels.blocks + block) * self.panels.panel..];
            let tile = Tile {
                depth: count,
                a: panel[start * mr..].as_ptr(),
                b: b.as_ptr(),
                offsets: offsets.as_ptr(),
                c: sums[row * mr * width..].as_mut_ptr(),
                ldc: width,
                accumulate: true,
            };
            // SAFETY: the panel holds `count` pixels from `start` on, the images a whole pitch for each
            // shifted pixel, the sums `mr` rows of `width`.
            unsafe { self.simd.kernel(mr, self.vectors.len())(&tile) };
        }
    }

    /// Where the first tap of an output pixel lies in the images.
    fn offset(&self, pixel: usize) -> u32 {
        let g = self.geometry;
        let area = g.output[0] * g.output[1];
        let (sample, inside) = (pixel / area, pixel % area);
        let (row, column) = (inside / g.output[1], inside % g.output[1]);
        let image = (sample * g.groups + self.group) * self.images.plane;
        let position = row * g.stride[0] * self.images.columns + column * g.stride[1];
        u32::try_from(image + position * self.images.pitch).expect("a batch of less than 16 GiB")
    }
}
