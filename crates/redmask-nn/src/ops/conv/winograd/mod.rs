//! 3x3 convolutions by minimal filtering (Winograd): 4x4 results from 6x6 inputs by 36 products instead of 144.
//!
//! F(4x4, 3x3) of Lavin and Gray (arXiv 1509.09308). Inputs and windows become values at 36 points, the sum over channels
//! becomes one matrix product for each point, and its result is transformed back. All tiles of a task lie side by side, one
//! row of tiles after the other; what the transforms compute between two rows is dropped.

mod transform;
mod weight;

#[cfg(test)]
mod tests;

use std::{cell::RefCell, ops::Range};

use self::transform::{Lines, POINTS, Points, TILE};
pub(super) use self::weight::TransformedWeight;
use super::super::{
    kernel::{
        Blocking, FactorLayout, Tile,
        pointwise::{self, Affine},
    },
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::Simd,
};
use super::geometry::{Shifts, Sums, even_part};

/// Points of a tile.
const ALL_POINTS: usize = POINTS * POINTS;

/// Transformed inputs of a task: what stays in the second-level cache beside the weights of a point.
const INPUT_BLOCK: usize = 1 << 18;

/// Output channels computed from the transformed inputs at once.
const OUTPUTS_AT_ONCE: usize = 64;

/// Channels summed in one call of the micro-kernel.
const DEPTH_BLOCK: usize = 256;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    /// `[strips][36][inputs][tiles of a strip]`: what a call of the micro-kernel reads lies in one piece.
    inputs: Scratch,
    /// `[36][outputs at once][tiles]`
    products: Scratch,
    /// Between the transforms along one axis and the other.
    lines: Scratch,
    /// What is transformed of a channel, and its results.
    channel: Scratch,
    offsets: Vec<u32>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Whether these sums are computed faster by minimal filtering; `kept` if the windows are transformed already.
pub(super) fn takes(shifts: &Shifts, kept: bool) -> bool {
    let dense = shifts.groups == 1 && shifts.read_step == [1, 1] && shifts.step == [1, 1];
    dense && corner(shifts).is_some() && pays(shifts, kept)
}

/// The smallest shift of the 3x3 window.
///
/// # Panics
///
/// If the taps are no such window; [`takes`] has refused them.
fn window_of(shifts: &Shifts) -> [isize; 2] {
    corner(shifts).unwrap_or_else(|| unreachable!("the caller asked whether these sums are taken"))
}

/// The smallest shift of a 3x3 window of neighbours; `None` if the taps are no such window.
fn corner(shifts: &Shifts) -> Option<[isize; 2]> {
    let low = [0, 1].map(|axis| shifts.taps.iter().map(|tap| tap.shift[axis]).min());
    let low = [low[0]?, low[1]?];
    let near = |shift: isize, low: isize| (0..3).contains(&(shift - low));
    let all = shifts.taps.len() == 9
        && (shifts.taps.iter()).all(|tap| near(tap.shift[0], low[0]) && near(tap.shift[1], low[1]));
    all.then_some(low)
}

/// Whether the products that are saved outweigh the transforms: by sizes alone, so that the numbers are the same everywhere.
fn pays(shifts: &Shifts, kept: bool) -> bool {
    let [high, wide] = shifts.grid.map(|size| size.div_ceil(TILE));
    let tiles = (shifts.batch * high * (wide + 1)) as f64;
    let (inputs, outputs) = (shifts.inputs as f64, shifts.outputs as f64);
    let direct = 9.0 * (shifts.batch * shifts.positions()) as f64 * inputs * outputs;
    let of_a_tile = PRODUCT * inputs * outputs + INPUT * inputs + OUTPUT * outputs;
    let window = if kept { KEPT_WINDOW } else { WINDOW };
    (ALL_POINTS as f64) * (tiles * of_a_tile + window * inputs * outputs) < direct
}

/// What an element of each kind costs, in products of shifted reads. Fitted to `cargo bench -p redmask-nn --bench layers` with
/// AVX-512; the panels of a point are smaller than those of all taps, so a product costs more.
const PRODUCT: f64 = 1.3;
const INPUT: f64 = 40.0;
const OUTPUT: f64 = 30.0;
const WINDOW: f64 = 90.0;
/// Reading it from memory.
const KEPT_WINDOW: f64 = 20.0;

