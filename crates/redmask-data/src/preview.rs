//! Contact sheets: what a data set looks like.

use redmask_core::{ClassTable, Error, Image, InstanceMap, LabelMap, Result, SegDataset};

use crate::resize_sample;

/// How a contact sheet is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewOptions {
    /// Number of records, spread evenly over the set.
    pub records: usize,
    /// Height of a cell, pixels; its width keeps the picture's proportions up to twice that.
    pub cell: usize,
    /// Records beside each other.
    pub columns: usize,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        Self {
            records: 12,
            cell: 160,
            columns: 2,
        }
    }
}

/// Space between cells, pixels.
const GAP: usize = 4;

/// Draws picture, mask in class colours, and both over each other, for records spread over the set. Pixels without a
/// class are white in the mask and untouched in the overlay; instances have dark borders.
///
/// # Errors
/// If a record cannot be decoded, or the sheet would be empty.
pub fn preview(dataset: &dyn SegDataset, options: &PreviewOptions) -> Result<Image> {
    let count = options.records.min(dataset.len());
    if count == 0 || options.cell == 0 || options.columns == 0 {
        return Err(Error::config("preview", "there is nothing to draw"));
    }
    let cells: Vec<[Image; 3]> = (0..count)
        .map(|k| record(dataset, k * dataset.len() / count, options.cell))
        .collect::<Result<_>>()?;
    let cell_width = cells
        .iter()
        .map(|c| c[0].width())
        .max()
        .unwrap_or(options.cell);
    let columns = options.columns.min(count);
    let block = 3 * cell_width + 4 * GAP;
    let (height, width) = (
        count.div_ceil(columns) * (options.cell + GAP) + GAP,
        columns * block,
    );
    let mut sheet = Image::new(3, height, width, vec![40; 3 * height * width]);
    for (k, pictures) in cells.iter().enumerate() {
        let top = GAP + k / columns * (options.cell + GAP);
        for (p, picture) in pictures.iter().enumerate() {
            paste(
                &mut sheet,
                picture,
                top,
                k % columns * block + GAP + p * (cell_width + GAP),
            );
        }
    }
    Ok(sheet)
}

fn record(dataset: &dyn SegDataset, index: usize, cell: usize) -> Result<[Image; 3]> {
    let sample = dataset.sample(index)?;
    let width = (sample.image.width() * cell / sample.image.height()).clamp(cell / 2, 2 * cell);
    let sample = resize_sample(sample, cell, width.max(1))?;
    let mask = colourise(&sample.labels, dataset.class_table());
    let overlay = overlay(
        &sample.image,
        &sample.labels,
        sample.instances.as_ref(),
        dataset.class_table(),
    );
    Ok([to_rgb(&sample.image), mask, overlay])
}

/// Labels in the colours of their classes, `[3, h, w]`; pixels without a class are white.
#[must_use]
pub fn colourise(labels: &LabelMap, classes: &ClassTable) -> Image {
    let colours: Vec<[u8; 3]> = (0..=255)
        .map(|id| classes.get(id).map_or([255; 3], |class| class.colour))
        .collect();
    let pixels: Vec<u8> = labels
        .data()
        .iter()
        .flat_map(|&id| colours[id as usize])
        .collect();
    Image::from_interleaved(3, labels.height(), labels.width(), &pixels)
}

/// The picture with its classes shining through, `[3, h, w]`. A class whose colour is black is background and leaves
/// the picture as it is.
///
/// # Panics
/// If picture, labels and instances differ in size.
#[must_use]
pub fn overlay(
    image: &Image,
    labels: &LabelMap,
    instances: Option<&InstanceMap>,
    classes: &ClassTable,
) -> Image {
    let (h, w) = (labels.height(), labels.width());
    let mut out = to_rgb(image);
    for i in 0..h * w {
        let (y, x) = (i / w, i % w);
        let colour = classes
            .get(labels.data()[i])
            .map_or([0; 3], |class| class.colour);
        let border = instances.is_some_and(|map| {
            let own = map.get(y, x);
            (x + 1 < w && map.get(y, x + 1) != own) || (y + 1 < h && map.get(y + 1, x) != own)
        });
        for c in 0..3 {
            let picture = out.get(c, y, x);
            let mixed = if border {
                20
            } else if colour == [0; 3] {
                picture
            } else {
                ((u16::from(picture) * 11 + u16::from(colour[c]) * 9) / 20) as u8
            };
            out.set(c, y, x, mixed);
        }
    }
    out
}

fn to_rgb(image: &Image) -> Image {
    if image.channels() == 3 {
        return image.clone();
    }
    let plane = &image.data()[..image.height() * image.width()];
    Image::new(3, image.height(), image.width(), plane.repeat(3))
}

fn paste(sheet: &mut Image, picture: &Image, top: usize, left: usize) {
    for c in 0..3 {
        for y in 0..picture.height() {
            for x in 0..picture.width() {
                sheet.set(c, top + y, left + x, picture.get(c, y, x));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{OpenOptions, open};

    use super::*;

    #[test]
    fn a_sheet_shows_picture_mask_and_overlay() {
        let scenes = open(
            &"street:2?count=5&size=32x48".parse().unwrap(),
            &OpenOptions::default(),
        )
        .unwrap();
        let options = PreviewOptions {
            records: 4,
            cell: 32,
            columns: 2,
        };
        let sheet = preview(&*scenes, &options).unwrap();
        assert_eq!(
            (sheet.height(), sheet.width()),
            (2 * 36 + 4, 2 * (3 * 48 + 16))
        );
        let first = scenes.sample(0).unwrap();
        assert_eq!(sheet.get(1, 4, 4), first.image.get(1, 0, 0));
        let class = scenes.class_table().get(first.labels.get(0, 0)).unwrap();
        assert_eq!(sheet.get(2, 4, 4 + 48 + 4), class.colour[2]);
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        let scenes = open(
            &"polyp:2?count=1&size=32".parse().unwrap(),
            &OpenOptions::default(),
        )
        .unwrap();
        assert!(
            preview(
                &*scenes,
                &PreviewOptions {
                    records: 0,
                    ..PreviewOptions::default()
                }
            )
            .is_err()
        );
    }
}
