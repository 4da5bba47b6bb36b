//! Exact distance of every pixel to the nearest pixel of a set.
//!
//! Integers throughout, so a pixel on the edge of a band is in it or out of it, never nearly. Written by hand because a
//! trigger's place depends on exact ties, and because every poisoned image needs one (imageproc's transform returns `f64`
//! and runs on one thread).

use rayon::prelude::*;

/// The distance of every pixel when the set is empty.
pub const UNREACHABLE: u32 = u32::MAX;

/// Rows handed to a thread at a time.
const ROWS: usize = 32;

/// Squared Euclidean distance, in pixels squared, of every pixel of a row-major `[height, width]` raster to the nearest
/// pixel where `in_set` holds (Meijster, Roerdink and Hesselink 2000).
///
/// ```
/// use redmask_metrics::distance::squared_euclidean;
/// // One pixel, in the corner of a 2x3 raster.
/// assert_eq!(squared_euclidean(2, 3, |i| i == 0), [0, 1, 4, 1, 2, 5]);
/// ```
///
/// # Panics
/// If a side exceeds 32767 pixels: the square would not fit.
pub fn squared_euclidean(
    height: usize,
    width: usize,
    in_set: impl Fn(usize) -> bool + Sync,
) -> Vec<u32> {
    let vertical = vertical_distance(height, width, in_set);
    let mut out = vec![UNREACHABLE; height * width];
    if width == 0 {
        return out;
    }
    out.par_chunks_mut(ROWS * width)
        .zip(vertical.par_chunks(ROWS * width))
        .for_each(|(out, vertical)| {
            let mut envelope = Envelope::with_capacity(width);
            for (out, g) in out
                .chunks_exact_mut(width)
                .zip(vertical.chunks_exact(width))
            {
                envelope.fill(g, out);
            }
        });
    out
}

/// Chebyshev (chessboard) distance, in pixels, of every pixel to the nearest pixel where `in_set` holds.
///
/// ```
/// use redmask_metrics::distance::chebyshev;
/// assert_eq!(chebyshev(2, 3, |i| i == 0), [0, 1, 2, 1, 1, 2]);
/// ```
///
/// # Panics
/// If a side exceeds 32767 pixels.
pub fn chebyshev(height: usize, width: usize, in_set: impl Fn(usize) -> bool + Sync) -> Vec<u32> {
    let mut out: Vec<u32> = (0..height * width)
        .map(|i| if in_set(i) { 0 } else { UNREACHABLE })
        .collect();
    if width == 0 {
        return out;
    }
    // On a whole rectangle the distance is the number of king's moves, which two sweeps settle exactly (Rosenfeld and
    // Pfaltz 1966).
    for y in 0..height {
        let (above, below) = out.split_at_mut(y * width);
        let previous = (y > 0).then(|| &above[(y - 1) * width..]);
        king_moves(previous, &mut below[..width]);
    }
    for y in (0..height).rev() {
        let (above, below) = out.split_at_mut((y + 1) * width);
        let next = (y + 1 < height).then(|| &below[..width]);
        king_moves(next, &mut above[y * width..]);
    }
    out
}

/// Relaxes one row from a finished neighbouring row, then along itself in both directions.
fn king_moves(finished: Option<&[u32]>, row: &mut [u32]) {
    if let Some(from) = finished {
        for x in 0..row.len() {
            let left = from[x.saturating_sub(1)];
            let right = from[(x + 1).min(row.len() - 1)];
            row[x] = row[x].min(left.min(from[x]).min(right).saturating_add(1));
        }
    }
    for x in 1..row.len() {
        row[x] = row[x].min(row[x - 1].saturating_add(1));
    }
    for x in (1..row.len()).rev() {
        row[x - 1] = row[x - 1].min(row[x].saturating_add(1));
    }
}

/// Vertical distance to the nearest pixel of the set in the same column, [`UNREACHABLE`] in a column without one.
fn vertical_distance(
    height: usize,
    width: usize,
    in_set: impl Fn(usize) -> bool + Sync,
) -> Vec<u32> {
    assert!(
        height <= 32767 && width <= 32767,
        "squared distances of a {height}x{width} raster leave 32 bits"
    );
    let mut g: Vec<u32> = (0..height * width)
        .map(|i| if in_set(i) { 0 } else { UNREACHABLE })
        .collect();
    let relax = |from: &[u32], to: &mut [u32]| {
        for (&near, to) in from.iter().zip(to) {
            *to = (*to).min(near.saturating_add(1));
        }
    };
    for y in 1..height {
        let (above, below) = g.split_at_mut(y * width);
        relax(&above[(y - 1) * width..], &mut below[..width]);
    }
    for y in (1..height).rev() {
        let (above, below) = g.split_at_mut(y * width);
        relax(&below[..width], &mut above[(y - 1) * width..]);
    }
    g
}

