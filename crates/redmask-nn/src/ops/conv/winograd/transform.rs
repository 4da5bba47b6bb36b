//! The three linear maps of F(4x4, 3x3) along one axis, and their two-dimensional forms over many tiles at once.
//!
//! Filtering by a window of three is multiplying polynomials; here their values at 0, +-a, +-b and infinity are multiplied
//! (Toom and Cook). For the points +-1 and +-2 of Lavin and Gray the sums cancel digits that they had; a = 5/8, b = 3/2 are
//! half as wrong (8.1e-7 beside 1.8e-6 of the results over 64 channels, printed by the test beside this file) and exact binary fractions.

use super::super::super::{kernel::pointwise::multiply_add, simd::multiversion};

/// Points of a tile along an axis: values that are multiplied for [`TILE`] results.
pub(super) const POINTS: usize = 6;

/// Results of a tile along an axis.
pub(super) const TILE: usize = 4;

const A: f32 = 0.625;
const B: f32 = 1.5;
/// Squares of the points.
const AA: f32 = A * A;
const BB: f32 = B * B;
const PRODUCT: f32 = AA * BB;
const SUM: f32 = AA + BB;
/// What the values of the window are divided by: the products of a point's distances from the other finite ones.
const SCALES: [f32; 3] = [
    1.0 / PRODUCT,
    1.0 / (2.0 * AA * (AA - BB)),
    1.0 / (2.0 * BB * (BB - AA)),
];

/// `B^T d`: six inputs to six points.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's instruction set"
)]
fn inputs_to_points<const FUSED: bool>(d: [f32; POINTS]) -> [f32; POINTS] {
    let (even_a, even_b) = (
        multiply_add::<FUSED>(-BB, d[2], d[4]),
        multiply_add::<FUSED>(-AA, d[2], d[4]),
    );
    let (odd_a, odd_b) = (
        multiply_add::<FUSED>(-BB, d[1], d[3]),
        multiply_add::<FUSED>(-AA, d[1], d[3]),
    );
    [
        multiply_add::<FUSED>(PRODUCT, d[0], multiply_add::<FUSED>(-SUM, d[2], d[4])),
        multiply_add::<FUSED>(A, odd_a, even_a),
        multiply_add::<FUSED>(-A, odd_a, even_a),
        multiply_add::<FUSED>(B, odd_b, even_b),
        multiply_add::<FUSED>(-B, odd_b, even_b),
        multiply_add::<FUSED>(PRODUCT, d[1], multiply_add::<FUSED>(-SUM, d[3], d[5])),
    ]
}

/// `G g`: the three elements of a window to six points.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn window_to_points<const FUSED: bool>([g0, g1, g2]: [f32; 3]) -> [f32; POINTS] {
    let (near, far) = (
        multiply_add::<FUSED>(AA, g2, g0),
        multiply_add::<FUSED>(BB, g2, g0),
    );
    [
        SCALES[0] * g0,
        SCALES[1] * multiply_add::<FUSED>(A, g1, near),
        SCALES[1] * multiply_add::<FUSED>(-A, g1, near),
        SCALES[2] * multiply_add::<FUSED>(B, g1, far),
        SCALES[2] * multiply_add::<FUSED>(-B, g1, far),
        g2,
    ]
}

/// `A^T m`: six points to four results.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn points_to_results<const FUSED: bool>(m: [f32; POINTS]) -> [f32; TILE] {
    let [sum_a, sum_b] = [m[1] + m[2], m[3] + m[4]];
    let [difference_a, difference_b] = [m[1] - m[2], m[3] - m[4]];
    [
        m[0] + sum_a + sum_b,
        multiply_add::<FUSED>(A, difference_a, B * difference_b),
        multiply_add::<FUSED>(AA, sum_a, BB * sum_b),
        multiply_add::<FUSED>(
            A * AA,
            difference_a,
            multiply_add::<FUSED>(B * BB, difference_b, m[5]),
        ),
    ]
}

/// [`inputs_to_points`] for each element. Slices one by one, not in arrays: only then does the compiler know that they do not
/// overlap, and vectorises.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
#[expect(clippy::too_many_arguments, reason = "see above")]
fn to_points<const FUSED: bool>(
    d0: &[f32],
    d1: &[f32],
    d2: &[f32],
    d3: &[f32],
    d4: &[f32],
    d5: &[f32],
    p0: &mut [f32],
    p1: &mut [f32],
    p2: &mut [f32],
    p3: &mut [f32],
    p4: &mut [f32],
    p5: &mut [f32],
) {
    let len = p0.len();
    let (d0, d1, d2) = (&d0[..len], &d1[..len], &d2[..len]);
    let (d3, d4, d5) = (&d3[..len], &d4[..len], &d5[..len]);
    let (p1, p2, p3) = (&mut p1[..len], &mut p2[..len], &mut p3[..len]);
    let (p4, p5) = (&mut p4[..len], &mut p5[..len]);
    for i in 0..len {
        let p = inputs_to_points::<FUSED>([d0[i], d1[i], d2[i], d3[i], d4[i], d5[i]]);
        [p0[i], p1[i], p2[i], p3[i], p4[i], p5[i]] = p;
    }
}

