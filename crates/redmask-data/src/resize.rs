//! Resizing records: images bilinear, labels and instances nearest.

use std::sync::Arc;

use fast_image_resize::images::{Image as Plane, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use redmask_core::{
    ClassTable, Error, Fingerprint, FingerprintBuilder, GroupId, Image, Raster, Result, Sample,
    SampleId, SegDataset,
};

/// Resizes to `height` x `width` with a triangle filter that widens as the image shrinks, so that small images do not
/// alias. This is Pillow's `BILINEAR`; OpenCV's `INTER_LINEAR` keeps the filter one pixel wide.
///
/// # Errors
/// If a side is 0.
pub fn resize_image(image: &Image, height: usize, width: usize) -> Result<Image> {
    if (image.height(), image.width()) == (height, width) {
        return Ok(image.clone());
    }
    if image.height() * image.width() * height * width == 0 {
        return Err(Error::config("size", "an image side cannot be 0"));
    }
    let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("resizing: {e}"));
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let mut resizer = Resizer::new();
    let mut data = Vec::with_capacity(image.channels() * height * width);
    for channel in image.data().chunks_exact(image.height() * image.width()) {
        let source = ImageRef::new(
            image.width() as u32,
            image.height() as u32,
            channel,
            PixelType::U8,
        )
        .map_err(|e| internal(&e))?;
        let mut target = Plane::new(width as u32, height as u32, PixelType::U8);
        resizer
            .resize(&source, &mut target, &options)
            .map_err(|e| internal(&e))?;
        data.extend_from_slice(target.buffer());
    }
    Ok(Image::new(image.channels(), height, width, data))
}

/// Resizes by taking the source pixel under each target pixel's centre. Invents no class.
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_data::resize_raster;
/// let labels = LabelMap::new(2, 2, vec![1, 2, 3, 4]);
/// assert_eq!(resize_raster(&labels, 2, 4).data(), &[1, 1, 2, 2, 3, 3, 4, 4]);
/// ```
///
/// # Panics
/// If the source is empty and the target is not.
#[must_use]
pub fn resize_raster<T: Copy>(raster: &Raster<T>, height: usize, width: usize) -> Raster<T> {
    let centre = |i: usize, from: usize, to: usize| (2 * i + 1) * from / (2 * to);
    let columns: Vec<usize> = (0..width)
        .map(|x| centre(x, raster.width(), width))
        .collect();
    let mut data = Vec::with_capacity(height * width);
    for y in 0..height {
        let row = centre(y, raster.height(), height) * raster.width();
        data.extend(columns.iter().map(|x| raster.data()[row + x]));
    }
    Raster::new(height, width, data)
}

/// Resizes a whole record.
///
/// # Errors
/// If a side is 0.
pub fn resize_sample(sample: Sample, height: usize, width: usize) -> Result<Sample> {
    Ok(Sample {
        image: resize_image(&sample.image, height, width)?,
        labels: resize_raster(&sample.labels, height, width),
        instances: sample.instances.map(|i| resize_raster(&i, height, width)),
        ..sample
    })
}

/// A data set whose records all have one size.
#[derive(Clone)]
pub struct Resized {
    parent: Arc<dyn SegDataset>,
    size: (usize, usize),
}

impl std::fmt::Debug for Resized {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resized")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Resized {
    /// The records of `parent` at `size` (height, width).
    ///
    /// # Errors
    /// If a side is 0.
    pub fn new(parent: Arc<dyn SegDataset>, size: (usize, usize)) -> Result<Self> {
        if size.0 == 0 || size.1 == 0 {
            return Err(Error::config("size", "an image side cannot be 0"));
        }
        Ok(Self { parent, size })
    }
}

impl SegDataset for Resized {
    fn len(&self) -> usize {
        self.parent.len()
    }

    fn class_table(&self) -> &ClassTable {
        self.parent.class_table()
    }

    fn channels(&self) -> usize {
        self.parent.channels()
    }

    fn id(&self, index: usize) -> SampleId {
        self.parent.id(index)
    }

    fn group(&self, index: usize) -> GroupId {
        self.parent.group(index)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        resize_sample(self.parent.sample(index)?, self.size.0, self.size.1)
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder
            .part("resized", self.parent.fingerprint().to_hex().as_bytes())
            .part("height", &(self.size.0 as u64).to_le_bytes())
            .part("width", &(self.size.1 as u64).to_le_bytes());
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redmask_core::LabelMap;

    use super::*;

    #[test]
    fn bilinear_averages_when_it_halves() {
        let image = Image::new(1, 2, 2, vec![0, 100, 100, 200]);
        assert_eq!(resize_image(&image, 1, 1).unwrap().data(), &[100]);
    }

    proptest! {
        #[test]
        fn nearest_invents_no_class_and_keeps_identity(
            (h, w, data) in (1usize..9, 1usize..9)
                .prop_flat_map(|(h, w)| (Just(h), Just(w), proptest::collection::vec(0u8..5, h * w))),
            to_h in 1usize..20,
            to_w in 1usize..20,
        ) {
            let labels = LabelMap::new(h, w, data);
            let resized = resize_raster(&labels, to_h, to_w);
            prop_assert!(resized.data().iter().all(|c| labels.data().contains(c)));
            prop_assert_eq!(&resize_raster(&labels, h, w), &labels);
        }

        #[test]
        fn flat_images_stay_flat(v in 0u8..=255, h in 1usize..20, w in 1usize..20) {
            let image = Image::new(3, 7, 5, vec![v; 105]);
            prop_assert!(resize_image(&image, h, w).unwrap().data().iter().all(|&p| p == v));
        }
    }
}
