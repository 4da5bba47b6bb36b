//! From 8-bit pixels to network inputs.

use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::{Error, Result, Sample};
use serde::{Deserialize, Serialize};

/// What a network was trained to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputScaling {
    /// 0 to 255 as stored.
    Raw255,
    /// Divided by 255.
    #[default]
    Unit,
    /// Divided by 255, then standardised by ImageNet's channel means and deviations. Images with other than three
    /// channels use the mean of the three.
    #[serde(rename = "imagenet")]
    ImageNet,
}

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

impl InputScaling {
    /// Factor and offset of channel `c` of `channels`: input = pixel * factor + offset.
    fn affine(self, c: usize, channels: usize) -> (f32, f32) {
        match self {
            Self::Raw255 => (1.0, 0.0),
            Self::Unit => (1.0 / 255.0, 0.0),
            Self::ImageNet => {
                let (mean, std) = if channels == 3 {
                    (IMAGENET_MEAN[c], IMAGENET_STD[c])
                } else {
                    (
                        IMAGENET_MEAN.iter().sum::<f32>() / 3.0,
                        IMAGENET_STD.iter().sum::<f32>() / 3.0,
                    )
                };
                (1.0 / (255.0 * std), -mean / std)
            }
        }
    }

    /// Factor and offset of each of `channels` channels: input = pixel * factor + offset. For attacks that need gradients along
    /// pixels.
    pub fn factors(self, channels: usize) -> Vec<(f32, f32)> {
        (0..channels).map(|c| self.affine(c, channels)).collect()
    }

    /// Appends the scaled planes of one image `[c, h, w]` to `out`.
    pub fn extend(self, image: &redmask_core::Image, out: &mut Vec<f32>) {
        let plane = (image.height() * image.width()).max(1);
        for (c, pixels) in image.data().chunks_exact(plane).enumerate() {
            let (factor, offset) = self.affine(c, image.channels());
            out.extend(pixels.iter().map(|&v| f32::from(v) * factor + offset));
        }
    }

    /// The images of a batch as `[n, channels, h, w]`.
    ///
    /// # Errors
    /// If the batch is empty, or its images differ in size or have other than `channels` channels; the record is
    /// named.
    pub fn tensor(self, batch: &[&Sample], channels: usize, device: &Device) -> Result<Tensor<4>> {
        let Some(first) = batch.first() else {
            return Err(Error::Internal("an empty batch".into()));
        };
        let (h, w) = (first.image.height(), first.image.width());
        let mut values = Vec::with_capacity(batch.len() * channels * h * w);
        for sample in batch {
            let image = &sample.image;
            if image.channels() != channels {
                return Err(Error::unsupported(
                    format!("record {}", sample.id),
                    format!(
                        "the network takes {channels} channels, the image has {}",
                        image.channels()
                    ),
                ));
            }
            if (image.height(), image.width()) != (h, w) {
                return Err(Error::unsupported(
                    format!("record {}", sample.id),
                    format!(
                        "its image is {}x{}, others of its batch are {h}x{w}",
                        image.height(),
                        image.width()
                    ),
                ));
            }
            self.extend(image, &mut values);
        }
        let shape = [batch.len(), channels, h, w];
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::Image;

    use super::*;

    fn scaled(scaling: InputScaling, image: &Image) -> Vec<f32> {
        let mut out = Vec::new();
        scaling.extend(image, &mut out);
        out
    }

    #[test]
    fn imagenet_scaling_standardises_each_channel() {
        let image = Image::new(3, 1, 1, vec![0, 128, 255]);
        let got = scaled(InputScaling::ImageNet, &image);
        let expected = [
            -0.485 / 0.229,
            (128.0 / 255.0 - 0.456) / 0.224,
            (1.0 - 0.406) / 0.225,
        ];
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() < 1e-6, "{g} against {e}");
        }
    }

    #[test]
    fn raw_and_unit_differ_by_255() {
        let image = Image::new(1, 1, 2, vec![51, 255]);
        assert_eq!(scaled(InputScaling::Raw255, &image), [51.0, 255.0]);
        assert_eq!(scaled(InputScaling::Unit, &image)[1], 1.0);
    }
}
