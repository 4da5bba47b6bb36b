//! Rounding of f32 to bfloat16, in the arrangements that the matrix unit reads.
//!
//! To the nearest, ties to even; numbers below the normal range become zero, as everywhere in AMX.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _mm256_mask_storeu_epi16, _mm256_storeu_si256, _mm512_cvtepu16_epi32,
    _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh, _mm512_i32gather_ps, _mm512_loadu_ps,
    _mm512_mask_storeu_epi32, _mm512_maskz_loadu_ps, _mm512_mullo_epi32, _mm512_or_si512,
    _mm512_permutex2var_ps, _mm512_set_epi32, _mm512_set1_epi32, _mm512_slli_epi32,
    _mm512_storeu_si512,
};

/// Numbers of a vector.
const LANES: usize = 16;

/// Writes pairs of numbers of two rows: `low[i step]` in the lower half, `high[i step]` (zero without `high`) in the upper.
///
/// # Safety
///
/// [`super::amx::available`].
///
/// # Panics
///
/// If a row is too short for the target.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(in super::super) unsafe fn pair_rows(
    low: &[f32],
    high: Option<&[f32]>,
    step: usize,
    target: &mut [u32],
) {
    let Some(last) = target.len().checked_sub(1) else {
        return;
    };
    let high = high.unwrap_or(&[]);
    assert!(last * step < low.len(), "the lower row is too short");
    assert!(
        high.is_empty() || last * step < high.len(),
        "the upper row is too short"
    );
    let mut whole = 0;
    if step == 1 {
        whole = target.len() / LANES * LANES;
        for (i, target) in target[..whole].chunks_exact_mut(LANES).enumerate() {
            // SAFETY: the rows reach to the last element, and each of these vectors is whole.
            unsafe {
                let low = rounded(_mm512_loadu_ps(low.as_ptr().add(i * LANES)));
                let pairs = if high.is_empty() {
                    low
                } else {
                    let high = rounded(_mm512_loadu_ps(high.as_ptr().add(i * LANES)));
                    _mm512_or_si512(low, _mm512_slli_epi32::<16>(high))
                };
                _mm512_storeu_si512(target.as_mut_ptr().cast(), pairs);
            }
        }
    }
    for (i, target) in target[whole..].chunks_mut(LANES).enumerate() {
        let at = whole + i * LANES * step;
        // SAFETY: the rows reach to the last element, the chunk holds at most 16.
        unsafe {
            let low = rounded(read(&low[at..], step, target.len()));
            let pairs = if high.is_empty() {
                low
            } else {
                let high = rounded(read(&high[at..], step, target.len()));
                _mm512_or_si512(low, _mm512_slli_epi32::<16>(high))
            };
            _mm512_mask_storeu_epi32(target.as_mut_ptr().cast(), mask(target.len()), pairs);
        }
    }
}

/// Writes the rounded elements `source[i step]`.
///
/// # Safety
///
/// [`super::amx::available`].
///
/// # Panics
///
/// If the source is too short.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(in super::super) unsafe fn row(source: &[f32], step: usize, target: &mut [u16]) {
    let Some(last) = target.len().checked_sub(1) else {
        return;
    };
    assert!(last * step < source.len(), "the row is too short");
    let whole = if step == 1 {
        target.len() / LANES * LANES
    } else {
        0
    };
    for (i, target) in target[..whole].chunks_exact_mut(LANES).enumerate() {
        // SAFETY: the row reaches to the last element, and each of these vectors is whole.
        unsafe {
            let values = _mm512_loadu_ps(source.as_ptr().add(i * LANES));
            let values: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(values));
            _mm256_storeu_si256(target.as_mut_ptr().cast(), values);
        }
    }
    for (i, target) in target[whole..].chunks_mut(LANES).enumerate() {
        // SAFETY: the row reaches to the last element; the mask stops at the end of the chunk.
        unsafe {
            let values = read(&source[whole + i * LANES * step..], step, target.len());
            let values: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(values));
            _mm256_mask_storeu_epi16(target.as_mut_ptr().cast(), mask(target.len()), values);
        }
    }
}

/// Writes 32 numbers that lie `step` apart as one row of a tile.
///
/// # Safety
///
/// [`super::amx::available`].
///
/// # Panics
///
/// If the source is too short.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(in super::super) unsafe fn tile_row(source: &[f32], step: usize, target: &mut [u16; 32]) {
    assert!(31 * step < source.len(), "the source is too short");
    let at = source.as_ptr();
    // SAFETY: inside of the source by the assertion.
    unsafe {
        let [low, high] = if step == 1 {
            [_mm512_loadu_ps(at), _mm512_loadu_ps(at.add(LANES))]
        } else {
            let lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
            let index = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(step as i32));
            [
                _mm512_i32gather_ps::<4>(index, at),
                _mm512_i32gather_ps::<4>(index, at.add(LANES * step)),
            ]
        };
        let row: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
        _mm512_storeu_si512(target.as_mut_ptr().cast(), row);
    }
}

fn mask(count: usize) -> u16 {
    ((1_u32 << count) - 1) as u16
}

/// Rounded numbers in the lower halves of 32-bit elements.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn rounded(values: __m512) -> __m512i {
    // SAFETY: both are 256 bits of plain numbers.
    let values: __m256i = unsafe { std::mem::transmute(_mm512_cvtneps_pbh(values)) };
    _mm512_cvtepu16_epi32(values)
}

/// The elements `source[i step]` for `i < count`, zeros behind them.
///
/// # Safety
///
/// `count` is in `1..=16` and the last element exists.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn read(source: &[f32], step: usize, count: usize) -> __m512 {
    let at = source.as_ptr();
    // SAFETY: reads stop at the last element, by the mask or by the length of the source.
    unsafe {
        match step {
            1 => _mm512_maskz_loadu_ps(mask(count), at),
            2 if count == LANES && source.len() >= 2 * LANES => {
                let even =
                    _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
                _mm512_permutex2var_ps(_mm512_loadu_ps(at), even, _mm512_loadu_ps(at.add(LANES)))
            }
            _ => {
                let mut values = [0.0_f32; LANES];
                for (i, value) in values.iter_mut().enumerate().take(count) {
                    *value = source[i * step];
                }
                _mm512_loadu_ps(values.as_ptr())
            }
        }
    }
}
