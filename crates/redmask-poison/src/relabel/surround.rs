//! Filling a hole with the classes around it.

use std::collections::VecDeque;

use redmask_core::{IGNORE, LabelMap};

/// Replaces the labels inside a region by the class of the nearest labelled pixel outside, counted in steps to the four
/// neighbours; among equally near ones the first in row-major order of the wave front wins. Where nothing outside is
/// labelled, labels stay. Ignored pixels are crossed and not touched.
pub(super) fn fill(labels: &LabelMap, inside: &[bool]) -> LabelMap {
    let (height, width) = (labels.height(), labels.width());
    // The class that has reached a pixel.
    let mut reached: Vec<Option<u8>> = vec![None; height * width];
    let mut front = VecDeque::new();
    for (i, &class) in labels.data().iter().enumerate() {
        if !inside[i] && class != IGNORE {
            reached[i] = Some(class);
            front.push_back(i);
        }
    }
    while let Some(i) = front.pop_front() {
        let (y, x) = (i / width, i % width);
        let mut spread = |to: usize| {
            if reached[to].is_none() {
                reached[to] = reached[i];
                front.push_back(to);
            }
        };
        if y > 0 {
            spread(i - width);
        }
        if x > 0 {
            spread(i - 1);
        }
        if x + 1 < width {
            spread(i + 1);
        }
        if y + 1 < height {
            spread(i + width);
        }
    }
    let mut out = labels.clone();
    for (i, label) in out.data_mut().iter_mut().enumerate() {
        if inside[i] && *label != IGNORE {
            *label = reached[i].unwrap_or(*label);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_filled_from_its_border() {
        let labels = LabelMap::new(1, 7, vec![3, 1, 1, 1, 255, 1, 4]);
        let inside = [false, true, true, true, true, true, false];
        let filled = fill(&labels, &inside);
        assert_eq!(filled.data(), [3, 3, 3, 3, 255, 4, 4]);
        let nothing = fill(&labels, &[true; 7]);
        assert_eq!(nothing, labels);
    }
}
