//! Packing of weights into the panels that the micro-kernel reads.

use super::super::{memory, simd::Simd};
use super::{
    geometry::{Shifts, even_part},
    transpose::transpose,
    weight::{Reduce, Weight},
};

/// Weights as `[groups][blocks][depth][mr]`, depth running over channels and, inside, taps.
#[derive(Debug)]
pub(super) struct PackedWeight {
    values: Vec<f32>,
    mr: usize,
    depth: usize,
    blocks: usize,
}

impl PackedWeight {
    /// Packs the taps of `shifts`.
    pub(super) fn new(simd: Simd, weight: Weight<'_>, shifts: &Shifts) -> Self {
        let Weight { window, reduce, .. } = weight;
        let mr = simd.blocking().mr;
        let (rows, channels, taps) = (shifts.outputs, shifts.inputs, shifts.taps.len());
        let blocks = rows.div_ceil(mr);
        let depth = channels * taps;
        let [row_step, channel_step] = weight.steps(shifts);
        let panel = depth * mr;
        let elements: Vec<usize> = shifts.taps.iter().map(|tap| tap.element).collect();
        let all_taps = elements.iter().copied().eq(0..window);
        let pack = |index: usize, panel: &mut [f32]| {
            let (group, block) = (index / blocks, index % blocks);
            let first = block * mr;
            let valid = mr.min(rows - first);
            let source = weight.from(shifts, group, first, 0);
            if valid < mr {
                panel.fill(0.0);
            }
            if reduce == Reduce::Inputs && all_taps {
                transpose(simd, source, row_step, [valid, depth], panel, mr);
                return;
            }
            let channels = panel.chunks_exact_mut((taps * mr).max(1)).enumerate();
            for (c, panel) in channels {
                let source = &source[c * channel_step..];
                if reduce == Reduce::Outputs && all_taps {
                    transpose(simd, source, window, [valid, window], panel, mr);
                    continue;
                }
                for (target, &element) in panel.chunks_exact_mut(mr).zip(&elements) {
                    let values = source[element..].iter().step_by(row_step);
                    for (value, &read) in target[..valid].iter_mut().zip(values) {
                        *value = read;
                    }
                }
            }
        };
        let count = shifts.groups * blocks;
        // SAFETY: each panel is written whole by the one task that holds it.
        let values = unsafe {
            memory::filled(count * panel, |values| {
                let tasks = if count * panel < 1 << 14 {
                    1
                } else {
                    count.min(64)
                };
                memory::parallel(tasks, |task| {
                    for index in even_part(count, tasks, task) {
                        pack(index, values.part(index * panel, panel));
                    }
                });
            })
        };
        Self {
            values,
            mr,
            depth,
            blocks,
        }
    }

    /// The panel of a block of rows, from a given depth on.
    pub(super) fn panel(&self, group: usize, block: usize, from: usize) -> &[f32] {
        let panel = self.depth * self.mr;
        let start = (group * self.blocks + block) * panel;
        &self.values[start + from * self.mr..start + panel]
    }

    /// Blocks of rows of one group.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }
}
