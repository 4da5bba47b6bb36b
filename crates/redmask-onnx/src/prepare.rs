//! From an image to a model's input, and from its output back to the size of the labels.

use fast_image_resize::images::{Image as Plane, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use redmask_core::{Error, Image, Result};
use redmask_data::resize_image;

use crate::config::{ChannelOrder, InputConfig, Layout};

/// The numbers that a model is fed, and the shape they have.
pub(crate) fn input_of(
    image: &Image,
    config: &InputConfig,
    size: [usize; 2],
) -> Result<(Vec<f32>, [usize; 4])> {
    let [h, w] = size;
    let image = resize_image(image, h, w)?;
    let channels = config.channels;
    let plane = h * w;
    let mut planes = vec![0f32; channels * plane];
    for (c, target) in planes.chunks_exact_mut(plane.max(1)).enumerate() {
        let source = match config.order {
            ChannelOrder::Rgb => c,
            ChannelOrder::Bgr => channels - 1 - c,
        };
        let (scale, mean, std) = (config.scale, config.mean[c], config.std[c]);
        let pixels = &image.data()[source * plane..(source + 1) * plane];
        for (value, &pixel) in target.iter_mut().zip(pixels) {
            *value = (f32::from(pixel) * scale - mean) / std;
        }
    }
    Ok(match config.layout {
        Layout::Nchw => (planes, [1, channels, h, w]),
        Layout::Nhwc => {
            let mut mixed = vec![0f32; planes.len()];
            for (c, values) in planes.chunks_exact(plane.max(1)).enumerate() {
                for (i, &value) in values.iter().enumerate() {
                    mixed[i * channels + c] = value;
                }
            }
            (mixed, [1, h, w, channels])
        }
    })
}

/// Resizes one plane of scores, bilinear, as segmentation networks resize theirs.
pub(crate) fn resize_plane(plane: &[f32], from: [usize; 2], to: [usize; 2]) -> Result<Vec<f32>> {
    if from == to {
        return Ok(plane.to_vec());
    }
    let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("resizing scores: {e}"));
    let bytes: Vec<u8> = plane.iter().flat_map(|v| v.to_ne_bytes()).collect();
    // Pixels of four bytes must be aligned, which bytes are not by themselves.
    let mut source = Plane::new(from[1] as u32, from[0] as u32, PixelType::F32);
    source.buffer_mut().copy_from_slice(&bytes);
    let source = ImageRef::new(
        from[1] as u32,
        from[0] as u32,
        source.buffer(),
        PixelType::F32,
    )
    .map_err(|e| internal(&e))?;
    let mut target = Plane::new(to[1] as u32, to[0] as u32, PixelType::F32);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|e| internal(&e))?;
    let (words, _) = target.buffer().as_chunks::<4>();
    Ok(words.iter().map(|w| f32::from_ne_bytes(*w)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(layout: Layout, order: ChannelOrder) -> InputConfig {
        InputConfig {
            name: "x".to_owned(),
            size: None,
            layout,
            channels: 3,
            order,
            scale: 1.0,
            mean: vec![1.0, 2.0, 3.0],
            std: vec![1.0, 1.0, 2.0],
        }
    }

    #[test]
    fn channels_go_where_the_model_wants_them() {
        // One row of two pixels: (10, 20, 30) and (11, 21, 31).
        let image = Image::new(3, 1, 2, vec![10, 11, 20, 21, 30, 31]);
        let of = |layout, order| input_of(&image, &config(layout, order), [1, 2]).expect("fits");
        let (planes, shape) = of(Layout::Nchw, ChannelOrder::Rgb);
        assert_eq!(
            (planes, shape),
            (vec![9.0, 10.0, 18.0, 19.0, 13.5, 14.0], [1, 3, 1, 2])
        );
        let (mixed, shape) = of(Layout::Nhwc, ChannelOrder::Bgr);
        assert_eq!(
            (mixed, shape),
            (vec![29.0, 18.0, 3.5, 30.0, 19.0, 4.0], [1, 1, 2, 3])
        );
    }

    #[test]
    fn upsampling_interpolates_between_pixel_centres() {
        let up = resize_plane(&[0.0, 4.0], [1, 2], [1, 4]).expect("sound");
        assert_eq!(up, [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(resize_plane(&[1.5], [1, 1], [1, 1]).expect("sound"), [1.5]);
    }
}
