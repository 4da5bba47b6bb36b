//! A rectangle of a record.

use redmask_core::{Image, Raster, Sample};

/// The rectangle of `size` (height, width) whose upper left corner is at `corner` (row, column), of image, labels and
/// instances. Id, group and attributes stay.
///
/// # Panics
/// If the rectangle leaves the record.
#[must_use]
pub fn crop(sample: &Sample, corner: [usize; 2], size: [usize; 2]) -> Sample {
    let image = &sample.image;
    let mut pixels = Vec::with_capacity(image.channels() * size[0] * size[1]);
    for plane in image
        .data()
        .chunks_exact((image.height() * image.width()).max(1))
    {
        extend(&mut pixels, plane, image.width(), corner, size);
    }
    Sample {
        id: sample.id.clone(),
        group: sample.group.clone(),
        image: Image::new(image.channels(), size[0], size[1], pixels),
        labels: raster(&sample.labels, corner, size),
        instances: sample.instances.as_ref().map(|i| raster(i, corner, size)),
        attributes: sample.attributes.clone(),
    }
}

fn raster<T: Copy>(raster: &Raster<T>, corner: [usize; 2], size: [usize; 2]) -> Raster<T> {
    let mut data = Vec::with_capacity(size[0] * size[1]);
    extend(&mut data, raster.data(), raster.width(), corner, size);
    Raster::new(size[0], size[1], data)
}

fn extend<T: Copy>(
    out: &mut Vec<T>,
    plane: &[T],
    width: usize,
    [top, left]: [usize; 2],
    [height, across]: [usize; 2],
) {
    assert!(left + across <= width, "the rectangle leaves the record");
    for y in top..top + height {
        out.extend_from_slice(&plane[y * width + left..y * width + left + across]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redmask_core::{GroupId, LabelMap, SampleId};

    use super::*;

    #[test]
    fn image_and_labels_are_cut_alike() {
        let plane: Vec<u8> = (0..12).collect();
        let sample = Sample {
            id: SampleId::new("a", "b"),
            group: GroupId("g".to_owned()),
            image: Image::new(2, 3, 4, [plane.clone(), plane.clone()].concat()),
            labels: LabelMap::new(3, 4, plane),
            instances: None,
            attributes: BTreeMap::new(),
        };
        let part = crop(&sample, [1, 2], [2, 2]);
        assert_eq!(part.labels.data(), [6, 7, 10, 11]);
        assert_eq!(part.image.data(), [6, 7, 10, 11, 6, 7, 10, 11]);
        assert_eq!(crop(&sample, [0, 0], [3, 4]), sample);
    }
}
