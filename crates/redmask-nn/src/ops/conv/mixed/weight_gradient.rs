//! Weight gradient: a product whose summed dimension is the positions of all samples.
//!
//! Output channels by input channels, one product for each tap. The gradient of the output keeps its planes, with zeros between
//! the rows. The input is laid out in pairs of positions, so a tap is another start in them; pairs that start at odd positions are
//! a copy of their own, and every factor of the matrix unit is whole cache lines.

use std::{cell::RefCell, ops::Range};

use super::super::super::{
    kernel::amx::{Block, ROW_BYTES, ROWS, Tiles},
    memory::{self, Shared},
    scratch::{self, Line, Scratch},
    simd::Simd,
};
use super::super::{
    geometry::{Geometry, Shifts, even_part},
    transpose::transpose,
};
use super::{
    PANEL,
    operands::Operands,
    strip::{Planes, Strip, spread, strips},
};

/// Positions of one product of tiles.
pub(super) const STEP: usize = 2 * ROWS;

/// Positions summed before results are stored.
const CHUNK: usize = 512;

/// Positions of a strip.
const POSITIONS: usize = 2048;

/// Results that a thread may keep for itself while it goes through the positions.
const SUMS_LIMIT: usize = 1 << 18;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    input: Scratch,
    gradient: Scratch,
    row: Scratch,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
    static GRADIENT: RefCell<Scratch> = RefCell::default();
    static SUMS: RefCell<Scratch> = RefCell::default();
}

/// Writes the gradients of a convolution of one group to `dw`.
pub(super) fn run(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32], dw: Shared<'_, f32>) {
    let job = Job {
        simd,
        g,
        shifts: &g.forward_shifts(),
        x,
        dy,
    };
    let threads = rayon::current_num_threads();
    let positions = g.batch * g.output[0] * g.output[1];
    if job.sums(job.panels()) <= SUMS_LIMIT && positions >= 1024 * threads {
        job.by_positions(threads, dw);
    } else {
        job.by_channels(dw);
    }
}

pub(super) struct Job<'a> {
    simd: Simd,
    pub(super) g: &'a Geometry,
    pub(super) shifts: &'a Shifts,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
}

