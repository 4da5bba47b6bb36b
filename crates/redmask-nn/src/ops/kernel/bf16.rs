//! Rounding of f32 to bfloat16, in the arrangements that the matrix unit reads.
//!
//! To the nearest, ties to even; numbers below the normal range become zero, as everywhere in AMX.

use std::arch::x86_64::{
    __m256i, __m512, __m512bh, __m512i, _mm256_mask_storeu_epi16, _mm256_storeu_si256,
    _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh, _mm512_i32gather_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_maskz_loadu_ps, _mm512_mullo_epi32,
    _mm512_permutex2var_ps, _mm512_permutexvar_epi16, _mm512_set_epi32, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::transpose_16x16;

/// Numbers of a vector.
const LANES: usize = 16;

/// Writes pixels: for each of some positions the numbers of its channels side by side, `width` of them, zeros behind the last
/// channel.
///
/// `source` holds one row of each channel, `area` apart; position `i` reads element `i step` of each.
///
/// # Safety
///
/// [`super::amx::available`].
///
/// # Panics
///
/// If the source is too short, `width` is odd or exceeds 32, or the target is not a whole number of pixels.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(in super::super) unsafe fn pixels(
    source: &[f32],
    area: usize,
    channels: usize,
    step: usize,
    width: usize,
    target: &mut [u16],
) {
    assert!(
        width <= 2 * LANES && channels <= width && width.is_multiple_of(2),
        "{channels} channels do not fit a pixel of {width}"
    );
    assert!(target.len().is_multiple_of(width), "a part of a pixel");
    let Some(last) = (target.len() / width).checked_sub(1) else {
        return;
    };
    assert!(
        channels >= 1 && (channels - 1) * area + last * step < source.len(),
        "the channels are too short"
    );
    let pairs = mask(width / 2);
    for (i, target) in target.chunks_mut(LANES * width).enumerate() {
        let count = target.len() / width;
        let source = &source[i * LANES * step..];
        let mut rows = [_mm512_setzero_si512(); LANES];
        for (pair, row) in rows.iter_mut().enumerate() {
            let channel = 2 * pair;
            if channel >= channels {
                break;
            }
            let low = &source[channel * area..];
            // SAFETY: the channels reach to the last position, the chunk holds at most 16.
            let low = unsafe { read(low, step, count) };
            let high = if channel + 1 < channels {
                let high = &source[(channel + 1) * area..];
                // SAFETY: as above.
                unsafe { read(high, step, count) }
            } else {
                _mm512_setzero_ps()
            };
            *row = pairs_of(low, high);
        }
        transpose_16x16(&mut rows);
        for (target, pixel) in target.chunks_exact_mut(width).zip(rows) {
            // SAFETY: the mask ends with the pixel.
            unsafe { _mm512_mask_storeu_epi32(target.as_mut_ptr().cast(), pairs, pixel) };
        }
    }
}

/// Writes the transpose of 16 rows of 16 elements.
///
/// # Safety
///
/// [`super::amx::available`]; 16 rows of `from`, `from_pitch` bytes apart, are readable and those of `to` writable.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn transposed(
    from: *const u8,
    from_pitch: usize,
    to: *mut u8,
    to_pitch: usize,
) {
    // SAFETY: the caller vouches for the extents.
    unsafe {
        let mut rows = [_mm512_setzero_si512(); LANES];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = _mm512_loadu_si512(from.add(i * from_pitch).cast());
        }
        transpose_16x16(&mut rows);
        for (i, column) in rows.iter().enumerate() {
            _mm512_storeu_si512(to.add(i * to_pitch).cast(), *column);
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

/// Rounded numbers, one of `low` in the lower and one of `high` in the upper half of each 32-bit element.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pairs_of(low: __m512, high: __m512) -> __m512i {
    const INTERLEAVED: [u16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < 32 {
            order[i] = (i / 2 + i % 2 * LANES) as u16;
            i += 1;
        }
        order
    };
    // SAFETY: all are 512 bits of plain numbers.
    let (order, halves) = unsafe {
        (
            std::mem::transmute::<[u16; 32], __m512i>(INTERLEAVED),
            std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)),
        )
    };
    _mm512_permutexvar_epi16(order, halves)
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
    // SAFETY: reads stop at the last element, by the masks or by the length of the source.
    unsafe {
        match step {
            1 if count == LANES => _mm512_loadu_ps(at),
            1 => _mm512_maskz_loadu_ps(mask(count), at),
            2 => {
                let even =
                    _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
                let reads = (1_u32 << (2 * count - 1)) - 1;
                let low = _mm512_maskz_loadu_ps(reads as u16, at);
                let high = _mm512_maskz_loadu_ps((reads >> LANES) as u16, at.wrapping_add(LANES));
                _mm512_permutex2var_ps(low, even, high)
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
