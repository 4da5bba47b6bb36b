//! The two factors of a weight gradient.

use std::ops::Range;

use super::super::super::{
    kernel::{amx::ROWS, bf16},
    scratch::Scratch,
};
use super::super::geometry::Tap;
use super::{
    PANEL,
    strip::{Planes, spread},
    weight_gradient::{Job, STEP},
};

/// Where the operands of a strip lie.
pub(super) struct Operands<'a> {
    pub(super) planes: &'a Planes,
    /// The gradient, `pitch` numbers a channel, zeros from the last position on.
    pub(super) gradient: &'a [u16],
    pub(super) pitch: usize,
    /// The input, `[panels][pairs from even, from odd positions][pairs][32 channels]`.
    pub(super) input: &'a [u32],
    /// Positions in whole steps.
    pub(super) positions: usize,
}

impl Job<'_> {
    /// Pairs of positions that a strip's taps and the last step of each read.
    pub(super) fn pairs(planes: &Planes) -> usize {
        (planes.channel() + STEP).div_ceil(2).next_multiple_of(ROWS)
    }

    /// Lays out the input channels of some panels.
    pub(super) fn lay_out_input<'b>(
        &self,
        planes: &Planes,
        panels: Range<usize>,
        rows: &mut Scratch,
        buffer: &'b mut Scratch,
    ) -> &'b [u32] {
        let pairs = Self::pairs(planes);
        // The last pair from an odd position ends one number later.
        let pitch = spread(2 * pairs + 1, size_of::<u16>());
        let rows = rows.take_as::<u16>(PANEL * pitch);
        let odd = |tap: &Tap| planes.offset(tap.shift) % 2;
        let read = [0, 1].map(|parity| self.shifts.taps.iter().any(|tap| odd(tap) == parity));
        let target = buffer.take_as::<u32>(panels.len() * 2 * pairs * PANEL);
        for (panel, target) in panels.zip(target.chunks_exact_mut(2 * pairs * PANEL)) {
            // The sums of what lies behind the last channel are dropped.
            let channels = PANEL.min(self.g.inputs - panel * PANEL);
            for (i, row) in rows.chunks_exact_mut(pitch).enumerate().take(channels) {
                self.lay_out_channel(planes, panel * PANEL + i, row);
            }
            let targets = target.chunks_exact_mut(pairs * PANEL);
            for (parity, target) in targets.enumerate().filter(|&(parity, _)| read[parity]) {
                pair(&rows[parity..], pitch, channels, target);
            }
        }
        target
    }

    /// Lays out an input channel.
    fn lay_out_channel(&self, planes: &Planes, channel: usize, row: &mut [u16]) {
        let g = self.g;
        let area = g.input[0] * g.input[1];
        // Read past the positions, these meet zeros, which a NaN would survive.
        row[planes.channel()..].fill(0);
        planes.for_each_row(|sample, at, reads| {
            let row = &mut row[at];
            let Some(reads) = reads else {
                row.fill(0);
                return;
            };
            row[..reads.inside.start].fill(0);
            row[reads.inside.end..].fill(0);
            let plane = &self.x[(sample * g.inputs + channel) * area..][..area];
            // SAFETY: this module runs only where AMX is available.
            unsafe { bf16::row(&plane[reads.from..], g.stride[1], &mut row[reads.inside]) };
        });
    }

    /// Lays out a channel of the gradient.
    pub(super) fn lay_out_gradient(&self, planes: &Planes, channel: usize, row: &mut [u16]) {
        let g = self.g;
        let [height, width] = g.output;
        let mut done = 0;
        planes.for_each_grid_row(|sample, line, at| {
            row[done..at].fill(0);
            let plane = (sample * g.outputs + channel) * height * width;
            let source = &self.dy[plane + line * width..][..width];
            // SAFETY: this module runs only where AMX is available.
            unsafe { bf16::row(source, 1, &mut row[at..at + width]) };
            done = at + width;
        });
        row[done..].fill(0);
    }
}

/// Turns rows of positions, `pitch` apart, into rows of 32 channels, one for each pair of positions.
fn pair(rows: &[u16], pitch: usize, channels: usize, target: &mut [u32]) {
    for (block, target) in target.chunks_exact_mut(ROWS * PANEL).enumerate() {
        for half in 0..channels.div_ceil(ROWS) {
            let from = &rows[half * ROWS * pitch + block * STEP..][..(ROWS - 1) * pitch + STEP];
            // SAFETY: the source has 16 rows of 32 numbers, the target 16 rows of 32 pairs; this module runs only where
            // AMX is available.
            unsafe {
                bf16::transposed(
                    from.as_ptr().cast(),
                    pitch * size_of::<u16>(),
                    target[half * ROWS..].as_mut_ptr().cast(),
                    PANEL * size_of::<u32>(),
                );
            }
        }
    }
}