/// [`points_to_results`] for each element.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
#[expect(clippy::too_many_arguments, reason = "see above")]
fn to_results<const FUSED: bool>(
    m0: &[f32],
    m1: &[f32],
    m2: &[f32],
    m3: &[f32],
    m4: &[f32],
    m5: &[f32],
    r0: &mut [f32],
    r1: &mut [f32],
    r2: &mut [f32],
    r3: &mut [f32],
) {
    let len = r0.len();
    let (m0, m1, m2) = (&m0[..len], &m1[..len], &m2[..len]);
    let (m3, m4, m5) = (&m3[..len], &m4[..len], &m5[..len]);
    let (r1, r2, r3) = (&mut r1[..len], &mut r2[..len], &mut r3[..len]);
    for i in 0..len {
        let r = points_to_results::<FUSED>([m0[i], m1[i], m2[i], m3[i], m4[i], m5[i]]);
        [r0[i], r1[i], r2[i], r3[i]] = r;
    }
}

/// Element `k` of every four to line `k`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn split(line: &[[f32; TILE]], l0: &mut [f32], l1: &mut [f32], l2: &mut [f32], l3: &mut [f32]) {
    let len = line.len();
    let (l0, l1, l2, l3) = (
        &mut l0[..len],
        &mut l1[..len],
        &mut l2[..len],
        &mut l3[..len],
    );
    for i in 0..len {
        [l0[i], l1[i], l2[i], l3[i]] = line[i];
    }
}

/// The inverse of [`split`].
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn join(l0: &[f32], l1: &[f32], l2: &[f32], l3: &[f32], line: &mut [[f32; TILE]]) {
    let len = line.len();
    let (l0, l1, l2, l3) = (&l0[..len], &l1[..len], &l2[..len], &l3[..len]);
    for i in 0..len {
        line[i] = [l0[i], l1[i], l2[i], l3[i]];
    }
}

/// The first `N` parts of `size` elements; the last may be shorter.
fn parts<const N: usize>(values: &mut [f32], size: usize) -> [&mut [f32]; N] {
    let mut rest = values.chunks_mut(size);
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// Where the lines of a channel lie that the rows of tiles read.
pub(super) struct Lines<'a> {
    /// The first element of each row of tiles; five more lines follow it.
    pub(super) starts: &'a [usize],
    /// Columns of a line: four for each tile, and four more.
    pub(super) columns: usize,
}

/// Where the points of a channel go: point `p` of tile `t` to `values[(t / strip_width * 36 + p) * size + t % strip_width]`.
pub(super) struct Points<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) strip_width: usize,
    /// From one point to the next.
    pub(super) size: usize,
}

multiversion! {
    /// `B^T d B` for all tiles of a channel.
    ///
    /// `image` holds the lines with their zeros around; each may be read [`LINE_SLACK`] elements beyond its columns. `scratch`
    /// has [`input_scratch`] elements.
    pub(super) fn inputs(
        image: &[f32], lines: &Lines<'_>, tiles: usize, points: Points<'_>, scratch: &mut [f32],
    ) {
        let Points { values, strip_width, size: point_size } = points;
        let line_size = (tiles + 1) * TILE + LINE_SLACK;
        let (down, quarters) = scratch.split_at_mut(POINTS * line_size);
        let [p0, p1, p2, p3, p4, p5] = parts(down, line_size);
        // Whole vectors: what is too much is overwritten by the next row of tiles.
        let wide = lines.columns.next_multiple_of(LINE_SLACK);
        for (i, &start) in lines.starts.iter().enumerate() {
            let d = &image[start..][..(POINTS - 1) * lines.columns + wide];
            let to = i * lines.columns..i * lines.columns + wide;
            to_points::<FUSED>(
                &d[..wide], &d[lines.columns..], &d[2 * lines.columns..],
                &d[3 * lines.columns..], &d[4 * lines.columns..], &d[5 * lines.columns..],
                &mut p0[to.clone()], &mut p1[to.clone()], &mut p2[to.clone()],
                &mut p3[to.clone()], &mut p4[to.clone()], &mut p5[to],
            );
        }
        // One line after the other, then the points: a load right after the stores that it overlaps would wait for them.
        let size = tiles + 1;
        for (line, quarters) in down.chunks_exact(line_size).zip(quarters.chunks_exact_mut(TILE * size)) {
            let [l0, l1, l2, l3] = parts(quarters, size);
            split(&line.as_chunks().0[..size], l0, l1, l2, l3);
        }
        for (strip, values) in values.chunks_mut(POINTS * POINTS * point_size).enumerate() {
            let from = strip * strip_width;
            let len = strip_width.min(tiles - from);
            for (row, l) in quarters.chunks_exact(TILE * size).enumerate() {
                let l = &l[from..];
                let [p0, p1, p2, p3, p4, p5] = parts(&mut values[row * POINTS * point_size..], point_size);
                to_points::<FUSED>(
                    l, &l[size..], &l[2 * size..], &l[3 * size..], &l[1..], &l[size + 1..],
                    &mut p0[..len], &mut p1[..len], &mut p2[..len],
                    &mut p3[..len], &mut p4[..len], &mut p5[..len],
                );
            }
        }
    }
}

