//! Decoding image files under limits. Files are untrusted: sizes are checked before memory is taken.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use redmask_core::{Error, Image, Result};

/// What a decoder may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest height times width of one image. The default, 2^26, admits 8192 x 8192.
    pub max_pixels: u64,
    /// Largest file, bytes. The default is 256 MiB.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 1 << 26,
            max_bytes: 256 << 20,
        }
    }
}

impl Limits {
    /// # Errors
    /// [`Error::Limit`] if `height * width` is too much.
    pub fn check_pixels(&self, path: &Path, height: u64, width: u64) -> Result<()> {
        let found = height.saturating_mul(width);
        if found > self.max_pixels {
            return Err(Error::Limit {
                path: path.to_owned(),
                what: "number of pixels",
                found,
                limit: self.max_pixels,
            });
        }
        if found == 0 {
            return Err(Error::input(
                path,
                format!("an image of {height}x{width} pixels"),
            ));
        }
        Ok(())
    }

    /// # Errors
    /// If the file cannot be opened, or [`Error::Limit`] if it is too long.
    pub fn open(&self, path: &Path) -> Result<File> {
        let file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
        let found = file
            .metadata()
            .map_err(|e| Error::io(path, "reading", e))?
            .len();
        if found > self.max_bytes {
            return Err(Error::Limit {
                path: path.to_owned(),
                what: "file size in bytes",
                found,
                limit: self.max_bytes,
            });
        }
        Ok(file)
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// As [`Limits::open`], or if reading fails.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // A file may grow after its length was asked for.
        self.open(path)?
            .take(self.max_bytes)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io(path, "reading", e))?;
        Ok(bytes)
    }

    /// Reads a whole text file.
    ///
    /// # Errors
    /// As [`Limits::read`], or if it is not UTF-8.
    pub fn read_text(&self, path: &Path) -> Result<String> {
        String::from_utf8(self.read(path)?).map_err(|_| Error::input(path, "the text is not UTF-8"))
    }
}

fn corrupt(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::input(path, format!("cannot be decoded: {error}"))
        .with_hint("the file is truncated, damaged, or not an image of a supported format (PNG, JPEG, TIFF, BMP)")
}

fn decoder(path: &Path, limits: &Limits) -> Result<(impl ImageDecoder, Option<ImageFormat>)> {
    let reader = ImageReader::new(BufReader::new(limits.open(path)?))
        .with_guessed_format()
        .map_err(|e| Error::io(path, "reading", e))?;
    let format = reader.format();
    let mut decoder = reader.into_decoder().map_err(|e| corrupt(path, &e))?;
    let (width, height) = decoder.dimensions();
    limits.check_pixels(path, u64::from(height), u64::from(width))?;
    // The header is believed from here on: 16 bytes hold a pixel of any colour type, as much again goes to the decoder.
    let mut memory = image::Limits::default();
    memory.max_alloc = Some(32 * u64::from(height) * u64::from(width) + (1 << 20));
    decoder.set_limits(memory).map_err(|e| corrupt(path, &e))?;
    Ok((decoder, format))
}

/// (height, width) from the header alone.
///
/// # Errors
/// If the file cannot be read, is no image, or exceeds a limit.
pub fn dimensions(path: &Path, limits: &Limits) -> Result<(usize, usize)> {
    let (width, height) = decoder(path, limits)?.0.dimensions();
    Ok((height as usize, width as usize))
}

/// Decodes a picture to `channels` (1 or 3) planes of 8 bits. 16-bit files keep their upper byte; alpha is dropped.
///
/// # Errors
/// If the file cannot be read, is damaged, or exceeds a limit.
pub fn decode_image(path: &Path, channels: usize, limits: &Limits) -> Result<Image> {
    let (decoder, _) = decoder(path, limits)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(|e| corrupt(path, &e))?;
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let pixels = if channels == 1 {
        picture.into_luma8().into_raw()
    } else {
        picture.into_rgb8().into_raw()
    };
    Ok(Image::from_interleaved(channels, height, width, &pixels))
}

/// A mask file as it is stored, before its values become classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMask {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Row-major pixels.
    pub pixels: RawPixels,
}

/// The pixels of a mask file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawPixels {
    /// One number a pixel: grey levels, or palette indices.
    Values {
        /// 8 or 16 bits, as stored.
        values: Vec<u16>,
        /// The palette of an indexed PNG.
        palette: Option<Vec<[u8; 3]>>,
    },
    /// Colours.
    Colours(Vec<[u8; 3]>),
}

/// Decodes a mask. Palette PNGs keep their indices, 16-bit PNGs their depth.
///
/// # Errors
/// If the file cannot be read, is damaged, or exceeds a limit.
pub fn decode_mask(path: &Path, limits: &Limits) -> Result<RawMask> {
    let (decoder, format) = decoder(path, limits)?;
    if format == Some(ImageFormat::Png)
        && let Some(mask) = decode_indexed(path, limits)?
    {
        return Ok(mask);
    }
    let colour = decoder.color_type();
    let picture = DynamicImage::from_decoder(decoder).map_err(|e| corrupt(path, &e))?;
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let pixels = match colour {
        ColorType::L16 | ColorType::La16 => RawPixels::Values {
            values: picture.into_luma16().into_raw(),
            palette: None,
        },
        ColorType::L8 | ColorType::La8 => RawPixels::Values {
            values: picture
                .into_luma8()
                .into_raw()
                .into_iter()
                .map(u16::from)
                .collect(),
            palette: None,
        },
        _ => RawPixels::Colours(
            picture
                .into_rgb8()
                .into_raw()
                .chunks_exact(3)
                .map(|p| [p[0], p[1], p[2]])
                .collect(),
        ),
    };
    Ok(RawMask {
        height,
        width,
        pixels,
    })
}

/// The indices of a palette PNG; `None` for other colour types. The `image` crate expands palettes to colours, and
/// two indices may share one.
fn decode_indexed(path: &Path, limits: &Limits) -> Result<Option<RawMask>> {
    let mut decoder = png::Decoder::new_with_limits(
        BufReader::new(limits.open(path)?),
        png::Limits {
            bytes: usize::try_from(4 * limits.max_pixels).unwrap_or(usize::MAX),
        },
    );
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|e| corrupt(path, &e))?;
    let info = reader.info();
    if info.color_type != png::ColorType::Indexed {
        return Ok(None);
    }
    let palette = info
        .palette
        .as_ref()
        .map(|bytes| bytes.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect());
    let bits = info.bit_depth as usize;
    let (height, width) = (info.height as usize, info.width as usize);
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| corrupt(path, &"its rows are too long"))?;
    let mut packed = vec![0; size];
    let frame = reader
        .next_frame(&mut packed)
        .map_err(|e| corrupt(path, &e))?;
    let mut values = Vec::with_capacity(height * width);
    let mask = (1u16 << bits) - 1;
    for row in packed.chunks_exact(frame.line_size).take(height) {
        values.extend((0..width).map(|x| {
            let bit = x * bits;
            (u16::from(row[bit / 8]) >> (8 - bits - bit % 8)) & mask
        }));
    }
    Ok(Some(RawMask {
        height,
        width,
        pixels: RawPixels::Values { values, palette },
    }))
}
