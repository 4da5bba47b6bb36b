//! The micro-kernel in plain Rust, for targets without AVX2.

use super::{Kernel, Tile};

const MR: usize = 4;
const LANES: usize = 8;

macro_rules! kernels {
    ($packed:literal: $($rows:literal)*) => {
        [$([
            tile::<$rows, LANES, $packed> as Kernel,
            tile::<$rows, { 2 * LANES }, $packed>,
        ]),*]
    };
}

/// By the layout of the factors, rows less one and vectors less one.
pub(super) const KERNELS: [[[Kernel; 2]; MR]; 2] =
    [kernels!(true: 1 2 3 4), kernels!(false: 1 2 3 4)];

/// # Safety
///
/// See [`Kernel`].
unsafe fn tile<const M: usize, const W: usize, const PACKED: bool>(t: &Tile) {
    // SAFETY: the caller vouches for the extents of `a`, `b`, their offsets and `c`.
    unsafe {
        let mut sums = [[0.0_f32; W]; M];
        if t.accumulate {
            for (m, row) in sums.iter_mut().enumerate() {
                *row = t.c.add(m * t.ldc).cast::<[f32; W]>().read_unaligned();
            }
        }
        let row_step = if PACKED { 1 } else { t.a_row_step };
        for k in 0..t.depth {
            let a = t.a.add(if PACKED {
                k * MR
            } else {
                *t.a_offsets.add(k) as usize
            });
            let b = t.b.add(*t.offsets.add(k) as usize);
            let columns = b.cast::<[f32; W]>().read_unaligned();
            for (m, row) in sums.iter_mut().enumerate() {
                let factor = *a.add(m * row_step);
                // Not mul_add: without the FMA instruction it is a library call.
                for (sum, &column) in row.iter_mut().zip(&columns) {
                    *sum += factor * column;
                }
            }
        }
        for (m, row) in sums.iter().enumerate() {
            t.c.add(m * t.ldc).cast::<[f32; W]>().write_unaligned(*row);
        }
    }
}
