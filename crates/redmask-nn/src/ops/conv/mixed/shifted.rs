//! Forward pass and data gradient: sums over shifted reads, positions by output channels.
//!
//! The image is laid out in pixels, the channels of a position side by side. A left factor of the matrix unit, 16 positions by 32
//! channels, is then 16 whole cache lines wherever a tap reads.

use std::{cell::RefCell, ops::Range};

use super::super::super::{
    kernel::{
        amx::{Block, ROWS, Tiles},
        bf16,
        pointwise::{self, Affine},
    },
    memory::{self, Shared},
    scratch::{self, Line, Scratch},
    simd::Simd,
};
use super::super::geometry::{Shifts, Sums, even_part};
use super::{
    PANEL,
    strip::{Planes, spread, strips},
    weight::TiledWeight,
};

/// Positions of a strip: its results for a panel of channels stay in the second-level cache.
const POSITIONS: usize = 2048;

/// Numbers of a strip of the image that stay in the second-level cache.
const IMAGE: usize = 3 << 17;

/// Positions of a block of results: two tiles.
const DOWN: usize = 2 * ROWS;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    image: Scratch,
    sums: Scratch,
    offsets: Vec<u32>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Computes `sums`, which have one group.
pub(in super::super) fn run(sums: Sums<'_>, weight: &TiledWeight) {
    let Sums {
        simd,
        shifts,
        x,
        maps,
        y,
    } = sums;
    if shifts.batch * shifts.positions() == 0 {
        return;
    }
    let threads = rayon::current_num_threads();
    let depth = weight.depth;
    let positions = (IMAGE / (depth.width * depth.blocks)).clamp(DOWN, POSITIONS);
    let strips = strips(shifts, positions, threads);
    // Fewer strips than threads: split the output channels as well.
    let halves = (threads / strips.len()).clamp(1, weight.panels);
    memory::parallel(strips.len() * halves, |task| {
        let strip = &strips[task / halves];
        let panels = even_part(weight.panels, halves, task % halves);
        scratch::lend(&BUFFERS, |buffers| {
            let task = Task {
                simd,
                shifts,
                planes: Planes::new(shifts, strip.clone()),
                x,
                weight,
                maps,
            };
            task.run(panels, buffers, y);
        });
    });
}

/// A strip of positions.
struct Task<'a> {
    simd: Simd,
    shifts: &'a Shifts,
    planes: Planes,
    x: &'a [f32],
    weight: &'a TiledWeight,
    maps: Option<&'a [Affine]>,
}

