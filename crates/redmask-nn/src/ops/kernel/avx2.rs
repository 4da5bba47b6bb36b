//! The AVX2 micro-kernel: 4 rows by 3 vectors fill 12 of the 16 registers.

use std::arch::x86_64::{
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::{Kernel, Tile};

const MR: usize = 4;
const LANES: usize = 8;

macro_rules! kernels {
    ($packed:literal: $($rows:literal)*) => {
        [$([
            tile::<$rows, 1, $packed> as Kernel,
            tile::<$rows, 2, $packed>,
            tile::<$rows, 3, $packed>,
        ]),*]
    };
}

/// By the layout of the factors, rows less one and vectors less one.
pub(super) const KERNELS: [[[Kernel; 3]; MR]; 2] =
    [kernels!(true: 1 2 3 4), kernels!(false: 1 2 3 4)];

/// # Safety
///
/// See [`Kernel`].
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const M: usize, const V: usize, const PACKED: bool>(t: &Tile) {
    // SAFETY: the caller vouches for the extents of `a`, `b`, their offsets and `c`; loads are unaligned.
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); V]; M];
        if t.accumulate {
            for (m, row) in sums.iter_mut().enumerate() {
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = _mm256_loadu_ps(t.c.add(m * t.ldc + v * LANES));
                }
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
            let mut columns = [_mm256_setzero_ps(); V];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = _mm256_loadu_ps(b.add(v * LANES));
            }
            for (m, row) in sums.iter_mut().enumerate() {
                let factor = _mm256_set1_ps(*a.add(m * row_step));
                for (sum, &column) in row.iter_mut().zip(&columns) {
                    *sum = _mm256_fmadd_ps(factor, column, *sum);
                }
            }
        }
        for (m, row) in sums.iter().enumerate() {
            for (v, &sum) in row.iter().enumerate() {
                _mm256_storeu_ps(t.c.add(m * t.ldc + v * LANES), sum);
            }
        }
    }
}