/// The lower envelope of the parabolas `(x - i)^2 + g[i]^2` of one row.
struct Envelope {
    /// Columns whose parabola is lowest somewhere, left to right.
    sites: Vec<i64>,
    /// First column where each of them is lowest.
    starts: Vec<i64>,
}

impl Envelope {
    fn with_capacity(width: usize) -> Self {
        Self {
            sites: Vec::with_capacity(width),
            starts: Vec::with_capacity(width),
        }
    }

    fn fill(&mut self, g: &[u32], out: &mut [u32]) {
        self.sites.clear();
        self.starts.clear();
        let square = |i: i64| {
            let v = i64::from(g[i as usize]);
            v * v
        };
        let height_at = |site: i64, x: i64| (x - site) * (x - site) + square(site);
        for u in (0..g.len() as i64).filter(|&u| g[u as usize] != UNREACHABLE) {
            while let (Some(&site), Some(&start)) = (self.sites.last(), self.starts.last()) {
                if height_at(site, start) > height_at(u, start) {
                    self.sites.pop();
                    self.starts.pop();
                } else {
                    break;
                }
            }
            match self.sites.last() {
                None => {
                    self.sites.push(u);
                    self.starts.push(0);
                }
                Some(&site) => {
                    // Last column where the older parabola is not above the newer one.
                    let cross =
                        (u * u - site * site + square(u) - square(site)).div_euclid(2 * (u - site));
                    if cross + 1 < g.len() as i64 {
                        self.sites.push(u);
                        self.starts.push(cross + 1);
                    }
                }
            }
        }
        let mut end = g.len();
        for (&site, &start) in self.sites.iter().zip(&self.starts).rev() {
            for (x, out) in out[..end].iter_mut().enumerate().skip(start as usize) {
                *out = height_at(site, x as i64) as u32;
            }
            end = start as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raster() -> impl Strategy<Value = (usize, usize, Vec<bool>)> {
        (1usize..12, 1usize..12).prop_flat_map(|(h, w)| {
            let sparse = prop::collection::vec(prop::bool::weighted(0.15), h * w);
            (Just(h), Just(w), sparse)
        })
    }

    fn brute_force(
        (h, w, set): &(usize, usize, Vec<bool>),
        distance: impl Fn(u32, u32) -> u32,
    ) -> Vec<u32> {
        (0..h * w)
            .map(|i| {
                (0..h * w)
                    .filter(|&j| set[j])
                    .map(|j| {
                        distance(
                            (i / w).abs_diff(j / w) as u32,
                            (i % w).abs_diff(j % w) as u32,
                        )
                    })
                    .min()
                    .unwrap_or(UNREACHABLE)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn squared_euclidean_equals_brute_force(raster in raster()) {
            let (h, w, set) = &raster;
            let found = squared_euclidean(*h, *w, |i| set[i]);
            prop_assert_eq!(found, brute_force(&raster, |dy, dx| dy * dy + dx * dx));
        }

        #[test]
        fn chebyshev_equals_brute_force(raster in raster()) {
            let (h, w, set) = &raster;
            let found = chebyshev(*h, *w, |i| set[i]);
            prop_assert_eq!(found, brute_force(&raster, u32::max));
        }
    }

    #[test]
    fn rows_beyond_one_thread_agree_with_brute_force() {
        let (h, w) = (3 * ROWS + 5, 7);
        let set: Vec<bool> = (0..h * w).map(|i| i % 131 == 17).collect();
        let raster = (h, w, set);
        let found = squared_euclidean(h, w, |i| raster.2[i]);
        assert_eq!(found, brute_force(&raster, |dy, dx| dy * dy + dx * dx));
    }

    #[test]
    fn an_empty_set_is_nowhere() {
        assert_eq!(squared_euclidean(1, 2, |_| false), [UNREACHABLE; 2]);
        assert_eq!(chebyshev(1, 2, |_| false), [UNREACHABLE; 2]);
        assert!(squared_euclidean(0, 0, |_| true).is_empty());
        assert!(chebyshev(3, 0, |_| true).is_empty());
    }
}
