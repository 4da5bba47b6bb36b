//! Weight gradient: a product whose summed dimension is the positions of all samples.
//!
//! Input channels by output channels, one product for each tap. The input keeps its planes, so a tap is another start in
//! them; the gradient of the output is laid out in pairs of positions, with zeros between the rows.

use std::{cell::RefCell, ops::Range};

use super::super::super::{
    kernel::{
        amx::{Block, ROW_BYTES, ROWS, Tiles},
        bf16,
    },
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::Simd,
};
use super::super::{
    geometry::{Geometry, Shifts, even_part},
    transpose::transpose,
};
use super::strip::{Planes, Strip, spread, strips};

/// Channels of a panel: two tiles.
const PANEL: usize = 2 * ROWS;

/// Positions of one product of tiles.
const STEP: usize = 2 * ROWS;

/// Positions summed before results are stored: both factors stay in the first-level cache.
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
    sums: Scratch,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
    static GRADIENT: RefCell<Scratch> = RefCell::default();
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

struct Job<'a> {
    simd: Simd,
    g: &'a Geometry,
    shifts: &'a Shifts,
    x: &'a [f32],
    dy: &'a [f32],
}

/// Where the operands of a strip lie.
struct Operands<'a> {
    planes: &'a Planes,
    /// The input, `pitch` numbers a channel, from the first channel of the panels on.
    input: &'a [u16],
    pitch: usize,
    /// The gradient, `[panels][pairs of positions][32 channels]`.
    gradient: &'a [u32],
    /// Positions in whole steps.
    positions: usize,
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

    /// Results of some panels of input channels: `[panels][output panels][32 inputs][taps][32 outputs]`.
    fn sums(&self, panels: usize) -> usize {
        panels * self.output_panels() * PANEL * self.g.window() * PANEL
    }

    /// Large images and few weights: each thread sums its positions into all weights.
    fn by_positions(&self, parts: usize, dw: Shared<'_, f32>) {
        let strips = strips(self.shifts, POSITIONS, parts);
        let len = self.sums(self.panels());
        // SAFETY: each task writes its part whole, at the latest when it fills it with zeros.
        let mut sums = unsafe {
            memory::filled(parts * len, |sums| {
                memory::parallel(parts, |part| {
                    let sums = sums.part(part * len, len);
                    sums.fill(0.0);
                    scratch::lend(&BUFFERS, |buffers| {
                        for strip in &strips[even_part(strips.len(), parts, part)] {
                            let planes = Planes::new(self.shifts, strip.clone());
                            let positions = planes.positions().next_multiple_of(STEP);
                            let gradient = buffers
                                .gradient
                                .take_as(self.output_panels() * positions * ROWS);
                            for panel in 0..self.output_panels() {
                                let panel_len = positions * ROWS;
                                let gradient = &mut gradient[panel * panel_len..][..panel_len];
                                self.lay_out_gradient(
                                    &planes,
                                    panel,
                                    positions,
                                    &mut buffers.row,
                                    gradient,
                                );
                            }
                            let (pitch, input) =
                                self.lay_out_input(&planes, 0..self.panels(), &mut buffers.input);
                            let operands = Operands {
                                planes: &planes,
                                input,
                                pitch,
                                gradient,
                                positions,
                            };
                            self.multiply(&operands, 0..self.panels(), true, sums);
                        }
                    });
                });
            })
        };
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

    /// Many weights or small images: each task sums all positions into the weights of a panel of input channels.
    fn by_channels(&self, dw: Shared<'_, f32>) {
        let whole = Strip {
            samples: 0..self.g.batch,
            rows: 0..self.g.output[0],
        };
        let planes = Planes::new(self.shifts, whole);
        let positions = planes.positions().next_multiple_of(STEP);
        let panel_len = positions * ROWS;
        scratch::lend(&GRADIENT, |gradient| {
            let gradient = gradient.take_as::<u32>(self.output_panels() * panel_len);
            let shared = Shared::new(gradient);
            memory::parallel(self.output_panels(), |panel| {
                // SAFETY: every task has its own panel.
                let gradient = unsafe { shared.part(panel * panel_len, panel_len) };
                scratch::lend(&BUFFERS, |buffers| {
                    self.lay_out_gradient(&planes, panel, positions, &mut buffers.row, gradient);
                });
            });
            let gradient = &*gradient;
            memory::parallel(self.panels(), |panel| {
                scratch::lend(&BUFFERS, |buffers| {
                    let (pitch, input) =
                        self.lay_out_input(&planes, panel..panel + 1, &mut buffers.input);
                    let operands = Operands {
                        planes: &planes,
                        input,
                        pitch,
                        gradient,
                        positions,
                    };
                    let sums = buffers.sums.take(self.sums(1));
                    self.multiply(&operands, panel..panel + 1, false, sums);
                    self.store(panel, sums, dw);
                });
            });
        });
    }

    /// Lays out the input channels of some panels.
    fn lay_out_input<'b>(
        &self,
        planes: &Planes,
        panels: Range<usize>,
        buffer: &'b mut Scratch,
    ) -> (usize, &'b [u16]) {
        let g = self.g;
        let area = g.input[0] * g.input[1];
        let pitch = spread(planes.channel(), size_of::<u16>());
        let channels = panels.len() * PANEL;
        // The last steps read past the positions, and what they read is multiplied with zeros.
        let slack = STEP + ROWS;
        let input = buffer.take_as::<u16>(channels * pitch + slack);
        input[channels * pitch..].fill(0);
        for (i, target) in input.chunks_exact_mut(pitch).enumerate().take(channels) {
            let channel = panels.start * PANEL + i;
            if channel >= g.inputs {
                // Their sums are dropped.
                break;
            }
            target[planes.channel()..].fill(0);
            planes.for_each_row(|sample, at, reads| {
                let row = &mut target[at];
                let Some(reads) = reads else {
                    row.fill(0);
                    return;
                };
                row[..reads.inside.start].fill(0);
                row[reads.inside.end..].fill(0);
                let plane = &self.x[(sample * g.inputs + channel) * area..][..area];
                // SAFETY: this module runs only where AMX is available.
                unsafe {
                    bf16::row(&plane[reads.from..], g.stride[1], &mut row[reads.inside]);
                }
            });
        }
        // A NaN in the memory behind the last channel would survive the zeros.
        if let Some(first) = g.inputs.checked_sub(panels.start * PANEL)
            && first < channels
        {
            let end = (first * pitch + slack).min(input.len());
            input[first * pitch..end].fill(0);
        }
        (pitch, input)
    }

    /// Lays out a panel of the gradient: rows of 32 channels, one for each pair of positions.
    fn lay_out_gradient(
        &self,
        planes: &Planes,
        panel: usize,
        positions: usize,
        buffer: &mut Scratch,
        target: &mut [u32],
    ) {
        let g = self.g;
        let [height, width] = g.output;
        let channels = PANEL.min(g.outputs - panel * PANEL);
        let pitch = spread(positions, size_of::<u16>());
        let rows = buffer.take_as::<u16>(channels * pitch);
        for (i, row) in rows.chunks_exact_mut(pitch).enumerate() {
            let mut done = 0;
            planes.for_each_grid_row(|sample, line, at| {
                row[done..at].fill(0);
                let plane = (sample * g.outputs + panel * PANEL + i) * height * width;
                let source = &self.dy[plane + line * width..][..width];
                // SAFETY: this module runs only where AMX is available.
                unsafe { bf16::row(source, 1, &mut row[at..at + width]) };
                done = at + width;
            });
            row[done..].fill(0);
        }
        // Pairs of positions are 32 bits, which the transposition only moves.
        transpose(
            self.simd,
            bytemuck::cast_slice(rows),
            pitch / 2,
            [channels, positions / 2],
            bytemuck::cast_slice_mut(target),
            PANEL,
        );
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
        let block_len = PANEL * taps.len() * PANEL;
        let tiles = Tiles::new(ROWS);
        let offsets: [u32; CHUNK / STEP] =
            std::array::from_fn(|step| (step * ROWS * PANEL * size_of::<u32>()) as u32);
        for start in (0..operands.positions).step_by(CHUNK) {
            let steps = (operands.positions - start).min(CHUNK) / STEP;
            for (i, panel) in panels.clone().enumerate() {
                let down = PANEL.min(g.inputs - panel * PANEL).div_ceil(ROWS);
                for output in 0..self.output_panels() {
                    let right = PANEL.min(g.outputs - output * PANEL).div_ceil(ROWS);
                    let at = output * operands.positions * ROWS + start / 2 * PANEL;
                    let gradient = &operands.gradient[at..][..steps * ROWS * PANEL];
                    let sums = &mut sums[(i * self.output_panels() + output) * block_len..];
                    for (t, tap) in taps.iter().enumerate() {
                        let first = operands.planes.offset(tap.shift) + start;
                        let input = &operands.input[i * PANEL * operands.pitch + first..];
                        debug_assert!(
                            input.len() >= (down * ROWS - 1) * operands.pitch + steps * STEP
                        );
                        let block = Block {
                            steps,
                            a: input.as_ptr(),
                            a_pitch: operands.pitch * size_of::<u16>(),
                            a_down: ROWS * operands.pitch * size_of::<u16>(),
                            a_step: ROW_BYTES,
                            b: gradient.as_ptr(),
                            offsets: offsets.as_ptr(),
                            b_pitch: PANEL * size_of::<u32>(),
                            c: sums[t * PANEL..].as_mut_ptr(),
                            c_pitch: taps.len() * PANEL * size_of::<f32>(),
                            accumulate: accumulate || start > 0,
                        };
                        // SAFETY: the input has 32 channels of `pitch` and slack for the last step, the gradient
                        // `steps` times 16 rows of a panel, the sums 32 rows of all taps.
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
        for (i, sums) in sums.chunks_exact(PANEL * window * PANEL).enumerate() {
            let outputs = PANEL.min(g.outputs - i * PANEL);
            let mut block = [0.0_f32; PANEL * 32];
            // Transposed in a place of its own: the rows of the weights lie a power of two apart.
            for first in (0..inputs * window).step_by(PANEL) {
                let count = PANEL.min(inputs * window - first);
                transpose(
                    self.simd,
                    &sums[first * PANEL..],
                    PANEL,
                    [count, outputs],
                    &mut block,
                    PANEL,
                );
                for (o, row) in block.chunks_exact(PANEL).enumerate().take(outputs) {
                    let at = ((i * PANEL + o) * g.inputs + panel * PANEL) * window + first;
                    // SAFETY: the weights of these input channels belong to this task.
                    unsafe { dw.part(at, count) }.copy_from_slice(&row[..count]);
                }
            }
        }
    }
}