impl Job<'_> {
    /// Panels of input channels.
    fn panels(&self) -> usize {
        self.g.inputs.div_ceil(PANEL)
    }

    /// Panels of output channels.
    fn output_panels(&self) -> usize {
        self.g.outputs.div_ceil(PANEL)
    }

    /// Results of some panels of input channels: `[panels][output panels][taps][32 outputs][32 inputs]`.
    fn sums(&self, panels: usize) -> usize {
        panels * self.output_panels() * PANEL * self.g.window() * PANEL
    }

    /// Large images and few weights: each thread sums its positions into all weights.
    fn by_positions(&self, parts: usize, dw: Shared<'_, f32>) {
        let strips = strips(self.shifts, POSITIONS, parts);
        let len = self.sums(self.panels());
        let lines = len * size_of::<f32>() / size_of::<Line>();
        // SAFETY: each task writes its part whole, at the latest when it fills it with zeros.
        let mut sums = unsafe {
            memory::filled(parts * lines, |sums: Shared<'_, Line>| {
                memory::parallel(parts, |part| {
                    let sums = bytemuck::cast_slice_mut(sums.part(part * lines, lines));
                    sums.fill(0.0);
                    scratch::lend(&BUFFERS, |buffers| {
                        for strip in &strips[even_part(strips.len(), parts, part)] {
                            self.add_strip(strip, buffers, sums);
                        }
                    });
                });
            })
        };
        let sums: &mut [f32] = bytemuck::cast_slice_mut(&mut sums);
        // Parts are added in their order, so that the result depends on their number only.
        let (total, rest) = sums.split_at_mut(len);
        for part in rest.chunks_exact(len) {
            for (sum, value) in total.iter_mut().zip(part) {
                *sum += value;
            }
        }
        let per_panel = self.sums(1);
        let total = &*total;
        memory::parallel(self.panels(), |panel| {
            self.store(panel, &total[panel * per_panel..][..per_panel], dw);
        });
    }

    /// Adds the products of a strip to the sums of all weights.
    fn add_strip(&self, strip: &Strip, buffers: &mut Buffers, sums: &mut [f32]) {
        let Buffers {
            input,
            gradient,
            row,
        } = buffers;
        let planes = Planes::new(self.shifts, strip.clone());
        let positions = planes.positions().next_multiple_of(STEP);
        let pitch = spread(positions, size_of::<u16>());
        let gradient = gradient.take_as::<u16>(self.output_panels() * PANEL * pitch);
        let rows = gradient.chunks_exact_mut(pitch).take(self.g.outputs);
        for (channel, row) in rows.enumerate() {
            self.lay_out_gradient(&planes, channel, row);
        }
        let operands = Operands {
            planes: &planes,
            gradient,
            pitch,
            input: self.lay_out_input(&planes, 0..self.panels(), row, input),
            positions,
        };
        self.multiply(&operands, 0..self.panels(), true, sums);
    }

    /// Many weights or small images: each task sums all positions into the weights of a panel of input channels.
    fn by_channels(&self, dw: Shared<'_, f32>) {
        let whole = Strip {
            samples: 0..self.g.batch,
            rows: 0..self.g.output[0],
        };
        let planes = Planes::new(self.shifts, whole);
        let positions = planes.positions().next_multiple_of(STEP);
        let pitch = spread(positions, size_of::<u16>());
        scratch::lend(&GRADIENT, |gradient| {
            let gradient = gradient.take_as::<u16>(self.output_panels() * PANEL * pitch);
            let shared = Shared::new(gradient);
            memory::parallel(self.g.outputs, |channel| {
                // SAFETY: every task has its own channel.
                let row = unsafe { shared.part(channel * pitch, pitch) };
                self.lay_out_gradient(&planes, channel, row);
            });
            let gradient = &*gradient;
            memory::parallel(self.panels(), |panel| {
                scratch::lend(&BUFFERS, |buffers| {
                    let Buffers { input, row, .. } = buffers;
                    let operands = Operands {
                        planes: &planes,
                        gradient,
                        pitch,
                        input: self.lay_out_input(&planes, panel..panel + 1, row, input),
                        positions,
                    };
                    scratch::lend(&SUMS, |sums| {
                        let sums = sums.take(self.sums(1));
                        self.multiply(&operands, panel..panel + 1, false, sums);
                        self.store(panel, sums, dw);
                    });
                });
            });
        });
    }

    /// Multiplies the operands of a strip into `sums`.
    fn multiply(
        &self,
        operands: &Operands<'_>,
        panels: Range<usize>,
        accumulate: bool,
        sums: &mut [f32],
    ) {
        let g = self.g;
        let taps = &self.shifts.taps;
        let tile_len = PANEL * PANEL;
        let pairs = Self::pairs(operands.planes);
        let tiles = Tiles::new(ROWS);
        let offsets: [u32; CHUNK / STEP] = std::array::from_fn(|step| (step * ROW_BYTES) as u32);
        for start in (0..operands.positions).step_by(CHUNK) {
            let steps = (operands.positions - start).min(CHUNK) / STEP;
            for (i, panel) in panels.clone().enumerate() {
                let right = PANEL.min(g.inputs - panel * PANEL).div_ceil(ROWS);
                for output in 0..self.output_panels() {
                    let down = PANEL.min(g.outputs - output * PANEL).div_ceil(ROWS);
                    let gradient = &operands.gradient[output * PANEL * operands.pitch + start..]
                        [..(down * ROWS - 1) * operands.pitch + steps * STEP];
                    let sums =
                        &mut sums[(i * self.output_panels() + output) * taps.len() * tile_len..];
                    for (tap, sums) in taps.iter().zip(sums.chunks_exact_mut(tile_len)) {
                        let first = operands.planes.offset(tap.shift) + start;
                        let first = (2 * i + first % 2) * pairs + first / 2;
                        let input = &operands.input[first * PANEL..][..steps * ROWS * PANEL];
                        let block = Block {
                            steps,
                            a: gradient.as_ptr(),
                            offsets: offsets.as_ptr(),
                            a_pitch: operands.pitch * size_of::<u16>(),
                            b: input.as_ptr(),
                            b_step: ROWS * PANEL * size_of::<u32>(),
                            c: sums.as_mut_ptr(),
                            c_pitch: PANEL * size_of::<f32>(),
                            accumulate: accumulate || start > 0,
                        };
                        // SAFETY: by the lengths of the slices the gradient has the rows of `down` tiles and the numbers of
                        // `steps` in each, the input the pairs of `steps`, the sums 32 rows of 32.
                        unsafe { tiles.multiply(down, right, &block) };
                    }
                }
            }
        }
    }

    /// Writes the results of a panel of input channels to the weights `[outputs][inputs][taps]`.
    fn store(&self, panel: usize, sums: &[f32], dw: Shared<'_, f32>) {
        let g = self.g;
        let window = g.window();
        let inputs = PANEL.min(g.inputs - panel * PANEL);
        for output in 0..g.outputs {
            let sums = &sums[output / PANEL * window * PANEL * PANEL + output % PANEL * PANEL..];
            let at = (output * g.inputs + panel * PANEL) * window;
            // SAFETY: the weights of these input channels belong to this task.
            let target = unsafe { dw.part(at, inputs * window) };
            if window == 1 {
                target.copy_from_slice(&sums[..inputs]);
            } else {
                transpose(
                    self.simd,
                    sums,
                    PANEL * PANEL,
                    [window, inputs],
                    target,
                    window,
                );
            }
        }
    }
}
