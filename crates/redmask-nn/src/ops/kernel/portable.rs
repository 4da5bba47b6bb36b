//! The micro-kernel in plain Rust, for targets without AVX2.

use super::{Kernel, Tile};

const MR: usize = 4;
const LANES: usize = 8;

macro_rules! row {
    ($rows:literal) => {
        [tile::<$rows, LANES> as Kernel, tile::<$rows, { 2 * LANES }>]
    };
}

/// By rows less one and vectors less one.
pub(super) const KERNELS: [[Kernel; 2]; MR] = [row!(1), row!(2), row!(3), row!(4)];

/// # Safety
///
/// See [`Kernel`].
unsafe fn tile<const M: usize, const W: usize>(t: &Tile) {
    // SAFETY: the caller vouches for the extents of `a`, `b`, `offsets` and `c`.
    unsafe {
        let mut sums = [[0.0_f32; W]; M];
        if t.accumulate {
            for (m, row) in sums.iter_mut().enumerate() {
                *row = t.c.add(m * t.ldc).cast::<[f32; W]>().read_unaligned();
            }
        }
        let mut a = t.a;
        for k in 0..t.depth {
            let b = t.b.add(*t.offsets.add(k) as usize);
            let columns = b.cast::<[f32; W]>().read_unaligned();
            for (m, row) in sums.iter_mut().enumerate() {
                let factor = *a.add(m);
                // Not mul_add: without the FMA instruction it is a library call.
                for (sum, &column) in row.iter_mut().zip(&columns) {
                    *sum += factor * column;
                }
            }
            a = a.add(MR);
        }
        for (m, row) in sums.iter().enumerate() {
            t.c.add(m * t.ldc).cast::<[f32; W]>().write_unaligned(*row);
        }
    }
}
