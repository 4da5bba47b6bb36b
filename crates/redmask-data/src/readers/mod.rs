//! One file for each layout that data sets are published in.

pub mod ade20k;
pub mod camvid;
pub mod cityscapes;
pub mod folder;
pub mod kvasir_seg;
pub mod msd_liver;
pub mod nuclei;
pub mod voc2012;

use std::path::Path;

use redmask_core::{Error, Result};

/// The names of a folder's visible subfolders, sorted.
fn subfolders(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, "listing", e))? {
        let entry = entry.map_err(|e| Error::io(folder, "listing", e))?;
        if let Some(name) = entry.file_name().to_str()
            && !name.starts_with('.')
            && entry.path().is_dir()
        {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() {
        return Err(Error::input(folder, "there is no subfolder"));
    }
    names.sort();
    Ok(names)
}
