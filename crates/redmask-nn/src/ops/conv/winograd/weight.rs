//! The windows of a convolution as values at the points of the transform.

use super::super::{
    super::{
        memory::{self, Shared},
        simd::Simd,
    },
    geometry::Shifts,
    pack::PackedWeight,
    weight::Weight,
};
use super::{ALL_POINTS, transform, window_of};

/// Weights as `[36][blocks][inputs][mr]`.
#[derive(Debug)]
pub(in super::super) struct TransformedWeight {
    values: Vec<f32>,
    blocks: usize,
    panel: usize,
}

impl TransformedWeight {
    /// Transforms the windows of a weight.
    ///
    /// # Panics
    ///
    /// If the taps are not a 3x3 window of neighbours.
    pub(in super::super) fn new(simd: Simd, shifts: &Shifts, weight: Weight<'_>) -> Self {
        let weight = PackedWeight::new(simd, weight, shifts);
        let corner = window_of(shifts);
        let mr = simd.blocking().mr;
        let (blocks, panel) = (weight.blocks(), shifts.inputs * mr);
        let mut taps = [0; 9];
        for (i, tap) in shifts.taps.iter().enumerate() {
            let [row, column] = [0, 1].map(|a| (tap.shift[a] - corner[a]).cast_unsigned());
            taps[row * 3 + column] = i;
        }
        // SAFETY: every block writes its panels of all points.
        let values = unsafe {
            memory::filled(ALL_POINTS * blocks * panel, |values: Shared<'_, f32>| {
                memory::parallel(blocks, |block| {
                    let mut targets: [&mut [f32]; ALL_POINTS] = std::array::from_fn(|point| {
                        values.part((point * blocks + block) * panel, panel)
                    });
                    let source = weight.panel(0, block, 0);
                    transform::window(simd, source, taps, mr, &mut targets);
                });
            })
        };
        Self {
            values,
            blocks,
            panel,
        }
    }

    /// The panel `[inputs][mr]` of a block of output channels at a point.
    pub(super) fn panel(&self, point: usize, block: usize) -> &[f32] {
        &self.values[(point * self.blocks + block) * self.panel..][..self.panel]
    }

    /// Blocks of output channels.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }
}
