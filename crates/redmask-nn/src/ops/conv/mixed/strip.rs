//! The part of an image that a task computes, and how its planes lie in the task's buffers.

use std::ops::Range;

use super::super::{
    geometry::Shifts,
    layout::{Halo, Reads},
};

/// Some rows of one sample, or several whole samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strip {
    pub(super) samples: Range<usize>,
    /// Rows of the grid.
    pub(super) rows: Range<usize>,
}

/// The strips of all samples, about `positions` long, in a number that is easy on `threads`.
pub(super) fn strips(shifts: &Shifts, positions: usize, threads: usize) -> Vec<Strip> {
    let halo = Halo::new(shifts);
    let sample = (shifts.grid[0] + halo.rows) * halo.pitch;
    let even = |total: usize, parts: usize| {
        (0..parts).map(move |i| total * i / parts..total * (i + 1) / parts)
    };
    // Not one more than the threads can share out evenly.
    let round = |parts: usize, most: usize| {
        if parts > threads && parts < 4 * threads {
            parts.next_multiple_of(threads).min(most)
        } else {
            parts
        }
    };
    if 2 * sample <= positions || shifts.grid[0] * halo.pitch <= positions {
        let at_once = (positions / sample).max(1);
        let parts = round(shifts.batch.div_ceil(at_once), shifts.batch);
        return even(shifts.batch, parts)
            .map(|samples| Strip {
                samples,
                rows: 0..shifts.grid[0],
            })
            .collect();
    }
    let rows_at_once = (positions / halo.pitch).max(1);
    let parts = round(
        shifts.batch * shifts.grid[0].div_ceil(rows_at_once),
        usize::MAX,
    );
    let parts = parts.div_ceil(shifts.batch).min(shifts.grid[0]);
    (0..shifts.batch)
        .flat_map(|sample| {
            even(shifts.grid[0], parts).map(move |rows| Strip {
                samples: sample..sample + 1,
                rows,
            })
        })
        .collect()
}

/// How the planes of a strip lie one after another: `[residues][samples][rows][pitch]`, each sample with its halo.
///
/// A position of the grid is then the same distance from its reads everywhere; what lies between the rows and samples is
/// computed too and dropped. To keep that little, the zeros behind a row are at the same time those before the next one, and
/// likewise the rows of zeros between two samples.
#[derive(Debug, Clone)]
pub(super) struct Planes {
    halo: Halo,
    /// Residues of the read position modulo the read step that any tap reads.
    residues: Vec<[usize; 2]>,
    strip: Strip,
    input: [usize; 2],
    grid_width: usize,
    /// Elements from one row to the next, and from one sample to the next.
    pitch: usize,
    sample: usize,
    /// Zeros behind the last sample that no next one brings.
    tail: usize,
}

impl Planes {
    pub(super) fn new(shifts: &Shifts, strip: Strip) -> Self {
        let halo = Halo::new(shifts);
        let mut residues: Vec<_> = shifts.taps.iter().map(|t| halo.place(t.shift).0).collect();
        residues.sort_unstable();
        residues.dedup();
        let rows = strip.rows.len() + halo.rows;
        // Zeros that every row has on both sides, and rows of zeros that every sample has on both sides.
        let (mut columns_shared, mut rows_shared) = (halo.pitch, halo.rows);
        for &residue in &residues {
            let inside = |row: usize| halo.reads(residue, strip.rows.start + row, shifts.input);
            let mut filled = (0..rows).filter(|&row| inside(row).is_some());
            let Some(first) = filled.next() else { continue };
            let last = filled.next_back().unwrap_or(first);
            rows_shared = rows_shared.min(first).min(rows - 1 - last);
            let columns = inside(first).map(|reads| reads.inside);
            let columns = columns.expect("the row is one of those that read");
            columns_shared = columns_shared
                .min(columns.start)
                .min(halo.pitch - columns.end);
        }
        let columns_shared = columns_shared.min(halo.pitch - shifts.grid[1]);
        let pitch = halo.pitch - columns_shared;
        Self {
            halo,
            residues,
            input: shifts.input,
            grid_width: shifts.grid[1],
            pitch,
            sample: (rows - rows_shared) * pitch,
            tail: rows_shared * pitch + columns_shared,
            strip,
        }
    }

    /// Elements of all samples of one residue.
    fn residue(&self) -> usize {
        self.strip.samples.len() * self.sample + self.tail
    }

    /// Elements of a channel.
    pub(super) fn channel(&self) -> usize {
        self.residues.len() * self.residue()
    }

    /// Positions from the first to the last one of the grid.
    pub(super) fn positions(&self) -> usize {
        (self.strip.samples.len() - 1) * self.sample
            + (self.strip.rows.len() - 1) * self.pitch
            + self.grid_width
    }

    /// How far a tap's reads lie from a position of the grid.
    pub(super) fn offset(&self, shift: [isize; 2]) -> usize {
        let (residue, [y, x]) = self.halo.place(shift);
        let slot = self.residues.iter().position(|&r| r == residue);
        let slot = slot.expect("the residues are those of the taps");
        slot * self.residue() + y * self.pitch + x
    }

    /// Calls `row` for each row of a channel: sample, elements of the row, and what they read of the sample's plane.
    pub(super) fn for_each_row(&self, mut row: impl FnMut(usize, Range<usize>, Option<Reads>)) {
        let rows = self.sample / self.pitch;
        let mut at = 0;
        for &residue in &self.residues {
            for sample in self.strip.samples.clone() {
                for line in self.strip.rows.start..self.strip.rows.start + rows {
                    let reads = self.halo.reads(residue, line, self.input);
                    row(sample, at..at + self.pitch, reads);
                    at += self.pitch;
                }
            }
            row(self.strip.samples.start, at..at + self.tail, None);
            at += self.tail;
        }
    }

    /// Calls `row` for each row of the grid: sample, row, and the first position.
    pub(super) fn for_each_grid_row(&self, mut row: impl FnMut(usize, usize, usize)) {
        for (i, sample) in self.strip.samples.clone().enumerate() {
            for (j, line) in self.strip.rows.clone().enumerate() {
                row(sample, line, i * self.sample + j * self.pitch);
            }
        }
    }
}

/// A distance between rows of a matrix of at least `elements` elements of `bytes` that spreads them over the sets of the
/// cache: an odd number of cache lines.
pub(super) fn spread(elements: usize, bytes: usize) -> usize {
    let line = 64 / bytes;
    (elements.div_ceil(line) | 1) * line
}
