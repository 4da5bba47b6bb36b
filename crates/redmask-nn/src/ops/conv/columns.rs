//! Columns of small images: one row for each channel and tap, positions of all samples side by side.
//!
//! Which element a tap reads at a position, and whether it lies inside of the input, is the same for every
//! channel. It is worked out once per task; a row is then a masked copy.

use std::ops::Range;

use super::super::simd::{Simd, multiversion};
use super::geometry::Shifts;

/// What the rows of columns read, for some positions.
#[derive(Debug, Default)]
pub(super) struct ColumnReads {
    /// For each tap and column: all bits set where it reads inside of the input.
    masks: Vec<u32>,
    /// For each tap and column: the element of the gathered planes; empty if all reads are consecutive.
    indices: Vec<u32>,
    /// For each tap: how far its reads lie from the position itself, if all reads are consecutive.
    distances: Vec<isize>,
    /// Columns, in whole vectors.
    width: usize,
    /// The samples that are read.
    samples: Range<usize>,
    /// Zeros before and after the gathered planes.
    margin: usize,
    /// The first position, counted from the first sample that is read.
    first: usize,
}

impl ColumnReads {
    /// Works out the reads of `count` positions from `first` on, in rows of `width`.
    pub(super) fn prepare(&mut self, shifts: &Shifts, first: usize, count: usize, width: usize) {
        let positions = shifts.positions();
        let across = shifts.input[1] as isize;
        self.width = width;
        self.samples = first / positions..(first + count - 1) / positions + 1;
        self.first = first - self.samples.start * positions;
        // With equal rows on both sides a shifted read of consecutive positions is itself consecutive.
        let consecutive = shifts.read_step == [1, 1] && shifts.grid == shifts.input;
        let distance = |[y, x]: [isize; 2]| y * across + x;
        self.distances.clear();
        self.margin = 0;
        if consecutive {
            self.distances
                .extend(shifts.taps.iter().map(|tap| distance(tap.shift)));
            let reach = self.distances.iter().map(|d| d.unsigned_abs()).max();
            self.margin = reach.unwrap_or_default() + width - count;
        }
        self.masks.clear();
        self.masks.resize(shifts.taps.len() * width, 0);
        self.indices.clear();
        if !consecutive {
            self.indices.resize(shifts.taps.len() * width, 0);
        }
        let area = shifts.input[0] * shifts.input[1];
        for (t, tap) in shifts.taps.iter().enumerate() {
            let down = shifts.inside(0, tap.shift[0]);
            let across = shifts.inside(1, tap.shift[1]);
            let mut next = 0;
            while next < count {
                let position = self.first + next;
                let (sample, inside) = (position / positions, position % positions);
                let (row, column) = (inside / shifts.grid[1], inside % shifts.grid[1]);
                let run = (shifts.grid[1] - column).min(count - next);
                if down.contains(&row) {
                    let low = across.start.clamp(column, column + run);
                    let high = across.end.clamp(low, column + run);
                    let at = t * width + next;
                    self.masks[at + low - column..at + high - column].fill(u32::MAX);
                    if !consecutive && low < high {
                        let y = ((row * shifts.read_step[0]) as isize + tap.shift[0]) as usize;
                        let line = sample * area + y * shifts.input[1];
                        let indices = &mut self.indices[at + low - column..at + high - column];
                        for (index, x) in indices.iter_mut().zip(low..) {
                            let x = (x * shifts.read_step[1]) as isize + tap.shift[1];
                            *index = (line + x as usize) as u32;
                        }
                    }
                }
                next += run;
            }
        }
    }

    /// Floats that [`Self::copy`] needs for the gathered planes.
    pub(super) fn gathered(&self, shifts: &Shifts) -> usize {
        self.samples.len() * shifts.input[0] * shifts.input[1] + 2 * self.margin
    }

    /// Writes the rows of one channel, `pitch` apart, to `rows`.
    ///
    /// `plane` is the input plane of a sample by its index; `gathered` is scratch.
    pub(super) fn copy<'x>(
        &self,
        simd: Simd,
        plane: impl Fn(usize) -> &'x [f32],
        gathered: &mut [f32],
        rows: &mut [f32],
        pitch: usize,
    ) {
        let inner = gathered.len() - 2 * self.margin;
        gathered[..self.margin].fill(0.0);
        gathered[self.margin + inner..].fill(0.0);
        let planes = gathered[self.margin..].chunks_exact_mut(inner / self.samples.len());
        for (target, sample) in planes.zip(self.samples.clone()) {
            target.copy_from_slice(plane(sample));
        }
        let taps = rows
            .chunks_exact_mut(pitch)
            .zip(self.masks.chunks_exact(self.width));
        if self.indices.is_empty() {
            let start = (self.margin + self.first) as isize;
            for ((row, masks), distance) in taps.zip(&self.distances) {
                let source = &gathered[(start + distance) as usize..];
                masked_copy(simd, source, masks, row);
            }
        } else {
            for ((row, masks), indices) in taps.zip(self.indices.chunks_exact(self.width)) {
                masked_gather(simd, gathered, indices, masks, row);
            }
        }
    }
}

multiversion! {
    fn masked_copy(source: &[f32], masks: &[u32], target: &mut [f32]) {
        let source = &source[..masks.len()];
        for ((value, &read), &mask) in target.iter_mut().zip(source).zip(masks) {
            *value = f32::from_bits(read.to_bits() & mask);
        }
    }
}

multiversion! {
    fn masked_gather(source: &[f32], indices: &[u32], masks: &[u32], target: &mut [f32]) {
        for ((value, &index), &mask) in target.iter_mut().zip(indices).zip(masks) {
            *value = f32::from_bits(source[index as usize].to_bits() & mask);
        }
    }
}
