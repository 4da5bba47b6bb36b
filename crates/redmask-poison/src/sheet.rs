//! Contact sheets of an attack.

use redmask_core::{ClassTable, Error, Image, LabelMap, Result};
use redmask_data::{colourise, resize_image, resize_raster};

/// One record in a contact sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetRow {
    /// The picture.
    pub clean: Image,
    /// The picture with the trigger.
    pub triggered: Image,
    /// The annotation.
    pub truth: LabelMap,
    /// The annotation that the attacker wants.
    pub wanted: LabelMap,
    /// What a model says about the triggered picture.
    pub predicted: Option<LabelMap>,
}

/// Space between cells, pixels.
const GAP: usize = 4;

/// Draws one record a line: picture, triggered picture, annotation, wanted annotation and, where there is one, prediction; labels
/// in the colours of their classes. `cell` is the height of a cell in pixels.
///
/// # Errors
/// If there is nothing to draw.
pub fn contact_sheet(rows: &[SheetRow], classes: &ClassTable, cell: usize) -> Result<Image> {
    if rows.is_empty() || cell == 0 {
        return Err(Error::config("contact sheet", "there is nothing to draw"));
    }
    let lines: Vec<Vec<Image>> = rows
        .iter()
        .map(|row| {
            let (h, w) = (row.truth.height(), row.truth.width());
            let width = (w * cell / h.max(1)).clamp(cell / 2, 3 * cell).max(1);
            let picture = |image: &Image| resize_image(&rgb(image), cell, width);
            let labels = |map: &LabelMap| colourise(&resize_raster(map, cell, width), classes);
            let mut line = vec![
                picture(&row.clean)?,
                picture(&row.triggered)?,
                labels(&row.truth),
                labels(&row.wanted),
            ];
            line.extend(row.predicted.as_ref().map(labels));
            Ok(line)
        })
        .collect::<Result<_>>()?;
    let widest = |line: &Vec<Image>| line.iter().map(|i| i.width() + GAP).sum::<usize>() + GAP;
    let width = lines.iter().map(widest).max().unwrap_or(GAP);
    let height = lines.len() * (cell + GAP) + GAP;
    let mut sheet = Image::new(3, height, width, vec![40; 3 * height * width]);
    for (k, line) in lines.iter().enumerate() {
        let top = GAP + k * (cell + GAP);
        let mut left = GAP;
        for picture in line {
            paste(&mut sheet, picture, top, left);
            left += picture.width() + GAP;
        }
    }
    Ok(sheet)
}

fn rgb(image: &Image) -> Image {
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
