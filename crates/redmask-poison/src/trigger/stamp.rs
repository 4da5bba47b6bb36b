//! Painting over pixels.

use redmask_core::Image;

use super::art::Rgba;
use crate::placement::PixelBox;

/// Paint in the channels of an image.
pub(super) struct Ink;

impl Ink {
    /// Colour `[0, 255]` for channel `c` of an image with `channels`: itself, or its Rec. 601 luma in grey.
    fn channel(channels: usize, c: usize, [r, g, b]: [f32; 3]) -> f32 {
        match (channels, c) {
            (1, _) => 0.299 * r + 0.587 * g + 0.114 * b,
            (_, 0) => r,
            (_, 1) => g,
            _ => b,
        }
    }

    /// Rounds to a byte.
    pub(super) fn byte(v: f32) -> u8 {
        v.round().clamp(0.0, 255.0) as u8
    }
}

/// Fills a box with one colour.
pub(super) fn solid(image: &mut Image, place: PixelBox, value: [u8; 3], opacity: f32) {
    let [r, g, b] = value.map(|v| f32::from(v) / 255.0);
    let picture = vec![[r, g, b, 1.0]; place.width * place.height];
    self::picture(image, place, &picture, opacity);
}

/// Blends a picture over a box of its size: `x (1 - a) + a p` with `a` the picture's alpha times `opacity`.
pub(super) fn picture(image: &mut Image, place: PixelBox, picture: &[Rgba], opacity: f32) {
    let channels = image.channels();
    for (i, &[r, g, b, alpha]) in picture.iter().enumerate() {
        let (y, x) = (place.y + i / place.width, place.x + i % place.width);
        let a = alpha * opacity;
        for c in 0..channels {
            let ink = Ink::channel(channels, c, [r * 255.0, g * 255.0, b * 255.0]);
            let below = f32::from(image.get(c, y, x));
            image.set(c, y, x, Ink::byte(below * (1.0 - a) + a * ink));
        }
    }
}

/// A drawn picture as one plane of an image with `channels`, values in `[0, 255]`.
pub(super) fn plane(pixels: &[Rgba], channels: usize, c: usize) -> Vec<f64> {
    pixels
        .iter()
        .map(|&[r, g, b, a]| {
            // What is transparent is mid-grey: these triggers have nothing below them.
            let over = |v: f32| (v * a + 0.5 * (1.0 - a)) * 255.0;
            f64::from(Ink::channel(channels, c, [over(r), over(g), over(b)]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_blends_and_does_not_darken() {
        let mut image = Image::new(1, 1, 2, vec![100, 200]);
        solid(&mut image, PixelBox::from([0, 0, 2, 1]), [200; 3], 0.5);
        assert_eq!(image.data(), [150, 200]);
    }
}
