//! How the input is laid out for the micro-kernel: which rows of columns its offsets point to.

use std::ops::Range;

use super::super::{kernel::Blocking, memory};
use super::geometry::Shifts;

/// The three layouts of the shifted input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// The input itself: a 1x1 kernel that reads and writes every position.
    Direct,
    /// A copy with its padding written out, one plane for each residue of the read position modulo the read
    /// step. Every tap is then the same row at another offset, and the ends of rows are computed and dropped.
    Padded,
    /// One row for each channel and tap, positions of all samples side by side: for small images, whose rows
    /// are too short to waste their ends.
    Columns,
}

impl Layout {
    /// The cheapest layout for these sizes.
    pub(super) fn choose(shifts: &Shifts, blocking: Blocking) -> Self {
        let same = shifts.read_step == [1, 1] && shifts.step == [1, 1];
        let one = shifts.taps.len() == 1 && shifts.taps[0].shift == [0, 0];
        if same && one && shifts.grid == shifts.input && shifts.grid == shifts.output {
            let positions = shifts.positions();
            if positions.is_multiple_of(blocking.lanes) && positions >= 4 * blocking.lanes {
                return Self::Direct;
            }
        }
        if shifts.taps.is_empty() {
            return Self::Columns;
        }
        // Dropped row ends cost a share of the products; a copy of every tap costs about as much as the
        // products of six (strided: twelve) output channels.
        let halo = Halo::new(shifts);
        let dropped = (halo.pitch - shifts.grid[1]) as f64 / shifts.grid[1] as f64;
        let copied = if shifts.read_step[1] == 1 { 6.0 } else { 12.0 } / shifts.outputs as f64;
        if dropped <= copied {
            Self::Padded
        } else {
            Self::Columns
        }
    }
}

/// The extent of the padded planes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halo {
    /// The smallest shift of a tap.
    low: [isize; 2],
    /// Rows beyond those of the grid.
    pub(super) rows: usize,
    /// Floats of a row.
    pub(super) pitch: usize,
    pub(super) step: [usize; 2],
}

impl Halo {
    pub(super) fn new(shifts: &Shifts) -> Self {
        let low = [0, 1].map(|axis| {
            shifts
                .taps
                .iter()
                .map(|tap| tap.shift[axis])
                .min()
                .unwrap_or_default()
        });
        let reach = [0, 1].map(|axis| {
            let high = shifts
                .taps
                .iter()
                .map(|tap| tap.shift[axis])
                .max()
                .unwrap_or_default();
            (high - low[axis]).cast_unsigned() / shifts.read_step[axis]
        });
        Self {
            low,
            rows: reach[0],
            pitch: shifts.grid[1] + reach[1],
            step: shifts.read_step,
        }
    }

    /// Floats of one channel when `rows` rows of the grid are computed.
    pub(super) fn channel(&self, rows: usize) -> usize {
        self.step[0] * self.step[1] * self.plane(rows)
    }

    fn plane(&self, rows: usize) -> usize {
        (rows + self.rows) * self.pitch
    }

    /// Where a tap's first position lies inside of a channel.
    pub(super) fn offset(&self, shift: [isize; 2], rows: usize) -> usize {
        let (residue, first) = self.place(shift);
        let plane = residue[0] * self.step[1] + residue[1];
        plane * self.plane(rows) + first[0] * self.pitch + first[1]
    }

    /// The residue of the plane that a tap reads, and the row and column of its first position in that plane.
    pub(super) fn place(&self, shift: [isize; 2]) -> ([usize; 2], [usize; 2]) {
        let [y, x] = [0, 1].map(|axis| (shift[axis] - self.low[axis]).cast_unsigned());
        (
            [y % self.step[0], x % self.step[1]],
            [y / self.step[0], x / self.step[1]],
        )
    }

    /// What row `row` of the plane of a residue reads of an input of this size; `None` if it lies outside.
    pub(super) fn reads(&self, [y, x]: [usize; 2], row: usize, size: [usize; 2]) -> Option<Reads> {
        let left = self.low[1] + x as isize;
        let first = left
            .min(0)
            .unsigned_abs()
            .div_ceil(self.step[1])
            .min(self.pitch);
        let room = (size[1] as isize - left).max(0) as usize;
        let last = room.div_ceil(self.step[1]).clamp(first, self.pitch);
        let line = (row * self.step[0]) as isize + self.low[0] + y as isize;
        if line < 0 || line >= size[0] as isize || first == last {
            return None;
        }
        let start = (first * self.step[1]) as isize + left;
        Some(Reads {
            inside: first..last,
            from: line as usize * size[1] + start as usize,
        })
    }

    /// Copies one channel `[h, w]` for the grid rows `rows`.
    pub(super) fn copy(
        &self,
        source: &[f32],
        size: [usize; 2],
        rows: Range<usize>,
        target: &mut [f32],
    ) {
        let planes = target.chunks_exact_mut(self.plane(rows.len()));
        let residues = (0..self.step[0]).flat_map(|y| (0..self.step[1]).map(move |x| [y, x]));
        for (plane, residue) in planes.zip(residues) {
            for (i, row) in plane.chunks_exact_mut(self.pitch).enumerate() {
                let Some(Reads { inside, from }) = self.reads(residue, rows.start + i, size) else {
                    row.fill(0.0);
                    continue;
                };
                row[..inside.start].fill(0.0);
                row[inside.end..].fill(0.0);
                let count = inside.len();
                let (line, inside) = (&source[from..], &mut row[inside]);
                match self.step[1] {
                    1 => memory::copy_row(&line[..count], inside),
                    step => {
                        for (value, &read) in inside.iter_mut().zip(line.iter().step_by(step)) {
                            *value = read;
                        }
                    }
                }
            }
        }
    }
}

/// What a row of a padded plane reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reads {
    /// Elements of the row that lie inside of the input; the others are zeros.
    pub(super) inside: Range<usize>,
    /// Element of the input that the first of them reads; the others follow in read steps.
    pub(super) from: usize,
}
