//! Forward pass and data gradient: sums over shifted reads, by way of packed columns.

use super::super::{
    kernel::{Blocking, Tile},
    memory::{self, Shared},
    scratch::{Buffers, with_buffers},
    simd::Simd,
};
use super::{
    geometry::{Shifts, even_part},
    pack::PackedWeight,
};

/// Products summed before the tile of results is stored: 48 columns of that depth stay in the first-level cache.
const DEPTH_BLOCK: usize = 144;

/// Elements of a task's buffer of results; what stays in the second-level cache beside the columns.
const RESULT_BLOCK: usize = 1 << 16;

/// Computes all positions of `shifts` into `y`.
pub(super) fn run(
    simd: Simd,
    shifts: &Shifts,
    x: &[f32],
    weight: &PackedWeight,
    y: Shared<'_, f32>,
) {
    let Blocking { lanes, vectors, .. } = simd.blocking();
    let columns = shifts.batch * shifts.positions();
    if columns == 0 {
        return;
    }
    let threads = rayon::current_num_threads();
    let widest = (RESULT_BLOCK / shifts.outputs).clamp(2 * lanes * vectors, 10 * lanes * vectors);
    let mut parts = columns.div_ceil(widest);
    if parts * shifts.groups > 1 || columns >= 2 * lanes * vectors {
        // A multiple of the threads, so that none waits for the last part.
        parts = (parts * shifts.groups)
            .next_multiple_of(threads)
            .div_ceil(shifts.groups);
    }
    let parts = parts.min(columns.div_ceil(lanes));
    // Too few positions for all threads: split the output channels as well.
    let halves = (threads / (parts * shifts.groups)).clamp(1, weight.blocks());
    memory::parallel(shifts.groups * parts * halves, |task| {
        let (group, rest) = (task / (parts * halves), task % (parts * halves));
        let (part, half) = (rest / halves, rest % halves);
        let range = even_part(columns, parts, part);
        let blocks = even_part(weight.blocks(), halves, half);
        with_buffers(|buffers| {
            let task = Task {
                simd,
                shifts,
                x,
                weight,
                group,
                first: range.start,
                count: range.len(),
            };
            task.multiply(blocks.clone(), buffers);
            task.store(blocks, buffers, y);
        });
    });
}

/// The columns `first..first + count` of one group, over the positions of all samples.
struct Task<'a> {
    simd: Simd,
    shifts: &'a Shifts,
    x: &'a [f32],
    weight: &'a PackedWeight,
    group: usize,
    first: usize,
    count: usize,
}

