//! Transposition of blocks in registers.

use std::arch::x86_64::{
    __m512i, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_shuffle_i32x4, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
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

/// Transposes 16 rows of 16 elements of 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
pub(in super::super) fn transpose_16x16(rows: &mut [__m512i; 16]) {
    // Quarters of 128 bits: first 4x4 blocks inside of them, then the quarters themselves.
    for [r0, r1, r2, r3] in rows.as_chunks_mut::<4>().0 {
        let a = _mm512_unpacklo_epi32(*r0, *r1);
        let b = _mm512_unpackhi_epi32(*r0, *r1);
        let c = _mm512_unpacklo_epi32(*r2, *r3);
        let d = _mm512_unpackhi_epi32(*r2, *r3);
        *r0 = _mm512_unpacklo_epi64(a, c);
        *r1 = _mm512_unpackhi_epi64(a, c);
        *r2 = _mm512_unpacklo_epi64(b, d);
        *r3 = _mm512_unpackhi_epi64(b, d);
    }
    for j in 0..4 {
        let (a, b, c, d) = (rows[j], rows[4 + j], rows[8 + j], rows[12 + j]);
        // Quarters 0 and 2, and 1 and 3, of both.
        let (top_even, bottom_even) = (
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0x88>(c, d),
        );
        let (top_odd, bottom_odd) = (
            _mm512_shuffle_i32x4::<0xdd>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        );
        rows[j] = _mm512_shuffle_i32x4::<0x88>(top_even, bottom_even);
        rows[4 + j] = _mm512_shuffle_i32x4::<0x88>(top_odd, bottom_odd);
        rows[8 + j] = _mm512_shuffle_i32x4::<0xdd>(top_even, bottom_even);
        rows[12 + j] = _mm512_shuffle_i32x4::<0xdd>(top_odd, bottom_odd);
    }
}
