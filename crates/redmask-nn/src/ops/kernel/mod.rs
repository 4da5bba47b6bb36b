//! The micro-kernel under every convolution, in one version per instruction set.
//!
//! It multiplies up to `mr` rows of factors with a window of up to `vectors` vectors of columns and keeps
//! the products in registers: `c[m][j] (+)= sum_k a[k][m] * b[offset[k] + j]`. The offsets are what makes it
//! a convolution kernel: a row of `b` may lie anywhere, so a shifted view of an image costs no copy. Factors come as a packed
//! panel or lie in rows as they are: packing pays only for factors that are read again and again.

#[cfg(target_arch = "x86_64")]
pub(super) mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub(super) mod bf16;
pub(super) mod chacha;
pub(super) mod pointwise;
mod portable;
#[cfg(target_arch = "x86_64")]
mod transpose;

#[cfg(target_arch = "x86_64")]
pub(super) use self::transpose::{transpose_8x8, transpose_16x16};
use super::simd::Simd;

/// How a kernel finds its factors, see [`Tile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FactorLayout {
    Packed,
    InRows,
}

/// One call of the micro-kernel.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Number of products to sum.
    pub(super) depth: usize,
    /// The packed panel `[depth][mr]`, or for factors in rows what `a_offsets` count from, in elements.
    pub(super) a: *const f32,
    /// For factors in rows: `depth` offsets of the first row's factors.
    pub(super) a_offsets: *const u32,
    /// For factors in rows: the distance of two rows, in elements.
    pub(super) a_row_step: usize,
    /// What `offsets` count from, in elements.
    pub(super) b: *const f32,
    /// `depth` offsets of rows of `b`.
    pub(super) offsets: *const u32,
    /// The result, `[rows][ldc]`.
    pub(super) c: *mut f32,
    /// Distance of two rows of `c`, in elements.
    pub(super) ldc: usize,
    /// Whether to add to `c` instead of overwriting it.
    pub(super) accumulate: bool,
}

/// A micro-kernel for a fixed number of rows and vectors.
///
/// # Safety
///
/// The CPU has the instruction set; `a`, the offsets and `c` are valid for the extents named in [`Tile`], every
/// row of `b` for `vectors * lanes` elements from its offset, and nobody else touches that part of `c`.
pub(super) type Kernel = unsafe fn(&Tile);

/// The block sizes of an instruction set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocking {
    /// Elements of a vector.
    pub(super) lanes: usize,
    /// Rows of a packed panel.
    pub(super) mr: usize,
    /// Vectors of columns of a full tile.
    pub(super) vectors: usize,
}

impl Simd {
    /// The block sizes of this path.
    pub(super) const fn blocking(self) -> Blocking {
        match self {
            Self::Portable => Blocking {
                lanes: 8,
                mr: 4,
                vectors: 2,
            },
            Self::Avx2 => Blocking {
                lanes: 8,
                mr: 4,
                vectors: 3,
            },
            Self::Avx512 => Blocking {
                lanes: 16,
                mr: 8,
                vectors: 3,
            },
        }
    }

    /// The kernel for factors that lie like this, in `rows`, and `vectors` of columns.
    ///
    /// # Panics
    ///
    /// If either exceeds the path's [`Blocking`] or is zero.
    pub(super) fn kernel(self, factors: FactorLayout, rows: usize, vectors: usize) -> Kernel {
        let factors = factors as usize;
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::KERNELS[factors][rows - 1][vectors - 1],
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::KERNELS[factors][rows - 1][vectors - 1],
            _ => portable::KERNELS[factors][rows - 1][vectors - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(i: usize) -> f32 {
        ((i * 2654435761 % 1000) as f32 - 500.0) / 250.0
    }

    #[test]
    fn every_kernel_of_every_path_multiplies() {
        for simd in Simd::available() {
            let Blocking { lanes, mr, vectors } = simd.blocking();
            let depth = 13;
            let a: Vec<f32> = (0..depth * mr).map(value).collect();
            let b: Vec<f32> = (0..500).map(|i| value(i + 7777)).collect();
            let offsets: Vec<u32> = (0..depth as u32).map(|k| (k * 29) % 400).collect();
            // The same factors as rows, 5 floats between the first elements of two columns of factors.
            let a_row_step = depth * 5 + 2;
            let mut a_in_rows = vec![f32::NAN; mr * a_row_step];
            for (i, &factor) in a.iter().enumerate() {
                a_in_rows[i % mr * a_row_step + i / mr * 5] = factor;
            }
            let a_offsets: Vec<u32> = (0..depth as u32).map(|k| k * 5).collect();
            for rows in 1..=mr {
                for vectors in 1..=vectors {
                    for (accumulate, layout) in [
                        (false, FactorLayout::Packed),
                        (true, FactorLayout::Packed),
                        (false, FactorLayout::InRows),
                        (true, FactorLayout::InRows),
                    ] {
                        let ldc = vectors * lanes + 3;
                        let mut c = vec![0.5_f32; mr * ldc];
                        let tile = Tile {
                            depth,
                            a: match layout {
                                FactorLayout::Packed => a.as_ptr(),
                                FactorLayout::InRows => a_in_rows.as_ptr(),
                            },
                            a_offsets: a_offsets.as_ptr(),
                            a_row_step,
                            b: b.as_ptr(),
                            offsets: offsets.as_ptr(),
                            c: c.as_mut_ptr(),
                            ldc,
                            accumulate,
                        };
                        let kernel = simd.kernel(layout, rows, vectors);
                        // SAFETY: the path is available, offsets + 48 stay below 500, c holds mr rows.
                        unsafe { kernel(&tile) };
                        for (i, &got) in c.iter().enumerate() {
                            let (m, j) = (i / ldc, i % ldc);
                            let start = if accumulate { 0.5 } else { 0.0 };
                            let sum: f64 = (0..depth)
                                .map(|k| {
                                    f64::from(a[k * mr + m])
                                        * f64::from(b[offsets[k] as usize + j.min(60)])
                                })
                                .sum();
                            let inside = m < rows && j < vectors * lanes;
                            let expected = if inside { start + sum } else { 0.5 };
                            assert!(
                                (f64::from(got) - expected).abs() < 1e-4,
                                "{simd:?} {rows}x{vectors} at {m},{j}: {got} for {expected}"
                            );
                        }
                    }
                }
            }
        }
    }
}