impl Task<'_> {
    /// Columns padded to whole vectors.
    fn width(&self) -> usize {
        self.count.next_multiple_of(self.simd.blocking().lanes)
    }

    /// Fills `buffers.sums` `[blocks * mr][width]`.
    fn multiply(&self, blocks: std::ops::Range<usize>, buffers: &mut Buffers) {
        let Blocking { lanes, mr, vectors } = self.simd.blocking();
        let width = self.width();
        let taps = self.shifts.taps.len();
        let channels_at_once = DEPTH_BLOCK.div_ceil(taps.max(1)).min(self.shifts.inputs);
        // An odd number of vectors keeps the rows from falling into few cache sets.
        let pitch = ((width / lanes) | 1) * lanes;
        let Buffers {
            columns,
            sums,
            offsets,
            ..
        } = buffers;
        let sums = sums.take(blocks.len() * mr * width);
        if taps == 0 {
            sums.fill(0.0);
            return;
        }
        let columns = columns.take(channels_at_once * taps * pitch);
        offsets.clear();
        offsets.extend((0..channels_at_once * taps).map(|k| (k * pitch) as u32));
        let tiles = (width / lanes).div_ceil(vectors);
        let mut channel = 0;
        loop {
            let channels = channels_at_once.min(self.shifts.inputs - channel);
            self.pack_columns(channel..channel + channels, columns, pitch);
            let depth = channels * taps;
            for tile in 0..tiles {
                let vectors = even_part(width / lanes, tiles, tile);
                for (row, block) in blocks.clone().enumerate() {
                    let rows = mr.min(self.shifts.outputs - block * mr);
                    let panel = self.weight.panel(self.group, block, channel * taps);
                    let at = row * mr * width + vectors.start * lanes;
                    let tile = Tile {
                        depth,
                        a: panel.as_ptr(),
                        b: columns[vectors.start * lanes..].as_ptr(),
                        offsets: offsets.as_ptr(),
                        c: sums[at..].as_mut_ptr(),
                        ldc: width,
                        accumulate: channel > 0,
                    };
                    // SAFETY: `panel` holds the depth from this channel on, `columns` has `depth` rows of
                    // `pitch >= width`, `sums` has `mr` rows of `width` from the block's first.
                    unsafe { self.simd.kernel(rows, vectors.len())(&tile) };
                }
            }
            channel += channels;
            if channel >= self.shifts.inputs {
                break;
            }
        }
    }

    /// The columns of `channels` as rows `[channel][tap][pitch]`.
    fn pack_columns(&self, channels: std::ops::Range<usize>, columns: &mut [f32], pitch: usize) {
        let s = self.shifts;
        let plane = s.input[0] * s.input[1];
        let width = self.width();
        let rows = columns.chunks_exact_mut(pitch);
        let taps = channels.flat_map(|c| s.taps.iter().map(move |tap| (c, tap)));
        for (row, (channel, tap)) in rows.zip(taps) {
            let down = s.inside(0, tap.shift[0]);
            let across = s.inside(1, tap.shift[1]);
            for Run {
                sample,
                row: g,
                columns,
                at,
            } in self.runs()
            {
                let target = &mut row[at..at + columns.len()];
                let low = across.start.clamp(columns.start, columns.end) - columns.start;
                let high = across.end.clamp(columns.start, columns.end) - columns.start;
                if !down.contains(&g) || low >= high {
                    target.fill(0.0);
                    continue;
                }
                let image = (sample * s.groups + self.group) * s.inputs + channel;
                let line = ((g * s.read_step[0]) as isize + tap.shift[0]) as usize * s.input[1];
                let left = ((columns.start + low) * s.read_step[1]) as isize + tap.shift[1];
                let source = &self.x[image * plane + line + left as usize..];
                target[..low].fill(0.0);
                target[high..].fill(0.0);
                let target = &mut target[low..high];
                if s.read_step[1] == 1 {
                    target.copy_from_slice(&source[..target.len()]);
                } else {
                    for (value, &read) in
                        target.iter_mut().zip(source.iter().step_by(s.read_step[1]))
                    {
                        *value = read;
                    }
                }
            }
            row[self.count..width].fill(0.0);
        }
    }

    /// Writes the valid part of `buffers.sums` to the output.
    fn store(&self, blocks: std::ops::Range<usize>, buffers: &mut Buffers, y: Shared<'_, f32>) {
        let s = self.shifts;
        let mr = self.simd.blocking().mr;
        let width = self.width();
        let plane = s.output[0] * s.output[1];
        let channels = blocks.start * mr..(blocks.end * mr).min(s.outputs);
        let sums = buffers.sums.take(blocks.len() * mr * width);
        for (row, channel) in sums.chunks_exact(width).zip(channels) {
            for Run {
                sample,
                row: g,
                columns,
                at,
            } in self.runs()
            {
                let image = (sample * s.groups + self.group) * s.outputs + channel;
                let line = image * plane + (s.origin[0] + g * s.step[0]) * s.output[1];
                let left = line + s.origin[1] + columns.start * s.step[1];
                let source = &row[at..at + columns.len()];
                if s.step[1] == 1 {
                    // SAFETY: positions of one group and channel block belong to one task.
                    unsafe { y.part(left, source.len()) }.copy_from_slice(source);
                } else {
                    for (i, &value) in source.iter().enumerate() {
                        // SAFETY: as above, and other residues write other elements.
                        unsafe { y.write(left + i * s.step[1], value) };
                    }
                }
            }
        }
    }

    /// The task's columns as runs inside one row of the grid.
    fn runs(&self) -> impl Iterator<Item = Run> {
        let [_, across] = self.shifts.grid;
        let positions = self.shifts.positions();
        let end = self.first + self.count;
        let mut next = self.first;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let (sample, inside) = (next / positions, next % positions);
            let (row, column) = (inside / across, inside % across);
            let len = (across - column).min(end - next);
            let at = next - self.first;
            next += len;
            Some(Run {
                sample,
                row,
                columns: column..column + len,
                at,
            })
        })
    }
}

/// Consecutive positions of one grid row.
struct Run {
    sample: usize,
    row: usize,
    columns: std::ops::Range<usize>,
    /// Where the run starts among the task's columns.
    at: usize,
}
