//! Packing of weights into the tiles that the matrix unit reads.

use std::cell::RefCell;

use super::super::super::{
    kernel::{amx::ROWS, bf16},
    memory::{self, Shared},
    scratch::{self, Scratch},
};
use super::super::{
    geometry::{Shifts, even_part},
    weight::{Reduce, Weight},
};

/// Numbers of a row of a tile.
const WIDTH: usize = 2 * ROWS;

/// Rows of a panel: two tiles.
pub(super) const PANEL: usize = 2 * ROWS;

/// Numbers of one step of a panel.
const STEP: usize = PANEL * WIDTH;

thread_local! {
    static BLOCK: RefCell<Scratch> = RefCell::default();
}

/// How channels are summed: in blocks of the same number of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    /// Pairs of a block, at most the rows of a tile.
    pub(super) pairs: usize,
    pub(super) blocks: usize,
}

impl Depth {
    pub(super) fn new(channels: usize) -> Self {
        let pairs = channels.div_ceil(2);
        let blocks = pairs.div_ceil(ROWS).max(1);
        Self {
            pairs: pairs.div_ceil(blocks),
            blocks,
        }
    }

    /// Pairs with those that fill up the last block.
    pub(super) fn all_pairs(self) -> usize {
        self.pairs * self.blocks
    }
}

/// Weights as `[panels][taps][blocks of channels][32 rows][32 channels]`, rounded to bfloat16.
#[derive(Debug)]
pub(in super::super) struct TiledWeight {
    values: Vec<u16>,
    steps: usize,
    pub(super) depth: Depth,
    pub(super) panels: usize,
}

impl TiledWeight {
    /// Packs the taps of `shifts`, which have one group.
    pub(in super::super) fn new(weight: Weight<'_>, shifts: &Shifts) -> Self {
        let Weight {
            values: weight,
            window,
            reduce,
        } = weight;
        let (rows, channels, taps) = (shifts.outputs, shifts.inputs, shifts.taps.len());
        let depth = Depth::new(channels);
        let panels = rows.div_ceil(PANEL);
        let steps = taps * depth.blocks;
        let count = panels * depth.blocks;
        let tasks = if count * taps < 16 { 1 } else { count.min(64) };
        let pack = |values: Shared<'_, u16>, task: usize| {
            for index in even_part(count, tasks, task) {
                let (panel, block) = (index / depth.blocks, index % depth.blocks);
                let first = [panel * PANEL, block * 2 * depth.pairs];
                let valid = [
                    PANEL.min(rows - first[0]),
                    (2 * depth.pairs).min(channels - first[1]),
                ];
                scratch::lend(&BLOCK, |scratch| {
                    let source = Block {
                        window,
                        size: [rows, channels],
                        first,
                        valid,
                        reduce,
                    }
                    .lay_out(weight, scratch);
                    for (t, tap) in shifts.taps.iter().enumerate() {
                        let at = (panel * steps + t * depth.blocks + block) * STEP;
                        // SAFETY: every step of every panel is written by one task.
                        let target = unsafe { values.part(at, STEP) };
                        for (row, target) in
                            target.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate()
                        {
                            if row >= valid[0] {
                                target.fill(0);
                            } else {
                                let numbers = &source.values[row * source.row_step + tap.element..];
                                // SAFETY: this module runs only where AMX is available.
                                unsafe { bf16::tile_row(numbers, source.channel_step, target) };
                            }
                        }
                    }
                });
            }
        };
        // SAFETY: the tasks write all steps of all panels.
        let values = unsafe {
            memory::filled(panels * steps * STEP, |values| {
                memory::parallel(tasks, |task| pack(values, task));
            })
        };
        Self {
            values,
            steps,
            depth,
            panels,
        }
    }

    /// The tiles of 32 output channels.
    pub(super) fn panel(&self, panel: usize) -> &[u16] {
        &self.values[panel * self.steps * STEP..][..self.steps * STEP]
    }
}

/// 32 rows and 32 summed channels of a weight, or as many as there are.
struct Block {
    window: usize,
    /// Rows and summed channels of the weight.
    size: [usize; 2],
    first: [usize; 2],
    valid: [usize; 2],
    reduce: Reduce,
}

/// The weights of a block, and how far apart two rows and two channels lie.
struct Source<'a> {
    values: &'a [f32],
    row_step: usize,
    channel_step: usize,
}

impl Block {
    /// The block side by side, zeros where there are fewer channels than 32.
    fn lay_out<'a>(&self, weight: &'a [f32], scratch: &'a mut Scratch) -> Source<'a> {
        let Self {
            window,
            size,
            first,
            valid,
            reduce,
        } = *self;
        // Rows and summed channels as outer and inner axes of the weight `[outer][inner][window]`.
        let [outer, inner] = match reduce {
            Reduce::Inputs => [0, 1],
            Reduce::Outputs => [1, 0],
        };
        let at = |i: usize| ((first[outer] + i) * size[inner] + first[inner]) * window;
        if reduce == Reduce::Inputs && valid[1] == WIDTH {
            return Source {
                values: &weight[at(0)..],
                row_step: size[inner] * window,
                channel_step: window,
            };
        }
        // Read in place, the channels of a data gradient would lie whole images of weights apart.
        let line = WIDTH * window;
        let copy = scratch.take(PANEL * line);
        if valid != [PANEL, WIDTH] {
            copy.fill(0.0);
        }
        for (i, target) in copy.chunks_exact_mut(line).enumerate().take(valid[outer]) {
            let source = &weight[at(i)..][..valid[inner] * window];
            target[..source.len()].copy_from_slice(source);
        }
        let [row_step, channel_step] = match reduce {
            Reduce::Inputs => [line, window],
            Reduce::Outputs => [window, line],
        };
        Source {
            values: copy,
            row_step,
            channel_step,
        }
    }
}
