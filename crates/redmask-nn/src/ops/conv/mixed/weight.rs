//! Packing of weights into the tiles that the matrix unit reads.

use std::cell::RefCell;

use super::super::super::{
    kernel::{amx::ROWS, bf16},
    memory::{self, Shared},
    scratch::{self, Line, Scratch},
    simd::Simd,
};
use super::super::{
    geometry::{Shifts, even_part},
    layout::Halo,
    transpose::transpose,
    weight::{Reduce, Weight},
};
use super::PANEL;

/// Numbers of a row of a tile.
const WIDTH: usize = 2 * ROWS;

/// Numbers of the widest pixel of which several are summed in one step.
const NARROW: usize = 8;

thread_local! {
    static BLOCK: RefCell<Scratch> = RefCell::default();
}

/// How summed channels lie: in blocks, each a number of channels a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    /// Numbers of a pixel, even; those behind the last channel are zeros.
    pub(super) width: usize,
    pub(super) blocks: usize,
}

impl Depth {
    fn new(channels: usize) -> Self {
        // A power of two: no pixel of fewer than 32 channels crosses a cache line.
        let width = channels.next_power_of_two().clamp(2, WIDTH);
        Self {
            width,
            blocks: channels.div_ceil(width),
        }
    }
}

/// Taps that one step sums: they read neighbouring pixels, which lie side by side in memory like the channels of one.
#[derive(Debug)]
pub(super) struct Group {
    /// Where the first one reads.
    pub(super) shift: [isize; 2],
    /// Elements of the window.
    elements: Vec<usize>,
}

impl Group {
    /// The taps of `shifts`, as many in one group as fit into `most` pixels.
    ///
    /// A smaller group than the largest reads further pixels of its row, times zero: a value that is not finite shows there too.
    fn all(shifts: &Shifts, most: usize) -> Vec<Self> {
        let halo = Halo::new(shifts);
        let mut taps: Vec<_> = shifts
            .taps
            .iter()
            .map(|tap| (halo.place(tap.shift), tap))
            .collect();
        taps.sort_unstable_by_key(|(place, _)| *place);
        let mut groups: Vec<Self> = Vec::new();
        let mut next = None;
        for ((residue, [y, x]), tap) in taps {
            let here = (residue, y, x);
            match groups.last_mut() {
                Some(group) if next == Some(here) && group.elements.len() < most => {
                    group.elements.push(tap.element);
                }
                _ => groups.push(Self {
                    shift: tap.shift,
                    elements: vec![tap.element],
                }),
            }
            next = Some((residue, y, x + 1));
        }
        groups
    }
}

/// Weights as `[panels][blocks of channels][groups of taps][pairs of numbers][32 outputs]`, rounded to bfloat16.
#[derive(Debug)]
pub(in super::super) struct TiledWeight {
    values: Vec<Line>,
    pub(super) groups: Vec<Group>,
    /// Pairs of numbers that a step sums: the channels of the largest group, at most 16.
    pub(super) pairs: usize,
    pub(super) depth: Depth,
    pub(super) panels: usize,
}

impl TiledWeight {
    /// Packs the taps of `shifts`, which have one group.
    pub(in super::super) fn new(simd: Simd, weight: Weight<'_>, shifts: &Shifts) -> Self {
        let Weight {
            values: weight,
            window,
            reduce,
        } = weight;
        let (outputs, channels) = (shifts.outputs, shifts.inputs);
        let depth = Depth::new(channels);
        // Wider pixels fill a step well enough, and would cross cache lines.
        let most = if depth.width <= NARROW {
            WIDTH / depth.width
        } else {
            1
        };
        let groups = Group::all(shifts, most);
        let largest = groups.iter().map(|group| group.elements.len()).max();
        let pairs = largest.unwrap_or(1) * depth.width / 2;
        let panels = outputs.div_ceil(PANEL);
        let count = panels * depth.blocks;
        let tasks = if count * groups.len() < 16 {
            1
        } else {
            count.min(64)
        };
        let step = 2 * pairs;
        let pack = |values: Shared<'_, Line>, task: usize| {
            for index in even_part(count, tasks, task) {
                let first = [
                    index / depth.blocks * PANEL,
                    index % depth.blocks * depth.width,
                ];
                let valid = [
                    PANEL.min(outputs - first[0]),
                    depth.width.min(channels - first[1]),
                ];
                scratch::lend(&BLOCK, |scratch| {
                    let source = Block {
                        window,
                        size: [outputs, channels],
                        first,
                        valid,
                        reduce,
                    }
                    .lay_out(weight, scratch);
                    // Numbers of the outputs side by side; what no group writes stays zero.
                    let mut rows = [[0_u16; WIDTH]; PANEL];
                    for (i, group) in groups.iter().enumerate() {
                        for (o, row) in rows.iter_mut().enumerate().take(valid[0]) {
                            source.round(o, &group.elements, depth.width, row);
                        }
                        // SAFETY: every step of every panel is written by one task.
                        let target =
                            unsafe { values.part((index * groups.len() + i) * step, step) };
                        // Pairs of numbers are 32 bits, which the transposition only moves.
                        transpose(
                            simd,
                            bytemuck::cast_slice(rows.as_flattened()),
                            WIDTH / 2,
                            [PANEL, pairs],
                            bytemuck::cast_slice_mut(target),
                            PANEL,
                        );
                    }
                });
            }
        };
        // SAFETY: the tasks write all steps of all panels.
        let values = unsafe {
            memory::filled(count * groups.len() * step, |values| {
                memory::parallel(tasks, |task| pack(values, task));
            })
        };
        Self {
            values,
            groups,
            pairs,
            depth,
            panels,
        }
    }

    /// The steps of 32 output channels.
    pub(super) fn panel(&self, panel: usize) -> &[u32] {
        let len = self.depth.blocks * self.groups.len() * 2 * self.pairs;
        bytemuck::cast_slice(&self.values[panel * len..][..len])
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

impl Source<'_> {
    /// Rounds the channels of some elements of the window, `width` each, side by side.
    fn round(&self, output: usize, elements: &[usize], width: usize, row: &mut [u16; WIDTH]) {
        let from = |element: usize| &self.values[output * self.row_step + element..];
        // SAFETY: this module runs only where AMX is available.
        unsafe {
            if width == WIDTH {
                return bf16::tile_row(from(elements[0]), self.channel_step, row);
            }
            row.fill(0);
            for (&element, pixel) in elements.iter().zip(row.chunks_exact_mut(width)) {
                bf16::row(from(element), self.channel_step, pixel);
            }
        }
    }
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
