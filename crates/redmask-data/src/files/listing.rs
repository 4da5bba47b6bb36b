//! Finding image files and pairing them by stem.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use redmask_core::{Error, Result, SampleId};

use super::pairs::Record;

const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// The image files of a folder by stem, in order of stem. Other and hidden files are passed over.
///
/// # Errors
/// If the folder cannot be read, holds no image, or holds two of one stem.
pub fn images_in(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, "listing", e))? {
        let path = entry.map_err(|e| Error::io(folder, "listing", e))?.path();
        let is_image = path
            .extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| EXTENSIONS.contains(&e.to_ascii_lowercase().as_str()));
        let Some(stem) = path.file_stem().and_then(|s| s.to_str()) else {
            continue;
        };
        if !is_image || stem.starts_with('.') {
            continue;
        }
        if let Some(twin) = found.insert(stem.to_owned(), path.clone()) {
            return Err(Error::input(
                &path,
                format!(
                    "{} has the same stem; records are named by it",
                    twin.display()
                ),
            ));
        }
    }
    if found.is_empty() {
        return Err(Error::input(folder, "the folder holds no image")
            .with_hint(format!("images end in {}", EXTENSIONS.join(", "))));
    }
    Ok(found)
}

/// Pairs the images of one folder with the masks of another. `mask_stem` turns an image's stem into its mask's.
///
/// # Errors
/// If a folder is empty or an image has no mask. Masks without an image are passed over: test sets of challenges come
/// so the other way round, never this one, and `check` lists them.
pub fn pair(
    split: &str,
    images: &Path,
    masks: &Path,
    mask_stem: impl Fn(&str) -> String,
) -> Result<Vec<Record>> {
    let mut masks_by_stem = images_in(masks)?;
    images_in(images)?
        .into_iter()
        .map(|(stem, image)| {
            let wanted = mask_stem(&stem);
            let mask = masks_by_stem
                .remove(&wanted)
                .ok_or_else(|| missing_mask(&image, masks, &wanted))?;
            Ok(Record::new(SampleId::new(split, &stem), image, mask))
        })
        .collect()
}

pub(super) fn missing_mask(image: &Path, masks: &Path, stem: &str) -> Error {
    Error::input(
        image,
        format!("its mask `{stem}.*` is missing in {}", masks.display()),
    )
    .with_hint("add the mask or remove the image")
}
