//! Transposition of a matrix of floats.

#[cfg(target_arch = "x86_64")]
use super::super::kernel::transpose_8x8;
use super::super::simd::Simd;

/// Rows and columns of a block.
const BLOCK: usize = 8;

/// Writes the transpose of `from` (`rows` of `columns`, `from_pitch` apart) to `to` (rows `to_pitch` apart).
///
/// # Panics
///
/// If either matrix leaves its slice.
pub(super) fn transpose(
    simd: Simd,
    from: &[f32],
    from_pitch: usize,
    [rows, columns]: [usize; 2],
    to: &mut [f32],
    to_pitch: usize,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(
        (rows - 1) * from_pitch + columns <= from.len(),
        "the source is too short"
    );
    assert!(
        (columns - 1) * to_pitch + rows <= to.len(),
        "the target is too short"
    );
    let (whole_rows, whole_columns) = (rows / BLOCK * BLOCK, columns / BLOCK * BLOCK);
    for c in (0..whole_columns).step_by(BLOCK) {
        for r in (0..whole_rows).step_by(BLOCK) {
            let (source, target) = (r * from_pitch + c, c * to_pitch + r);
            block(
                simd,
                &from[source..],
                from_pitch,
                &mut to[target..],
                to_pitch,
            );
        }
    }
    let mut rest = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        for r in rows {
            for c in columns.clone() {
                to[c * to_pitch + r] = from[r * from_pitch + c];
            }
        }
    };
    rest(whole_rows..rows, 0..whole_columns);
    rest(0..rows, whole_columns..columns);
}

fn block(simd: Simd, from: &[f32], from_pitch: usize, to: &mut [f32], to_pitch: usize) {
    #[cfg(target_arch = "x86_64")]
    if simd >= Simd::Avx2 {
        debug_assert!(7 * from_pitch + BLOCK <= from.len() && 7 * to_pitch + BLOCK <= to.len());
        // SAFETY: the path has AVX, and `transpose` checked that whole blocks lie inside of both slices.
        unsafe { transpose_8x8(from.as_ptr(), from_pitch, to.as_mut_ptr(), to_pitch) };
        return;
    }
    let _ = simd;
    for r in 0..BLOCK {
        for c in 0..BLOCK {
            to[c * to_pitch + r] = from[r * from_pitch + c];
        }
    }
}
