//! Depthwise convolutions: each plane of the output reads one plane of the input.
//!
//! With one product for each tap and position there is no matrix to block; what costs is getting from plane to plane.

use std::cell::RefCell;

use super::super::{
    kernel::pointwise,
    memory,
    scratch::{self, Scratch},
    simd::multiversion,
};
use super::{
    geometry::{Shifts, Sums, even_part},
    layout::Halo,
    weight::Weight,
};

/// Positions summed at once: two vectors of the widest path.
const AT_ONCE: usize = 32;

/// Positions of a task, about.
const TASK: usize = 1 << 14;

/// What a thread keeps for its tasks.
#[derive(Debug, Default)]
struct Buffers {
    /// A plane with its padding written out, see [`Halo`].
    source: Scratch,
    sums: Scratch,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Whether these are the sums of a depthwise convolution that writes every position.
pub(super) fn takes(shifts: &Shifts) -> bool {
    let one = shifts.groups > 1 && shifts.inputs == 1 && shifts.outputs == 1;
    one && shifts.step == [1, 1] && !shifts.taps.is_empty()
}

/// Computes `sums`.
pub(super) fn run(sums: Sums<'_>, weight: Weight<'_>) {
    let Sums {
        simd,
        shifts,
        x,
        maps,
        y,
    } = sums;
    let (positions, planes) = (shifts.positions(), shifts.batch * shifts.groups);
    if positions * planes == 0 {
        return;
    }
    let [rows, columns] = shifts.grid;
    let area = shifts.input[0] * shifts.input[1];
    let halo = Halo::new(shifts);
    let offsets: Vec<usize> = (shifts.taps.iter())
        .map(|tap| halo.offset(tap.shift, rows))
        .collect();
    // All rows in one run, the padding between them included and dropped.
    let width = ((rows - 1) * halo.pitch + columns).next_multiple_of(AT_ONCE);
    let tasks = planes.min((planes * positions).div_ceil(TASK));
    memory::parallel(tasks, |task| {
        scratch::lend(&BUFFERS, |Buffers { source, sums }| {
            let source = source.take(halo.channel(rows) + AT_ONCE);
            let sums = sums.take(width);
            let mut factors = vec![0.0; offsets.len()];
            for plane in even_part(planes, tasks, task) {
                let channel = plane % shifts.groups;
                let window = weight.from(shifts, channel, 0, 0);
                for (factor, tap) in factors.iter_mut().zip(&shifts.taps) {
                    *factor = window[tap.element];
                }
                let image = &x[plane * area..][..area];
                halo.copy(image, shifts.input, 0..rows, source);
                sum_taps(simd, source, &offsets, &factors, sums);
                if let Some(maps) = maps {
                    pointwise::apply(simd, maps[channel], sums);
                }
                // SAFETY: every plane belongs to one task.
                let target = unsafe { y.part(plane * positions, positions) };
                let lines = target.chunks_exact_mut(columns);
                for (line, sums) in lines.zip(sums.chunks(halo.pitch)) {
                    line.copy_from_slice(&sums[..columns]);
                }
            }
        });
    });
}

multiversion! {
    /// `sums[i] = sum_t factors[t] source[offsets[t] + i]`, [`AT_ONCE`] at once.
    fn sum_taps(source: &[f32], offsets: &[usize], factors: &[f32], sums: &mut [f32]) {
        for (block, sums) in sums.as_chunks_mut::<AT_ONCE>().0.iter_mut().enumerate() {
            let mut lanes = [0.0_f32; AT_ONCE];
            for (&offset, &factor) in offsets.iter().zip(factors) {
                let source = &source[offset + block * AT_ONCE..][..AT_ONCE];
                for (lane, &value) in lanes.iter_mut().zip(source) {
                    *lane = pointwise::multiply_add::<FUSED>(factor, value, *lane);
                }
            }
            *sums = lanes;
        }
    }
}
