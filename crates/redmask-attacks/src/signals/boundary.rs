//! How far a pixel lies from a change of label.

use redmask_core::IGNORE;

/// The chessboard distance in pixels from each pixel to the nearest pixel of another label, `u16::MAX` where there is
/// none. Pixels with the label [`IGNORE`] neither are nor make a boundary.
///
/// A pixel that touches another label, also diagonally, has distance 1.
///
/// # Panics
/// If `labels.len() != height * width`.
pub fn boundary_distance(labels: &[u8], height: usize, width: usize) -> Vec<u16> {
    assert_eq!(labels.len(), height * width, "labels fill the raster");
    let mut distance = vec![u16::MAX; labels.len()];
    for y in 0..height {
        for x in 0..width {
            let here = labels[y * width + x];
            if here == IGNORE {
                continue;
            }
            // Half of the eight neighbours suffices: a change is marked on both of its sides.
            let neighbours = [
                (y + 1 < height && x > 0).then(|| (y + 1) * width + x.wrapping_sub(1)),
                (y + 1 < height).then(|| (y + 1) * width + x),
                (y + 1 < height && x + 1 < width).then(|| (y + 1) * width + x + 1),
                (x + 1 < width).then(|| y * width + x + 1),
            ];
            for other in neighbours.into_iter().flatten() {
                if labels[other] != here && labels[other] != IGNORE {
                    distance[y * width + x] = 1;
                    distance[other] = 1;
                }
            }
        }
    }
    propagate(&mut distance, height, width);
    distance
}

/// Two sweeps with unit steps to the eight neighbours: exact for the chessboard metric (Rosenfeld and Pfaltz, 1968).
fn propagate(distance: &mut [u16], height: usize, width: usize) {
    let closer = |distance: &[u16], here: usize, there: usize| {
        distance[here].min(distance[there].saturating_add(1))
    };
    for y in 0..height {
        for x in 0..width {
            let here = y * width + x;
            if x > 0 {
                distance[here] = closer(distance, here, here - 1);
            }
            if y > 0 {
                for there in
                    here - width - usize::from(x > 0)..=here - width + usize::from(x + 1 < width)
                {
                    distance[here] = closer(distance, here, there);
                }
            }
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let here = y * width + x;
            if x + 1 < width {
                distance[here] = closer(distance, here, here + 1);
            }
            if y + 1 < height {
                for there in
                    here + width - usize::from(x > 0)..=here + width + usize::from(x + 1 < width)
                {
                    distance[here] = closer(distance, here, there);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brute_force(labels: &[u8], width: usize) -> Vec<u16> {
        let at = |i: usize| (i / width, i % width);
        (0..labels.len())
            .map(|i| {
                (0..labels.len())
                    .filter(|&j| labels[i] != labels[j])
                    .map(|j| at(i).0.abs_diff(at(j).0).max(at(i).1.abs_diff(at(j).1)) as u16)
                    .min()
                    .unwrap_or(u16::MAX)
            })
            .collect()
    }

    #[test]
    fn ignored_pixels_make_no_boundary() {
        let labels = [0, IGNORE, 0, 0];
        assert_eq!(boundary_distance(&labels, 1, 4), [u16::MAX; 4]);
    }

    proptest! {
        #[test]
        fn equals_the_brute_force_distance(labels in prop::collection::vec(0u8..3, 35)) {
            prop_assert_eq!(boundary_distance(&labels, 5, 7), brute_force(&labels, 7));
        }

        #[test]
        fn one_odd_pixel(position in 0usize..63) {
            let mut labels = vec![0u8; 63];
            labels[position] = 1;
            prop_assert_eq!(boundary_distance(&labels, 9, 7), brute_force(&labels, 7));
        }
    }
}
