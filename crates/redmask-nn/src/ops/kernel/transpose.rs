//! Transposition of 8x8 blocks in registers.

use std::arch::x86_64::{
    _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

/// Writes the transpose of 8 rows of 8 floats, `from_pitch` apart, to rows `to_pitch` apart.
///
/// # Safety
///
/// The CPU has AVX; `from` is valid for reads of the 8 rows, `to` for writes.
#[target_feature(enable = "avx")]
pub(in super::super) unsafe fn transpose_8x8(
    from: *const f32,
    from_pitch: usize,
    to: *mut f32,
    to_pitch: usize,
) {
    // SAFETY: the caller vouches for both extents.
    unsafe {
        let r = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| _mm256_loadu_ps(from.add(i * from_pitch)));
        let low = [0, 2, 4, 6].map(|i| _mm256_unpacklo_ps(r[i], r[i + 1]));
        let high = [0, 2, 4, 6].map(|i| _mm256_unpackhi_ps(r[i], r[i + 1]));
        // Quarters: columns 0..4 of rows 0..4 and 4..8, each beside columns 4..8.
        let mut quads = [[_mm256_unpacklo_ps(r[0], r[1]); 4]; 2];
        for (half, quad) in quads.iter_mut().enumerate() {
            let (l, h) = (
                [low[2 * half], low[2 * half + 1]],
                [high[2 * half], high[2 * half + 1]],
            );
            *quad = [
                _mm256_shuffle_ps::<0x44>(l[0], l[1]),
                _mm256_shuffle_ps::<0xee>(l[0], l[1]),
                _mm256_shuffle_ps::<0x44>(h[0], h[1]),
                _mm256_shuffle_ps::<0xee>(h[0], h[1]),
            ];
        }
        let [top, bottom] = quads;
        for (j, (a, b)) in top.into_iter().zip(bottom).enumerate() {
            _mm256_storeu_ps(to.add(j * to_pitch), _mm256_permute2f128_ps::<0x20>(a, b));
            _mm256_storeu_ps(
                to.add((j + 4) * to_pitch),
                _mm256_permute2f128_ps::<0x31>(a, b),
            );
        }
    }
}
