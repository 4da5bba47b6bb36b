//! Writing pictures and masks without loss.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use redmask_core::{Error, Image, Result};

use super::decode::{RawMask, RawPixels};

/// Writes a picture as an 8-bit PNG, grey or RGB.
///
/// # Errors
/// If the file cannot be written.
pub fn write_image(path: &Path, image: &Image) -> Result<()> {
    let colour = if image.channels() == 1 {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    };
    let size = (image.height(), image.width());
    write_png(
        path,
        size,
        colour,
        png::BitDepth::Eight,
        None,
        &image.to_interleaved(),
    )
}

/// Writes a mask as a PNG that [`super::decode_mask`] reads back: indexed with its palette, grey of the least depth
/// that holds its values, or RGB.
///
/// # Errors
/// If the file cannot be written, or a palette index exceeds 8 bits.
pub fn write_mask(path: &Path, mask: &RawMask) -> Result<()> {
    let size = (mask.height, mask.width);
    match &mask.pixels {
        RawPixels::Colours(colours) => {
            let bytes: Vec<u8> = colours.iter().flatten().copied().collect();
            write_png(
                path,
                size,
                png::ColorType::Rgb,
                png::BitDepth::Eight,
                None,
                &bytes,
            )
        }
        RawPixels::Values { values, palette } => {
            let deep = values.iter().any(|&v| v > 255);
            match palette {
                Some(_) if deep => Err(Error::Internal("a palette index above 255".into())),
                None if deep => {
                    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
                    write_png(
                        path,
                        size,
                        png::ColorType::Grayscale,
                        png::BitDepth::Sixteen,
                        None,
                        &bytes,
                    )
                }
                _ => {
                    let bytes: Vec<u8> = values.iter().map(|&v| v as u8).collect();
                    let flat = palette
                        .as_ref()
                        .map(|p| p.iter().flatten().copied().collect());
                    let colour = if flat.is_some() {
                        png::ColorType::Indexed
                    } else {
                        png::ColorType::Grayscale
                    };
                    write_png(path, size, colour, png::BitDepth::Eight, flat, &bytes)
                }
            }
        }
    }
}

fn write_png(
    path: &Path,
    (height, width): (usize, usize),
    colour: png::ColorType,
    depth: png::BitDepth,
    palette: Option<Vec<u8>>,
    bytes: &[u8],
) -> Result<()> {
    let file = File::create(path).map_err(|e| Error::io(path, "creating", e))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let failed = |e: png::EncodingError| Error::io(path, "writing", std::io::Error::other(e));
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(bytes).map_err(failed)?;
    writer.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode::{Limits, decode_image, decode_mask};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn masks_survive_the_disk(values in proptest::collection::vec(any::<u16>(), 15), kind in 0..4) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("m.png");
            let small = || values.iter().map(|v| v % 7).collect::<Vec<_>>();
            let pixels = match kind {
                0 => RawPixels::Values { values: small(), palette: None },
                1 => RawPixels::Values { values: small(), palette: Some((0..7).map(|v| [v, 2 * v, 9]).collect()) },
                2 => RawPixels::Values { values: values.clone(), palette: None },
                _ => RawPixels::Colours(values.iter().map(|v| [*v as u8, 3, 4]).collect()),
            };
            let mask = RawMask { height: 3, width: 5, pixels };
            write_mask(&path, &mask).unwrap();
            prop_assert_eq!(decode_mask(&path, &Limits::default()).unwrap(), mask);
        }

        #[test]
        fn pictures_survive_the_disk(data in proptest::collection::vec(any::<u8>(), 24)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("i.png");
            for channels in [1, 3] {
                let image = Image::new(channels, 24 / 4 / channels, 4, data.clone());
                write_image(&path, &image).unwrap();
                prop_assert_eq!(decode_image(&path, channels, &Limits::default()).unwrap(), image);
            }
        }
    }

    #[test]
    fn packed_palette_indices_are_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        for (depth, per_byte) in [
            (png::BitDepth::One, 8),
            (png::BitDepth::Two, 4),
            (png::BitDepth::Four, 2),
        ] {
            let path = dir.path().join("packed.png");
            let bits = 8 / per_byte;
            // Five pixels a row: the last byte of a row is only partly used.
            let indices = [1u8, 0, 1, 1, 0];
            let mut row = vec![0u8; indices.len().div_ceil(per_byte)];
            for (x, index) in indices.iter().enumerate() {
                row[x / per_byte] |= index << (8 - bits - (x % per_byte) * bits);
            }
            let bytes = [row.clone(), row].concat();
            let palette = Some(vec![0, 0, 0, 128, 0, 0]);
            write_png(
                &path,
                (2, 5),
                png::ColorType::Indexed,
                depth,
                palette,
                &bytes,
            )
            .unwrap();
            let mask = decode_mask(&path, &Limits::default()).unwrap();
            let RawPixels::Values { values, palette } = mask.pixels else {
                panic!("no indices")
            };
            assert_eq!(values, [1, 0, 1, 1, 0, 1, 0, 1, 1, 0]);
            assert_eq!(palette.unwrap()[1], [128, 0, 0]);
        }
    }
}
