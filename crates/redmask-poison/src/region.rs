//! The pixels that an attack is about: a class, or one instance of it.

use image::{GrayImage, Luma};
use imageproc::region_labelling::{Connectivity, connected_components};
use redmask_core::{InstanceMap, LabelMap};

use crate::ClassSet;

/// A victim region.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Region {
    /// One flag a pixel, row-major.
    pub(crate) inside: Vec<bool>,
    /// Instance of each victim pixel from 1, 0 elsewhere; empty where nobody asks.
    pub(crate) instances: Vec<u32>,
    /// Victim pixels of other instances, where the attack is about one.
    pub(crate) rivals: Option<Vec<bool>>,
}

impl Region {
    /// Every pixel of the victim classes.
    pub(crate) fn of_classes(labels: &LabelMap, victims: &ClassSet) -> Self {
        Self {
            inside: labels.data().iter().map(|&c| victims.has(c)).collect(),
            instances: Vec::new(),
            rivals: None,
        }
    }

    /// Instance `id` of what [`instance_ids`] found; the other instances are its rivals.
    pub(crate) fn of_instance(ids: &[u32], id: u32) -> Self {
        Self {
            inside: ids.iter().map(|&i| i == id).collect(),
            rivals: Some(ids.iter().map(|&i| i != 0 && i != id).collect()),
            instances: Vec::new(),
        }
    }

    /// Pixels in it.
    pub(crate) fn count(&self) -> u64 {
        self.inside.iter().filter(|&&i| i).count() as u64
    }
}

/// Instances of the victim classes, numbered from 1 in row-major order of their first pixel; 0 elsewhere.
///
/// Where the data set has no instance map, connected regions of a class (eight neighbours) stand in: touching objects are
/// then one, and an object cut in two by a pole is two.
pub(crate) fn instance_ids(
    labels: &LabelMap,
    victims: &ClassSet,
    instances: Option<&InstanceMap>,
) -> Vec<u32> {
    let raw: Vec<u32> = if let Some(map) = instances {
        let pixels = labels.data().iter().zip(map.data());
        pixels
            .map(|(&c, &id)| if victims.has(c) { u32::from(id) } else { 0 })
            .collect()
    } else {
        let mask = GrayImage::from_fn(labels.width() as u32, labels.height() as u32, |x, y| {
            let class = labels.get(y as usize, x as usize);
            // Classes are regions of their own; 0 is the background of the labelling.
            Luma([if victims.has(class) { class + 1 } else { 0 }])
        });
        connected_components(&mask, Connectivity::Eight, Luma([0])).into_raw()
    };
    let mut number = std::collections::BTreeMap::new();
    raw.into_iter()
        .map(|id| {
            if id == 0 {
                return 0;
            }
            let next = number.len() as u32 + 1;
            *number.entry(id).or_insert(next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_instance_ids_connected_regions_stand_in() {
        let labels = LabelMap::new(3, 4, vec![1, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0, 1]);
        let ids = instance_ids(&labels, &ClassSet::of([1, 2]), None);
        // The 1 at the top right touches the 2 below it, but is another class.
        assert_eq!(ids, [1, 0, 0, 2, 1, 0, 3, 0, 0, 0, 0, 4]);
        let map = InstanceMap::new(3, 4, vec![9, 9, 0, 4, 9, 0, 0, 0, 0, 0, 0, 9]);
        let ids = instance_ids(&labels, &ClassSet::of([1]), Some(&map));
        assert_eq!(ids, [1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1]);
    }
}