/// Elements of a widest vector.
pub(super) const LINE_SLACK: usize = 16;

/// Scratch elements of [`inputs`].
pub(super) fn input_scratch(tiles: usize) -> usize {
    POINTS * (2 * (tiles + 1) * TILE + LINE_SLACK)
}

multiversion! {
    /// `A^T m A` for all tiles of a channel: four lines `[4][4 tiles]` of results.
    ///
    /// Point `p` of tile `t` is `products[p * point_size + t]`. `scratch` has [`output_scratch`] elements.
    pub(super) fn outputs(products: &[f32], point_size: usize, tiles: usize, results: &mut [f32], scratch: &mut [f32]) {
        let len = tiles * TILE;
        let (lines, quarters) = scratch.split_at_mut(POINTS * len);
        let [r0, r1, r2, r3] = parts(quarters, tiles);
        for (row, line) in lines.chunks_exact_mut(len).enumerate() {
            let m = &products[row * POINTS * point_size..];
            to_results::<FUSED>(
                m, &m[point_size..], &m[2 * point_size..], &m[3 * point_size..], &m[4 * point_size..], &m[5 * point_size..],
                r0, r1, r2, r3,
            );
            join(r0, r1, r2, r3, line.as_chunks_mut().0);
        }
        let [r0, r1, r2, r3] = parts(results, len);
        to_results::<FUSED>(
            lines, &lines[len..], &lines[2 * len..], &lines[3 * len..], &lines[4 * len..], &lines[5 * len..],
            r0, r1, r2, r3,
        );
    }
}

/// Scratch elements of [`outputs`].
pub(super) fn output_scratch(tiles: usize) -> usize {
    (POINTS + 1) * TILE * tiles
}

/// Outputs whose windows are transformed side by side; `mr` of every path is a multiple.
const SIDE_BY_SIDE: usize = 4;

multiversion! {
    /// `G g G^T` for every channel of a panel `[inputs][9][mr]`. `taps` are the panel's places of the elements of the window;
    /// the targets are one panel `[inputs][mr]` for each point, row-major.
    pub(super) fn window(source: &[f32], taps: [usize; 9], mr: usize, targets: &mut [&mut [f32]]) {
        for (channel, source) in source.chunks_exact(9 * mr).enumerate() {
            for first in (0..mr).step_by(SIDE_BY_SIDE) {
                let mut points = [[0.0_f32; SIDE_BY_SIDE]; POINTS * POINTS];
                let mut g = [[0.0_f32; SIDE_BY_SIDE]; 9];
                for (g, tap) in g.iter_mut().zip(taps) {
                    g.copy_from_slice(&source[tap * mr + first..][..SIDE_BY_SIDE]);
                }
                for m in 0..SIDE_BY_SIDE {
                    let left = window_to_points::<FUSED>([g[0][m], g[3][m], g[6][m]]);
                    let middle = window_to_points::<FUSED>([g[1][m], g[4][m], g[7][m]]);
                    let right = window_to_points::<FUSED>([g[2][m], g[5][m], g[8][m]]);
                    for row in 0..POINTS {
                        let line = window_to_points::<FUSED>([left[row], middle[row], right[row]]);
                        for column in 0..POINTS {
                            points[row * POINTS + column][m] = line[column];
                        }
                    }
                }
                for (target, point) in targets.iter_mut().zip(&points) {
                    target[channel * mr + first..][..SIDE_BY_SIDE].copy_from_slice(point);
                }
            }
        }
    }
}
