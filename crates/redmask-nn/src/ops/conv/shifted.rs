//! Forward pass and data gradient: sums over shifted reads.

use std::{cell::RefCell, ops::Range};

use super::super::{
    kernel::{
        Blocking, FactorLayout, Tile,
        pointwise::{self, Affine},
    },
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::Simd,
};
use super::{
    columns::ColumnReads,
    geometry::{Shifts, Sums, even_part},
    layout::{Halo, Layout},
    pack::PackedWeight,
    weight::Weight,
};

/// Products summed before a tile of results is stored: the columns of that depth stay in the first-level cache.
const DEPTH_BLOCK: usize = 160;

/// Elements of a task's buffer of results; what stays in the second-level cache beside the columns.
const RESULT_BLOCK: usize = 1 << 16;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    columns: Scratch,
    gathered: Scratch,
    sums: Scratch,
    offsets: Vec<u32>,
    factors: Vec<u32>,
    reads: ColumnReads,
}

/// The weights as the micro-kernel reads them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Factors<'a> {
    /// For many positions: a panel is read again for every tile of them.
    Packed(&'a PackedWeight),
    /// For few: packing would cost as much as the products.
    InRows(Weight<'a>),
}

/// Positions from which on packing pays. Fitted to `cargo bench -p redmask-nn --bench layers`.
const MANY: usize = 2048;

/// Whether the weights of these sums are better packed.
pub(super) fn packs(shifts: &Shifts) -> bool {
    shifts.batch * shifts.positions() >= MANY
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Computes `sums`.
pub(super) fn run(sums: Sums<'_>, weight: Factors<'_>) {
    let Sums {
        simd,
        shifts,
        x,
        maps,
        y,
    } = sums;
    let Blocking { lanes, mr, vectors } = simd.blocking();
    let blocks = shifts.outputs.div_ceil(mr);
    let (positions, threads) = (shifts.positions(), rayon::current_num_threads());
    if shifts.batch * positions == 0 {
        return;
    }
    let layout = Layout::choose(shifts, simd.blocking());
    let halo = Halo::new(shifts);
    // What a task computes: `units` of `unit` positions from each of `sets`.
    let (sets, unit) = match layout {
        Layout::Direct => (shifts.batch, lanes),
        Layout::Padded => (shifts.batch, shifts.grid[1]),
        Layout::Columns => (1, 1),
    };
    let units = shifts.batch * positions / sets / unit;
    let per_set = sets * shifts.groups;
    let widest = (RESULT_BLOCK / shifts.outputs).clamp(2 * lanes * vectors, 4096);
    let mut parts = units.div_ceil(widest.div_ceil(unit));
    if parts * per_set < 4 * threads && units * unit / parts >= 4 * lanes * vectors {
        // A multiple of the threads, so that none waits for the last part.
        parts = (parts * per_set)
            .next_multiple_of(threads)
            .div_ceil(per_set)
            .min(units);
    }
    // Too few positions for all threads: split the output channels as well.
    let halves = (threads / (parts * per_set)).clamp(1, blocks);
    memory::parallel(per_set * parts * halves, |task| {
        let (set, rest) = (task / (parts * halves), task % (parts * halves));
        let (sample, group) = (set / shifts.groups, set % shifts.groups);
        let (part, half) = (rest / halves, rest % halves);
        let range = even_part(units, parts, part);
        let blocks = even_part(blocks, halves, half);
        let (first, count) = (sample * positions + range.start * unit, range.len() * unit);
        let task = Task {
            simd,
            shifts,
            layout,
            halo,
            x,
            weight,
            maps,
            group,
            first,
            count,
            blocks,
        };
        scratch::lend(&BUFFERS, |buffers| task.run(buffers, y));
    });
}

/// `count` positions from `first` on, counted over all samples, for some blocks of output channels of one group.
struct Task<'a> {
    simd: Simd,
    shifts: &'a Shifts,
    layout: Layout,
    halo: Halo,
    x: &'a [f32],
    weight: Factors<'a>,
    maps: Option<&'a [Affine]>,
    group: usize,
    first: usize,
    count: usize,
    blocks: Range<usize>,
}

impl Task<'_> {
    fn run(&self, buffers: &mut Buffers, y: Shared<'_, f32>) {
        let Blocking { lanes, mr, vectors } = self.simd.blocking();
        let taps = self.shifts.taps.len();
        // Results that fill whole vectors of consecutive positions go straight to their place.
        let in_place = self.layout == Layout::Direct;
        let width = self.width();
        let channels_at_once = DEPTH_BLOCK.div_ceil(taps.max(1)).min(self.shifts.inputs);
        let Buffers {
            columns,
            gathered,
            sums,
            offsets,
            factors,
            reads,
        } = buffers;
        self.point(channels_at_once, offsets);
        let a_row_step = self.point_factors(channels_at_once, factors);
        let layout = match self.weight {
            Factors::Packed(_) => FactorLayout::Packed,
            Factors::InRows(_) => FactorLayout::InRows,
        };
        if self.layout == Layout::Columns {
            reads.prepare(self.shifts, self.first, self.count, width);
        }
        let (results, ldc) = if in_place {
            let plane = self.shifts.positions();
            let rows = (self.blocks.end * mr).min(self.shifts.outputs) - self.blocks.start * mr;
            let start = self.image(self.shifts.outputs, self.blocks.start * mr) * plane;
            // SAFETY: the task's columns of these rows are its own; the kernel touches no others.
            let at = unsafe { y.part(start + self.first % plane, (rows - 1) * plane + width) };
            (at.as_mut_ptr(), plane)
        } else {
            (
                sums.take(self.blocks.len() * mr * width).as_mut_ptr(),
                width,
            )
        };
        let tiles = (width / lanes).div_ceil(vectors);
        for channel in (0..self.shifts.inputs).step_by(channels_at_once) {
            let channels = channel..(channel + channels_at_once).min(self.shifts.inputs);
            let depth = channels.len() * taps;
            let source = self.lay_out(channels, columns, gathered, reads);
            for tile in 0..tiles {
                let vectors = even_part(width / lanes, tiles, tile);
                for (row, block) in self.blocks.clone().enumerate() {
                    let rows = mr.min(self.shifts.outputs - block * mr);
                    let tile = Tile {
                        depth,
                        a: self.factors(block, channel).as_ptr(),
                        a_offsets: factors.as_ptr(),
                        a_row_step,
                        b: source[vectors.start * lanes..].as_ptr(),
                        offsets: offsets.as_ptr(),
                        // SAFETY: inside of the results, which have `mr` (in place: `rows`) rows a block.
                        c: unsafe { results.add(row * mr * ldc + vectors.start * lanes) },
                        ldc,
                        accumulate: channel > 0,
                    };
                    let kernel = self.simd.kernel(layout, rows, vectors.len());
                    // SAFETY: the weight holds these rows, channels and taps; each offset leaves `width` elements of
                    // `source`.
                    unsafe { kernel(&tile) };
                }
            }
        }
        if !in_place {
            self.store(sums.take(self.blocks.len() * mr * width), y);
        } else if let Some(maps) = self.maps {
            let plane = self.shifts.positions();
            for channel in self.blocks.start * mr..(self.blocks.end * mr).min(self.shifts.outputs) {
                let at = self.image(self.shifts.outputs, channel) * plane + self.first % plane;
                // SAFETY: the task's columns of this row; the kernels are done with them.
                let row = unsafe { y.part(at, width) };
                let map = maps[self.group * self.shifts.outputs + channel];
                pointwise::apply(self.simd, map, row);
            }
        }
    }

    /// The factors of a block of output channels, from an input channel on.
    fn factors(&self, block: usize, channel: usize) -> &[f32] {
        match self.weight {
            Factors::Packed(weight) => {
                weight.panel(self.group, block, channel * self.shifts.taps.len())
            }
            Factors::InRows(weight) => {
                let row = block * self.simd.blocking().mr;
                weight.from(self.shifts, self.group, row, channel)
            }
        }
    }

    /// Writes the offsets of the factors of `channels` channels, if they lie in rows; returns the distance of the rows.
    fn point_factors(&self, channels: usize, offsets: &mut Vec<u32>) -> usize {
        offsets.clear();
        let Factors::InRows(weight) = self.weight else {
            return 0;
        };
        let [row_step, channel_step] = weight.steps(self.shifts);
        offsets.extend((0..channels).flat_map(|c| {
            (self.shifts.taps.iter()).map(move |tap| (c * channel_step + tap.element) as u32)
        }));
        row_step
    }

    /// The index of a channel's plane in the task's first sample.
    fn image(&self, channels: usize, channel: usize) -> usize {
        let sample = self.first / self.shifts.positions();
        (sample * self.shifts.groups + self.group) * channels + channel
    }

    /// Rows of the grid, where the layout takes whole ones.
    fn grid_rows(&self) -> Range<usize> {
        let first = self.first % self.shifts.positions() / self.shifts.grid[1];
        first..first + self.count / self.shifts.grid[1]
    }

    /// Columns computed, in whole vectors.
    fn width(&self) -> usize {
        let columns = match self.layout {
            Layout::Direct | Layout::Columns => self.count,
            // The last row's end need not be computed.
            Layout::Padded => (self.grid_rows().len() - 1) * self.halo.pitch + self.shifts.grid[1],
        };
        columns.next_multiple_of(self.simd.blocking().lanes)
    }

    /// Floats of a row of [`Layout::Columns`]: an odd number of vectors, so that rows fall into all cache sets.
    fn pitch(&self) -> usize {
        let lanes = self.simd.blocking().lanes;
        (self.count.div_ceil(lanes) | 1) * lanes
    }

    /// Writes the offsets of the rows of `channels` channels.
    fn point(&self, channels: usize, offsets: &mut Vec<u32>) {
        let taps = &self.shifts.taps;
        offsets.clear();
        match self.layout {
            Layout::Direct => {
                offsets.extend((0..channels).map(|c| (c * self.shifts.positions()) as u32));
            }
            Layout::Padded => {
                let rows = self.grid_rows().len();
                let channel = self.halo.channel(rows);
                offsets.extend((0..channels).flat_map(|c| {
                    taps.iter()
                        .map(move |t| (c * channel + self.halo.offset(t.shift, rows)) as u32)
                }));
            }
            Layout::Columns => {
                let pitch = self.pitch();
                offsets.extend((0..channels * taps.len()).map(|k| (k * pitch) as u32));
            }
        }
    }

    /// Puts the channels where the offsets say.
    fn lay_out<'b>(
        &'b self,
        channels: Range<usize>,
        buffer: &'b mut Scratch,
        gathered: &mut Scratch,
        reads: &ColumnReads,
    ) -> &'b [f32] {
        let s = self.shifts;
        let area = s.input[0] * s.input[1];
        match self.layout {
            Layout::Direct => {
                let at = self.image(s.inputs, channels.start) * area + self.first % s.positions();
                &self.x[at..]
            }
            Layout::Padded => {
                let rows = self.grid_rows();
                let channel = self.halo.channel(rows.len());
                // Whole vectors read past the last row; what they read is dropped.
                let slack = self.simd.blocking().lanes;
                let buffer = buffer.take(channels.len() * channel + slack);
                let source = &self.x[self.image(s.inputs, channels.start) * area..];
                for (plane, target) in source
                    .chunks_exact(area)
                    .zip(buffer.chunks_exact_mut(channel))
                    .take(channels.len())
                {
                    self.halo.copy(plane, s.input, rows.clone(), target);
                }
                buffer
            }
            Layout::Columns => {
                let pitch = self.pitch();
                let rows = s.taps.len() * pitch;
                let buffer = buffer.take((channels.len() * rows).max(pitch));
                let gathered = gathered.take(reads.gathered(s));
                for (channel, rows) in channels.zip(buffer.chunks_exact_mut(rows.max(1))) {
                    let plane = |sample: usize| {
                        let image = (sample * s.groups + self.group) * s.inputs + channel;
                        &self.x[image * area..][..area]
                    };
                    reads.copy(self.simd, plane, gathered, rows, pitch);
                }
                buffer
            }
        }
    }

    /// Writes the valid part of `sums` to the output.
    fn store(&self, sums: &[f32], y: Shared<'_, f32>) {
        let s = self.shifts;
        let mr = self.simd.blocking().mr;
        let width = self.width();
        let plane = s.output[0] * s.output[1];
        let channels = self.blocks.start * mr..(self.blocks.end * mr).min(s.outputs);
        for (row, channel) in sums.chunks_exact(width).zip(channels) {
            let map = self.maps.map(|maps| maps[self.group * s.outputs + channel]);
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
                    let target = unsafe { y.part(left, source.len()) };
                    match map {
                        Some(map) => pointwise::map(self.simd, map, source, target),
                        None => memory::copy_row(source, target),
                    }
                } else {
                    for (i, &value) in source.iter().enumerate() {
                        // SAFETY: as above, and other residues write other elements.
                        unsafe { y.write(left + i * s.step[1], value) };
                    }
                }
            }
        }
    }

    /// The task's positions as runs inside one row of the grid.
    fn runs(&self) -> impl Iterator<Item = Run> {
        let [_, across] = self.shifts.grid;
        let positions = self.shifts.positions();
        let end = self.first + self.count;
        let pitch = if self.layout == Layout::Padded {
            self.halo.pitch
        } else {
            across
        };
        let (mut next, mut at) = (self.first, 0);
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let (sample, inside) = (next / positions, next % positions);
            let (row, column) = (inside / across, inside % across);
            let len = (across - column).min(end - next);
            let run = Run {
                sample,
                row,
                columns: column..column + len,
                at,
            };
            next += len;
            at += if pitch > across { pitch } else { len };
            Some(run)
        })
    }
}

/// Consecutive positions of one grid row.
struct Run {
    sample: usize,
    row: usize,
    columns: Range<usize>,
    /// Where the run starts among the task's columns.
    at: usize,
}
