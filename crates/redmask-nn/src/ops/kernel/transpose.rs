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

/// The transpose of 16 rows of 16 elements of 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
pub(in super::super) fn transpose_16x16(r: [__m512i; 16]) -> [__m512i; 16] {
    // Quarters of 128 bits: first 4x4 blocks inside of them, then the quarters themselves.
    let mut quads = r;
    for g in (0..16).step_by(4) {
        let a = _mm512_unpacklo_epi32(r[g], r[g + 1]);
        let b = _mm512_unpackhi_epi32(r[g], r[g + 1]);
        let c = _mm512_unpacklo_epi32(r[g + 2], r[g + 3]);
        let d = _mm512_unpackhi_epi32(r[g + 2], r[g + 3]);
        quads[g] = _mm512_unpacklo_epi64(a, c);
        quads[g + 1] = _mm512_unpackhi_epi64(a, c);
        quads[g + 2] = _mm512_unpacklo_epi64(b, d);
        quads[g + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut out = r;
    for j in 0..4 {
        let (a, b, c, d) = (quads[j], quads[4 + j], quads[8 + j], quads[12 + j]);
        // Quarters 0 and 2, and 1 and 3, of both.
        let (top_even, bottom_even) = (
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0x88>(c, d),
        );
        let (top_odd, bottom_odd) = (
            _mm512_shuffle_i32x4::<0xdd>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        );
        out[j] = _mm512_shuffle_i32x4::<0x88>(top_even, bottom_even);
        out[4 + j] = _mm512_shuffle_i32x4::<0x88>(top_odd, bottom_odd);
        out[8 + j] = _mm512_shuffle_i32x4::<0xdd>(top_even, bottom_even);
        out[12 + j] = _mm512_shuffle_i32x4::<0xdd>(top_odd, bottom_odd);
    }
    out
}
