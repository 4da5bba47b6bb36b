//! Forward pass and data gradient: sums over shifted reads, output channels by positions.

use std::{cell::RefCell, ops::Range};

use super::super::super::{
    kernel::{
        amx::{Block, ROW_BYTES, Tiles},
        bf16,
    },
    memory::{self, Shared},
    scratch::{self, Scratch},
};
use super::super::geometry::{Shifts, even_part};
use super::{
    strip::{LANES, Planes, Strip, spread, strips},
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

/// Computes all positions of `shifts`, which have one group, into `y`.
pub(super) fn run(shifts: &Shifts, x: &[f32], weight: &TiledWeight, y: Shared<'_, f32>) {
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
            compute(shifts, strip, x, weight, panels, buffers, y);
        });
    });
}

fn compute(
    shifts: &Shifts,
    strip: &Strip,
    x: &[f32],
    weight: &TiledWeight,
    panels: Range<usize>,
    buffers: &mut Buffers,
    y: Shared<'_, f32>,
) {
    let planes = Planes::new(shifts, strip.clone());
    let depth = weight.depth;
    let width = planes.positions().next_multiple_of(LANES);
    let steps = shifts.taps.len() * depth.blocks;
    let pitch = spread(planes.channel(), size_of::<u32>());
    if steps > 0 {
        // Whole vectors read past the last row; what they read there is dropped.
        let image = buffers
            .image
            .take_as::<u32>(pitch * depth.all_pairs() + 2 * LANES);
        lay_out(&planes, shifts, x, image, pitch);
        buffers.offsets.clear();
        for tap in &shifts.taps {
            let offset = planes.offset(tap.shift);
            let blocks = (0..depth.blocks).map(|block| block * depth.pairs * pitch + offset);
            buffers
                .offsets
                .extend(blocks.map(|at| (at * size_of::<u32>()) as u32));
        }
    }
    let sums_pitch = spread(width, size_of::<f32>());
    let sums = buffers.sums.take(PANEL * sums_pitch);
    for panel in panels {
        let channels = panel * PANEL..shifts.outputs.min((panel + 1) * PANEL);
        if steps == 0 {
            sums.fill(0.0);
        } else {
            let image = buffers.image.take_as::<u32>(pitch * depth.all_pairs() + 2 * LANES);
            let down = channels.len().div_ceil(LANES);
            let tiles = Tiles::new(depth.pairs);
            for start in (0..width).step_by(2 * LANES) {
                let right = ((width - start) / LANES).min(2);
                let block = Block {
                    steps,
                    a: weight.panel(panel).as_ptr(),
                    a_pitch: ROW_BYTES,
                    a_down: LANES * ROW_BYTES,
                    a_step: PANEL * ROW_BYTES,
                    b: image[start..].as_ptr(),
                    offsets: buffers.offsets.as_ptr(),
                    b_pitch: pitch * size_of::<u32>(),
                    c: sums[start..].as_mut_ptr(),
                    c_pitch: sums_pitch * size_of::<f32>(),
                    accumulate: false,
                };
                // SAFETY: the panel has all steps; from each offset the image has `pairs` rows and a vector beyond
                // the last position; the sums have 32 rows of whole vectors.
                unsafe { tiles.multiply(down, right, &block) };
            }
        }
        store(shifts, &planes, sums, sums_pitch, channels, y);
    }
}

/// Lays pairs of channels out as rows of `pitch` pairs.
fn lay_out(planes: &Planes, shifts: &Shifts, x: &[f32], image: &mut [u32], pitch: usize) {
    let area = shifts.input[0] * shifts.input[1];
    let step = shifts.read_step[1];
    for (pair, target) in image.chunks_exact_mut(pitch).enumerate() {
        let channel = 2 * pair;
        if channel >= shifts.inputs {
            // Multiplied with weights of zero, which a NaN would survive.
            target.fill(0);
            continue;
        }
        planes.for_each_row(|sample, at, reads| {
            let row = &mut target[at];
            let Some(reads) = reads else {
                row.fill(0);
                return;
            };
            row[..reads.inside.start].fill(0);
            row[reads.inside.end..].fill(0);
            let plane = |channel: usize| {
                &x[(sample * shifts.inputs + channel) * area..][..area][reads.from..]
            };
            let high = (channel + 1 < shifts.inputs).then(|| plane(channel + 1));
            // SAFETY: this module runs only where AMX is available.
            unsafe { bf16::pair_rows(plane(channel), high, step, &mut row[reads.inside]) };
        });
    }
}

/// Writes the valid part of `sums` to the output.
fn store(
    shifts: &Shifts,
    planes: &Planes,
    sums: &[f32],
    pitch: usize,
    channels: Range<usize>,
    y: Shared<'_, f32>,
) {
    let plane = shifts.output[0] * shifts.output[1];
    for (sums, channel) in sums.chunks_exact(pitch).zip(channels) {
        planes.for_each_grid_row(|sample, row, at| {
            let line = shifts.origin[0] + row * shifts.step[0];
            let at_output = (sample * shifts.outputs + channel) * plane
                + line * shifts.output[1]
                + shifts.origin[1];
            let source = &sums[at..at + shifts.grid[1]];
            if shifts.step[1] == 1 {
                // SAFETY: the rows of one sample and channel belong to one task.
                unsafe { y.part(at_output, source.len()) }.copy_from_slice(source);
            } else {
                for (i, &value) in source.iter().enumerate() {
                    // SAFETY: as above, and other residues write other elements.
                    unsafe { y.write(at_output + i * shifts.step[1], value) };
                }
            }
        });
    }
}