/// Computes `sums`.
///
/// # Panics
///
/// If the taps are not a 3x3 window of neighbours.
pub(super) fn run(sums: Sums<'_>, weight: &TransformedWeight) {
    let Sums {
        simd,
        shifts,
        x,
        maps,
        y,
    } = sums;
    let corner = window_of(shifts);
    let Blocking { lanes, vectors, .. } = simd.blocking();
    let [high, wide] = shifts.grid.map(|size| size.div_ceil(TILE));
    let (rows, threads) = (shifts.batch * high, rayon::current_num_threads());
    // Fewer tiles than a full strip of vectors would leave the micro-kernel half empty.
    let fewest = (lanes * vectors).div_ceil(wide + 1);
    let rows_at_once = (INPUT_BLOCK / (ALL_POINTS * shifts.inputs * (wide + 1))).max(fewest);
    let mut parts = rows.div_ceil(rows_at_once);
    if parts < 4 * threads {
        parts = parts.next_multiple_of(threads).min(rows);
    }
    memory::parallel(parts, |part| {
        let task = Task {
            simd,
            shifts,
            corner,
            x,
            weight,
            maps,
            rows: even_part(rows, parts, part),
            high,
            wide,
        };
        scratch::lend(&BUFFERS, |buffers| task.run(buffers, y));
    });
}

/// Some rows of tiles, counted over all samples.
struct Task<'a> {
    simd: Simd,
    shifts: &'a Shifts,
    corner: [isize; 2],
    x: &'a [f32],
    weight: &'a TransformedWeight,
    maps: Option<&'a [Affine]>,
    rows: Range<usize>,
    /// Rows of tiles of a sample, and tiles of a row.
    high: usize,
    wide: usize,
}

