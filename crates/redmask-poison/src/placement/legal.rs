//! Where a box lies wholly inside one region.

/// Centres of `side` x `side` boxes (`side` odd) whose pixels all have one key that `allowed` admits, at least `margin`
/// pixels from each border. Row-major, one flag a pixel; the border counts as outside. One pass over the raster.
pub(crate) fn uniform_boxes<K: Copy + PartialEq>(
    height: usize,
    width: usize,
    keys: &[K],
    side: usize,
    margin: usize,
    allowed: impl Fn(K) -> bool,
) -> Vec<bool> {
    let mut legal = vec![false; height * width];
    if side == 0 || side > height || side > width {
        return legal;
    }
    let radius = side / 2;
    // For each column, how many rows up to this one have a run of `side` equal keys that ends there, all of one key.
    let mut depth = vec![0u32; width];
    for y in 0..height {
        let row = &keys[y * width..(y + 1) * width];
        let above = if y > 0 {
            &keys[(y - 1) * width..y * width]
        } else {
            row
        };
        let mut run = 0;
        for x in 0..width {
            run = if x > 0 && row[x - 1] == row[x] {
                run + 1
            } else {
                1
            };
            depth[x] = if run < side || !allowed(row[x]) {
                0
            } else if above[x] == row[x] {
                depth[x] + 1
            } else {
                1
            };
            if depth[x] as usize >= side {
                let (cy, cx) = (y - radius, x - radius);
                let inside =
                    cy >= margin && cx >= margin && cy + margin < height && cx + margin < width;
                legal[cy * width + cx] = inside;
            }
        }
    }
    legal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brute_force(h: usize, w: usize, keys: &[u8], side: usize, margin: usize) -> Vec<bool> {
        let r = side / 2;
        (0..h * w)
            .map(|i| {
                let (y, x) = (i / w, i % w);
                let inside = y >= r && x >= r && y + r < h && x + r < w;
                let kept = y >= margin && x >= margin && y + margin < h && x + margin < w;
                inside
                    && kept
                    && keys[i] != 2
                    && (y - r..=y + r)
                        .all(|yy| (x - r..=x + r).all(|xx| keys[yy * w + xx] == keys[i]))
            })
            .collect()
    }

    proptest! {
        #[test]
        fn equals_brute_force(
            (h, w, keys) in (1usize..14, 1usize..14).prop_flat_map(|(h, w)| {
                (Just(h), Just(w), prop::collection::vec(prop_oneof![6 => Just(0u8), 1 => Just(1), 1 => Just(2)], h * w))
            }),
            radius in 0usize..3,
            margin in 0usize..4,
        ) {
            let side = 2 * radius + 1;
            let found = uniform_boxes(h, w, &keys, side, margin, |k| k != 2);
            prop_assert_eq!(found, brute_force(h, w, &keys, side, margin));
        }
    }
}
