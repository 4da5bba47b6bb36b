//! Forward pass and data gradient: sums over shifted reads, output channels by positions.

use std::{cell::RefCell, ops::Range};

use super::super::super::{
    kernel::{
        amx::{Block, ROW_BYTES, Tiles},
        bf16,
        pointwise::{self, Affine},
    },
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::Simd,
};
use super::super::geometry::{Shifts, Sums, even_part};
use super::{
    strip::{LANES, Planes, spread, strips},
    weight::{PANEL, TiledWeight},
};

/// Positions of a strip: its results for a panel of channels stay in the second-level cache.
const POSITIONS: usize = 2048;

/// Pairs of numbers of a strip of the image that stay in the second-level cache.
const IMAGE: usize = 3 << 16;

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
    let positions = (IMAGE / weight.depth.all_pairs()).clamp(2 * LANES, POSITIONS);
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
        let depth = self.weight.depth;
        let taps = &self.shifts.taps;
        let pitch = spread(self.planes.channel(), size_of::<u32>());
        let width = self.planes.positions().next_multiple_of(LANES);
        let sums_pitch = spread(width, size_of::<f32>());
        let sums = sums.take(PANEL * sums_pitch);
        if taps.is_empty() {
            sums.fill(0.0);
            for panel in panels {
                self.store(sums, sums_pitch, panel, y);
            }
            return;
        }
        // Whole vectors read past the last row; what they read there is dropped.
        let image = image.take_as::<u32>(pitch * depth.all_pairs() + 2 * LANES);
        self.lay_out(image, pitch);
        offsets.clear();
        for tap in taps {
            let offset = self.planes.offset(tap.shift);
            let blocks = (0..depth.blocks).map(|block| block * depth.pairs * pitch + offset);
            offsets.extend(blocks.map(|at| (at * size_of::<u32>()) as u32));
        }
        let tiles = Tiles::new(depth.pairs);
        for panel in panels {
            let down = self.channels(panel).len().div_ceil(LANES);
            for start in (0..width).step_by(2 * LANES) {
                let right = ((width - start) / LANES).min(2);
                let block = Block {
                    steps: offsets.len(),
                    a: self.weight.panel(panel).as_ptr(),
                    a_pitch: ROW_BYTES,
                    a_down: LANES * ROW_BYTES,
                    a_step: PANEL * ROW_BYTES,
                    b: image[start..].as_ptr(),
                    offsets: offsets.as_ptr(),
                    b_pitch: pitch * size_of::<u32>(),
                    c: sums[start..].as_mut_ptr(),
                    c_pitch: sums_pitch * size_of::<f32>(),
                    accumulate: false,
                };
                // SAFETY: the panel has all steps; from each offset the image has `pairs` rows and a vector beyond the
                // last position; the sums have 32 rows of whole vectors.
                unsafe { tiles.multiply(down, right, &block) };
            }
            self.store(sums, sums_pitch, panel, y);
        }
    }

    /// Output channels of a panel.
    fn channels(&self, panel: usize) -> Range<usize> {
        panel * PANEL..self.shifts.outputs.min((panel + 1) * PANEL)
    }

    /// Lays pairs of channels out as rows of `pitch` pairs.
    fn lay_out(&self, image: &mut [u32], pitch: usize) {
        let s = self.shifts;
        let area = s.input[0] * s.input[1];
        for (pair, target) in image.chunks_exact_mut(pitch).enumerate() {
            let channel = 2 * pair;
            if channel >= s.inputs {
                // Multiplied with weights of zero, which a NaN would survive.
                target.fill(0);
                continue;
            }
            self.planes.for_each_row(|sample, at, reads| {
                let row = &mut target[at];
                let Some(reads) = reads else {
                    row.fill(0);
                    return;
                };
                row[..reads.inside.start].fill(0);
                row[reads.inside.end..].fill(0);
                let plane = |channel: usize| {
                    &self.x[(sample * s.inputs + channel) * area..][..area][reads.from..]
                };
                let high = (channel + 1 < s.inputs).then(|| plane(channel + 1));
                let row = &mut row[reads.inside];
                // SAFETY: this module runs only where AMX is available.
                unsafe { bf16::pair_rows(plane(channel), high, s.read_step[1], row) };
            });
        }
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