impl Task<'_> {
    fn run(&self, buffers: &mut Buffers, y: Shared<'_, f32>) {
        let Buffers {
            inputs,
            products,
            lines,
            channel,
            offsets,
        } = buffers;
        let s = self.shifts;
        let Blocking { lanes, mr, vectors } = self.simd.blocking();
        // An odd number of vectors, so that rows fall into all cache sets.
        let pitch = ((self.width() / lanes) | 1) * lanes;
        let columns = self.width() / lanes;
        let strips = columns.div_ceil(vectors);
        let strip_width = columns.div_ceil(strips) * lanes;
        let input_size = s.inputs * strip_width;
        let inputs = inputs.take(strips * ALL_POINTS * input_size);
        self.transform_inputs(inputs, strip_width, [channel, lines]);
        offsets.clear();
        offsets.extend((0..DEPTH_BLOCK.min(s.inputs)).map(|c| (c * strip_width) as u32));
        let blocks_at_once = OUTPUTS_AT_ONCE / mr;
        for first in (0..self.weight.blocks()).step_by(blocks_at_once) {
            let blocks = first..self.weight.blocks().min(first + blocks_at_once);
            let point_size = blocks.len() * mr * pitch;
            let products = products.take(ALL_POINTS * point_size);
            for point in 0..ALL_POINTS {
                let products = &mut products[point * point_size..][..point_size];
                for from in (0..s.inputs).step_by(DEPTH_BLOCK) {
                    for strip in 0..strips {
                        let start = strip * strip_width;
                        let vectors = (self.width() - start).min(strip_width) / lanes;
                        let inputs = &inputs[(strip * ALL_POINTS + point) * input_size..];
                        for (row, block) in blocks.clone().enumerate() {
                            let tile = Tile {
                                depth: DEPTH_BLOCK.min(s.inputs - from),
                                a: self.weight.panel(point, block)[from * mr..].as_ptr(),
                                a_offsets: std::ptr::null(),
                                a_row_step: 0,
                                b: inputs[from * strip_width..input_size].as_ptr(),
                                offsets: offsets.as_ptr(),
                                c: products[row * mr * pitch + start..].as_mut_ptr(),
                                ldc: pitch,
                                accumulate: from > 0,
                            };
                            let rows = mr.min(s.outputs - block * mr);
                            // SAFETY: the panel holds all channels from this one on; each row of the inputs holds
                            // `strip_width` elements, each row of the products all columns.
                            unsafe { self.simd.kernel(FactorLayout::Packed, rows, vectors)(&tile) };
                        }
                    }
                }
            }
            let channels = blocks.start * mr..s.outputs.min(blocks.end * mr);
            self.store(products, [point_size, pitch], channels, [lines, channel], y);
        }
    }

    /// Tiles side by side: those of each row, and one more whose inputs are the end of that row.
    fn tiles(&self) -> usize {
        self.rows.len() * (self.wide + 1)
    }

    /// [`Task::tiles`] in whole vectors.
    fn width(&self) -> usize {
        self.tiles().next_multiple_of(self.simd.blocking().lanes)
    }

    /// The sample and the first line of each row of tiles, in lines of the grid.
    fn tops(&self) -> impl Iterator<Item = [usize; 2]> {
        (self.rows.clone()).map(|row| [row / self.high, row % self.high * TILE])
    }

    fn transform_inputs(
        &self,
        inputs: &mut [f32],
        strip_width: usize,
        [image, lines]: [&mut Scratch; 2],
    ) {
        let s = self.shifts;
        let [height, width] = s.input;
        // Columns of the image between those of the first tile and of the one after the last.
        let columns = (self.wide + 1) * TILE;
        let skip = (-self.corner[1]).max(0).cast_unsigned().min(columns);
        let start = self.corner[1].max(0).cast_unsigned().min(width);
        let inside = skip..columns.min(skip + width - start);
        // The rows of tiles of a sample share the lines between them.
        let lines_of = |rows: usize| rows * TILE + POINTS - TILE;
        let mut starts = Vec::with_capacity(self.rows.len());
        let mut samples = Vec::new();
        let mut line = 0;
        let mut row = self.rows.start;
        while row < self.rows.end {
            let (sample, first) = (row / self.high, row % self.high);
            let rows = (self.high - first).min(self.rows.end - row);
            starts.extend((0..rows).map(|i| (line + i * TILE) * columns));
            samples.push((sample, first * TILE, line..line + lines_of(rows)));
            line += lines_of(rows);
            row += rows;
        }
        let image = image.take(line * columns + transform::LINE_SLACK);
        image.fill(0.0);
        let layout = Lines {
            starts: &starts,
            columns,
        };
        let tiles = self.width();
        let lines = lines.take(transform::input_scratch(tiles));
        for channel in 0..s.inputs {
            for (sample, top, lines) in &samples {
                let plane = &self.x[(sample * s.inputs + channel) * height * width..];
                for (line, r) in lines.clone().zip(0_usize..) {
                    let read = (top + r).checked_add_signed(self.corner[0]);
                    if let Some(read) = read.filter(|&read| read < height) {
                        let source = &plane[read * width + start..][..inside.len()];
                        memory::copy_row(source, &mut image[line * columns..][inside.clone()]);
                    }
                }
            }
            let points = Points {
                values: &mut inputs[channel * strip_width..],
                strip_width,
                size: s.inputs * strip_width,
            };
            transform::inputs(self.simd, image, &layout, tiles, points, lines);
        }
    }

    /// Transforms the products of some output channels back and writes them.
    fn store(
        &self,
        products: &[f32],
        [point_size, pitch]: [usize; 2],
        channels: Range<usize>,
        [lines, results]: [&mut Scratch; 2],
        y: Shared<'_, f32>,
    ) {
        let s = self.shifts;
        let [height, width] = s.grid;
        let tiles = self.width();
        let len = tiles * TILE;
        let lines = lines.take(transform::output_scratch(tiles));
        let results = results.take(TILE * len);
        for (row, channel) in channels.enumerate() {
            let products = &products[row * pitch..];
            transform::outputs(self.simd, products, point_size, tiles, results, lines);
            let map = self.maps.map(|maps| maps[channel]);
            for ([sample, top], at) in self.tops().zip((0..).step_by((self.wide + 1) * TILE)) {
                for (r, results) in results.chunks_exact(len).enumerate() {
                    if top + r == height {
                        break;
                    }
                    let line = (sample * s.outputs + channel) * height + top + r;
                    let results = &results[at..at + width];
                    // SAFETY: the rows of a sample belong to one task.
                    let target = unsafe { y.part(line * width, width) };
                    match map {
                        Some(map) => pointwise::map(self.simd, map, results, target),
                        None => memory::copy_row(results, target),
                    }
                }
            }
        }
    }
}