impl Task<'_> {
    fn run(&self, panels: Range<usize>, buffers: &mut Buffers, y: Shared<'_, f32>) {
        let Buffers {
            image,
            sums,
            offsets,
        } = buffers;
        let positions = self.planes.positions();
        let sums_pitch = spread(positions.next_multiple_of(DOWN), size_of::<f32>());
        let sums = sums.take(PANEL * sums_pitch);
        if self.weight.groups.is_empty() {
            sums.fill(0.0);
            for panel in panels {
                self.store(sums, sums_pitch, panel, y);
            }
            return;
        }
        let image = self.lay_out(image);
        let TiledWeight { depth, pairs, .. } = *self.weight;
        let pixel = depth.width * size_of::<u16>();
        offsets.clear();
        for block in 0..depth.blocks {
            let block = block * self.planes.channel();
            let groups = self.weight.groups.iter();
            offsets.extend(
                groups.map(|group| ((block + self.planes.offset(group.shift)) * pixel) as u32),
            );
        }
        let tiles = Tiles::new(pairs);
        let mut results = [Line::default(); 2 * DOWN];
        let c: &mut [f32] = bytemuck::cast_slice_mut(&mut results);
        for panel in panels {
            let right = self.channels(panel).len().div_ceil(ROWS);
            for start in (0..positions).step_by(DOWN) {
                let down = (positions - start).div_ceil(ROWS).min(2);
                let block = Block {
                    steps: offsets.len(),
                    a: image[start * depth.width..].as_ptr(),
                    offsets: offsets.as_ptr(),
                    a_pitch: pixel,
                    b: self.weight.panel(panel).as_ptr(),
                    b_step: pairs * PANEL * size_of::<u32>(),
                    c: c.as_mut_ptr(),
                    c_pitch: PANEL * size_of::<f32>(),
                    accumulate: false,
                };
                // SAFETY: the panel has all steps; from each offset the image has the positions of the strip and pixels
                // behind them; the results are 32 rows of 32.
                unsafe { tiles.multiply(down, right, &block) };
                turn(c, [down, right], &mut sums[start..], sums_pitch);
            }
            self.store(sums, sums_pitch, panel, y);
        }
    }

    /// Output channels of a panel.
    fn channels(&self, panel: usize) -> Range<usize> {
        panel * PANEL..self.shifts.outputs.min((panel + 1) * PANEL)
    }

    /// Lays the strip out as `[blocks of channels][positions][channels of a block]`.
    fn lay_out<'b>(&self, image: &'b mut Scratch) -> &'b [u16] {
        let s = self.shifts;
        let depth = self.weight.depth;
        let area = s.input[0] * s.input[1];
        let len = self.planes.channel() * depth.width;
        // Tiles and groups of taps read past the last position. What they read there meets zeros, which a NaN would survive.
        let behind = (DOWN + PANEL) * depth.width;
        let image = image.take_as::<u16>(depth.blocks * len + behind);
        let (blocks, behind) = image.split_at_mut(depth.blocks * len);
        behind.fill(0);
        for (block, target) in blocks.chunks_exact_mut(len).enumerate() {
            let first = block * depth.width;
            let channels = depth.width.min(s.inputs - first);
            self.planes.for_each_row(|sample, at, reads| {
                let row = &mut target[at.start * depth.width..at.end * depth.width];
                let Some(reads) = reads else {
                    row.fill(0);
                    return;
                };
                let inside = reads.inside.start * depth.width..reads.inside.end * depth.width;
                row[..inside.start].fill(0);
                row[inside.end..].fill(0);
                let source = &self.x[(sample * s.inputs + first) * area + reads.from..];
                let row = &mut row[inside];
                // SAFETY: this module runs only where AMX is available.
                unsafe {
                    bf16::pixels(source, area, channels, s.read_step[1], depth.width, row);
                };
            });
        }
        image
    }

    /// Writes the valid part of a panel's sums to the output.
    fn store(&self, sums: &[f32], pitch: usize, panel: usize, y: Shared<'_, f32>) {
        let s = self.shifts;
        let plane = s.output[0] * s.output[1];
        for (sums, channel) in sums.chunks_exact(pitch).zip(self.channels(panel)) {
            let map = self.maps.map(|maps| maps[channel]);
            self.planes.for_each_grid_row(|sample, row, at| {
                let line = s.origin[0] + row * s.step[0];
                let first =
                    (sample * s.outputs + channel) * plane + line * s.output[1] + s.origin[1];
                let source = &sums[at..at + s.grid[1]];
                if s.step[1] == 1 {
                    // SAFETY: the rows of one sample and channel belong to one task.
                    let target = unsafe { y.part(first, source.len()) };
                    match map {
                        Some(map) => pointwise::map(self.simd, map, source, target),
                        None => memory::copy_row(source, target),
                    }
                } else {
                    for (i, &value) in source.iter().enumerate() {
                        // SAFETY: as above, and other residues write other elements.
                        unsafe { y.write(first + i * s.step[1], value) };
                    }
                }
            });
        }
    }
}

/// Writes a block of `down` by `right` tiles of results, a row for each position, as rows of output channels.
fn turn(block: &[f32], [down, right]: [usize; 2], target: &mut [f32], pitch: usize) {
    for (i, j) in (0..down).flat_map(|i| (0..right).map(move |j| (i, j))) {
        let from = &block[(i * PANEL + j) * ROWS..][..(ROWS - 1) * PANEL + ROWS];
        let to = &mut target[(j * pitch + i) * ROWS..][..(ROWS - 1) * pitch + ROWS];
        // SAFETY: both slices hold 16 rows of 16, and this module runs only where AMX is available.
        unsafe {
            bf16::transposed(
                from.as_ptr().cast(),
                PANEL * size_of::<f32>(),
                to.as_mut_ptr().cast(),
                pitch * size_of::<f32>(),
            );
        }
    }
}
