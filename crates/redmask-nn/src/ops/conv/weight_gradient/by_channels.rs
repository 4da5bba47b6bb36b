//! Many weights or small images: each task sums all pixels into the weights of some input channels.

use std::{cell::RefCell, ops::Range};

use super::super::super::{
    kernel::Blocking,
    memory::{self, Shared},
    scratch::{self, Scratch},
    simd::Simd,
};
use super::super::{
    geometry::{Geometry, even_part},
    transpose::transpose,
};
use super::{Factors, Interleaved, Offsets, Product};

/// Floats of the sums of one pass over the pixels.
const SUMS: usize = 1 << 15;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    image: Scratch,
    sums: Scratch,
    offsets: Vec<u32>,
    factors: Vec<u32>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Writes all gradients to `dw`.
pub(super) fn run(simd: Simd, g: &Geometry, x: &[f32], dy: &[f32], dw: Shared<'_, f32>) {
    let Blocking { lanes, mr, vectors } = simd.blocking();
    let blocks = g.outputs.div_ceil(mr);
    let threads = rayon::current_num_threads();
    let all = g.inputs.div_ceil(lanes);
    let strips = all.div_ceil(vectors);
    let strips = if g.groups >= 2 * threads {
        strips
    } else {
        strips.next_multiple_of(threads)
    };
    let strips = strips.min(all);
    // Fewer strips than threads: split the output channels as well.
    let halves = threads.div_ceil(strips * g.groups).min(blocks);
    memory::parallel(g.groups * strips * halves, |task| {
        let (group, rest) = (task / (strips * halves), task % (strips * halves));
        let strip = Strip {
            simd,
            g,
            x,
            dy,
            group,
            vectors: even_part(all, strips, rest / halves),
            blocks: even_part(blocks, halves, rest % halves),
        };
        scratch::lend(&BUFFERS, |buffers| strip.run(buffers, dw));
    });
}

/// The weights of some input channels and some blocks of output channels of a group.
struct Strip<'a> {
    simd: Simd,
    g: &'a Geometry,
    x: &'a [f32],
    dy: &'a [f32],
    group: usize,
    /// Vectors of input channels.
    vectors: Range<usize>,
    blocks: Range<usize>,
}

impl Strip<'_> {
    fn run(&self, buffers: &mut Buffers, dw: Shared<'_, f32>) {
        let g = self.g;
        let Blocking { lanes, mr, .. } = self.simd.blocking();
        let width = self.vectors.len() * lanes;
        let first = self.vectors.start * lanes;
        let channels = width.min(g.inputs - first);
        let layout = Interleaved::new(g, width);
        let plane = layout.len(g, g.output[0]);
        let image = buffers.image.take(g.batch * plane);
        for (sample, target) in image.chunks_exact_mut(plane).enumerate() {
            let at = (sample * g.groups + self.group) * g.inputs + first;
            let planes = &self.x[at * g.input[0] * g.input[1]..];
            layout.fill(self.simd, g, planes, channels, [0, g.output[0]], target);
        }
        let area = g.output[0] * g.output[1];
        buffers.offsets.clear();
        buffers.offsets.extend((0..g.batch).flat_map(|sample| {
            (0..area).map(move |pixel| (sample * plane + layout.offset(g, pixel)) as u32)
        }));
        // The pixels of a channel lie in one piece, those of the next sample as many channels further on.
        let images = g.groups * g.outputs * area;
        buffers.factors.clear();
        buffers.factors.extend(
            (0..g.batch)
                .flat_map(|sample| (0..area).map(move |pixel| (sample * images + pixel) as u32)),
        );
        let pixels: Vec<_> = Offsets::chunks(&buffers.offsets, &buffers.factors).collect();
        let blocks_at_once = (SUMS / (g.window() * mr * width)).clamp(1, self.blocks.len());
        for done in (0..self.blocks.len()).step_by(blocks_at_once) {
            let blocks = done..self.blocks.len().min(done + blocks_at_once);
            let rows = blocks.len() * mr;
            // [tap][row][channel]
            let sums = buffers.sums.take(g.window() * rows * width);
            sums.fill(0.0);
            for (tap, sums) in sums.chunks_exact_mut(rows * width).enumerate() {
                let shift = layout.shift(g, tap / g.kernel[1], tap % g.kernel[1]);
                for &[offsets, factors] in &pixels {
                    for (block, sums) in blocks.clone().zip(sums.chunks_exact_mut(mr * width)) {
                        let first = (self.blocks.start + block) * mr;
                        let product = Product {
                            factors: Factors::InRows {
                                values: &self.dy[(self.group * g.outputs + first) * area..],
                                offsets: factors,
                                step: area,
                            },
                            rows: mr.min(g.outputs - first),
                            columns: &image[shift..],
                            vectors: self.vectors.len(),
                            offsets,
                            sums,
                            pitch: width,
                        };
                        product.add(self.simd);
                    }
                }
            }
            let first_row = (self.blocks.start + blocks.start) * mr;
            for row in 0..rows.min(g.outputs - first_row) {
                let output = self.group * g.outputs + first_row + row;
                let at = (output * g.inputs + first) * g.window();
                // SAFETY: these rows and channels belong to this task.
                let target = unsafe { dw.part(at, channels * g.window()) };
                let shape = [g.window(), channels];
                transpose(
                    self.simd,
                    &sums[row * width..],
                    rows * width,
                    shape,
                    target,
                    g.window(),
                );
            }
        }
    }
}
