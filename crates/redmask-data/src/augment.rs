//! Geometric augmentation: one transform for image, labels and instances.

use rand::{Rng, RngExt};
use redmask_core::{IGNORE, Image, Raster, Sample};
use serde::{Deserialize, Serialize};

/// How far a record may be moved. The default moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Augmentation {
    /// Mirror left and right in half of the draws.
    pub horizontal_flip: bool,
    /// Mirror top and bottom in half of the draws.
    pub vertical_flip: bool,
    /// Largest shift, as a share of each side.
    pub max_shift: f32,
    /// Scale is drawn log-uniformly from `1 / (1 + max_scale)` to `1 + max_scale`.
    pub max_scale: f32,
}

impl Augmentation {
    /// Draws one transform. The caller derives `rng` from (seed, epoch, sample id), so threads cannot change it.
    pub fn draw(&self, rng: &mut impl Rng) -> Transform {
        let mut within = |limit: f32| limit * (2.0 * rng.random::<f32>() - 1.0);
        let shift = (within(self.max_shift), within(self.max_shift));
        let log_scale = within((1.0 + self.max_scale).ln());
        Transform {
            flip_x: rng.random::<bool>() && self.horizontal_flip,
            flip_y: rng.random::<bool>() && self.vertical_flip,
            shift,
            scale: log_scale.exp(),
        }
    }
}

/// A flip, then a scale about the centre, then a shift. What comes from outside the picture is the border's colour
/// with the label [`IGNORE`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// Mirror left and right.
    pub flip_x: bool,
    /// Mirror top and bottom.
    pub flip_y: bool,
    /// (down, right), as shares of the sides.
    pub shift: (f32, f32),
    /// Above 1 enlarges.
    pub scale: f32,
}

impl Transform {
    /// Leaves everything where it is.
    pub const IDENTITY: Self = Self {
        flip_x: false,
        flip_y: false,
        shift: (0.0, 0.0),
        scale: 1.0,
    };

    /// The horizontal mirror.
    pub const FLIP_X: Self = Self {
        flip_x: true,
        ..Self::IDENTITY
    };

    /// Applies the transform to all of a record. Id, group and attributes stay.
    #[must_use]
    pub fn apply(&self, sample: &Sample) -> Sample {
        Sample {
            id: sample.id.clone(),
            group: sample.group.clone(),
            image: self.image(&sample.image),
            labels: self.raster(&sample.labels, IGNORE),
            instances: sample.instances.as_ref().map(|i| self.raster(i, 0)),
            attributes: sample.attributes.clone(),
        }
    }

    /// Applies it to an image: bilinear, the border repeated outside.
    #[must_use]
    pub fn image(&self, image: &Image) -> Image {
        let (h, w) = (image.height(), image.width());
        let mut data = Vec::with_capacity(image.data().len());
        for channel in image.data().chunks_exact((h * w).max(1)) {
            for y in 0..h {
                let sy = self
                    .source(y, h, self.flip_y, self.shift.0)
                    .clamp(0.0, h as f32 - 1.0);
                for x in 0..w {
                    let sx = self
                        .source(x, w, self.flip_x, self.shift.1)
                        .clamp(0.0, w as f32 - 1.0);
                    let (y0, x0) = (sy as usize, sx as usize);
                    let (y1, x1) = ((y0 + 1).min(h - 1), (x0 + 1).min(w - 1));
                    let (fy, fx) = (sy - y0 as f32, sx - x0 as f32);
                    let at = |y: usize, x: usize| f32::from(channel[y * w + x]);
                    let top = at(y0, x0) * (1.0 - fx) + at(y0, x1) * fx;
                    let bottom = at(y1, x0) * (1.0 - fx) + at(y1, x1) * fx;
                    data.push((top * (1.0 - fy) + bottom * fy).round() as u8);
                }
            }
        }
        Image::new(image.channels(), h, w, data)
    }

    /// Applies it to a raster: nearest, `outside` beyond the border.
    #[must_use]
    pub fn raster<T: Copy>(&self, raster: &Raster<T>, outside: T) -> Raster<T> {
        let (h, w) = (raster.height(), raster.width());
        let nearest = |i: usize, side: usize, flip: bool, shift: f32| {
            let s = self.source(i, side, flip, shift).round();
            (s >= 0.0 && s < side as f32).then_some(s as usize)
        };
        let columns: Vec<_> = (0..w)
            .map(|x| nearest(x, w, self.flip_x, self.shift.1))
            .collect();
        let mut data = Vec::with_capacity(h * w);
        for y in 0..h {
            let row = nearest(y, h, self.flip_y, self.shift.0);
            data.extend(columns.iter().map(|column| match (row, column) {
                (Some(y), Some(x)) => raster.data()[y * w + x],
                _ => outside,
            }));
        }
        Raster::new(h, w, data)
    }

    /// The source coordinate of target pixel `i`, in pixel centres.
    fn source(&self, i: usize, side: usize, flip: bool, shift: f32) -> f32 {
        let middle = (side as f32 - 1.0) / 2.0;
        // Whole-pixel shifts keep an unscaled picture sharp.
        let pixels = (shift * side as f32).round();
        let offset = (i as f32 - pixels - middle) / self.scale;
        middle + if flip { -offset } else { offset }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redmask_core::Seed;

    use super::*;

    fn picture() -> (Image, Raster<u8>) {
        let data: Vec<u8> = (0..20).map(|v| v * 12).collect();
        (Image::new(1, 4, 5, data.clone()), Raster::new(4, 5, data))
    }

    #[test]
    fn identity_changes_nothing_and_a_flip_is_its_own_inverse() {
        let (image, labels) = picture();
        assert_eq!(Transform::IDENTITY.image(&image), image);
        assert_eq!(Transform::IDENTITY.raster(&labels, 255), labels);
        let both = Transform {
            flip_y: true,
            ..Transform::FLIP_X
        };
        assert_eq!(both.image(&both.image(&image)), image);
        assert_ne!(Transform::FLIP_X.image(&image), image);
    }

    #[test]
    fn a_shift_moves_right_and_marks_the_gap() {
        let (_, labels) = picture();
        let moved = Transform {
            shift: (0.0, 0.2),
            ..Transform::IDENTITY
        }
        .raster(&labels, IGNORE);
        assert_eq!(&moved.data()[..5], &[IGNORE, 0, 12, 24, 36]);
    }

    proptest! {
        #[test]
        fn image_and_labels_move_together(seed: u64) {
            let augmentation = Augmentation {
                horizontal_flip: true,
                vertical_flip: true,
                max_shift: 0.25,
                max_scale: 0.0,
            };
            let transform = augmentation.draw(&mut Seed::root(seed).rng());
            let (image, labels) = picture();
            let (image, labels) = (transform.image(&image), transform.raster(&labels, IGNORE));
            for (i, &label) in labels.data().iter().enumerate() {
                prop_assert!(label == IGNORE || label == image.data()[i]);
            }
        }
    }
}
