//! Transposition of a matrix of floats.

use super::super::simd::Simd;

/// Writes the transpose of `from` (`rows` of `columns`, `from_pitch` apart) to `to` (rows `to_pitch` apart).
pub(super) fn transpose(
    simd: Simd,
    from: &[f32],
    from_pitch: usize,
    [rows, columns]: [usize; 2],
    to: &mut [f32],
    to_pitch: usize,
) {
    let _ = simd;
    const BLOCK: usize = 8;
    let (whole_rows, whole_columns) = (rows / BLOCK * BLOCK, columns / BLOCK * BLOCK);
    for c in (0..whole_columns).step_by(BLOCK) {
        for r in (0..whole_rows).step_by(BLOCK) {
            let mut block = [[0.0_f32; BLOCK]; BLOCK];
            for (i, line) in block.iter_mut().enumerate() {
                line.copy_from_slice(&from[(r + i) * from_pitch + c..][..BLOCK]);
            }
            for j in 0..BLOCK {
                let target = &mut to[(c + j) * to_pitch + r..][..BLOCK];
                for (value, line) in target.iter_mut().zip(&block) {
                    *value = line[j];
                }
            }
        }
        for r in whole_rows..rows {
            for j in c..c + BLOCK {
                to[j * to_pitch + r] = from[r * from_pitch + j];
            }
        }
    }
    for c in whole_columns..columns {
        for r in 0..rows {
            to[c * to_pitch + r] = from[r * from_pitch + c];
        }
    }
}
