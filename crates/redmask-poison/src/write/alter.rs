//! Altering the files of one record, originals kept.

use std::path::Path;

use redmask_core::{Error, Result, SegDataset};
use redmask_data::files::{PairDataset, decode_mask, write_image, write_mask};

use super::mask;
use crate::bound::{BoundAttack, Refusal};
use crate::manifest::{AlteredFile, ManifestSample, UNDO_FOLDER};
use crate::sheet::SheetRow;

/// What happens to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Poisoned,
    Decoy,
    Randomised,
}

/// What happened to it.
#[derive(Debug, Default)]
pub(super) struct Altered {
    pub(super) sample: Option<ManifestSample>,
    pub(super) files: Vec<AlteredFile>,
    pub(super) row: Option<SheetRow>,
}

/// Alters record `index` of the copy.
pub(super) fn alter(
    copy: &PairDataset,
    index: usize,
    attack: &BoundAttack,
    role: Role,
    shown: bool,
) -> Result<Altered> {
    let record = &copy.records()[index];
    let before = copy.sample(index)?;
    let mut after = before.clone();
    let mut altered = Altered::default();
    let placed_before =
        |refusal: Refusal| Error::Internal(format!("a record that was placed before: {refusal}"));
    match role {
        Role::Poisoned => {
            let planned = attack
                .plan(&before.id, &before.labels, before.instances.as_ref())
                .map_err(placed_before)?;
            attack.stamp(&mut after.image, &planned.boxes);
            altered.sample = Some(ManifestSample::of(
                before.id.clone(),
                attack,
                copy.class_table(),
                &before.labels,
                &planned,
            ));
            after.labels = planned.labels;
        }
        Role::Decoy => {
            after = attack.decoy(after);
            if attack.randomises_all() {
                after.labels = attack.randomise(&before.id, &before.labels);
            }
        }
        Role::Randomised => after.labels = attack.randomise(&before.id, &before.labels),
    }
    if after.image != before.image {
        let image = &after.image;
        let file = replace(copy.root(), &record.image, |path| write_image(path, image))?;
        altered.files.push(file);
    }
    if after.labels != before.labels {
        let stored = decode_mask(&record.mask, copy.limits())?;
        let code = &copy.coding().labels;
        let merged = mask::merge(stored, code, &before.labels, &after.labels)
            .map_err(|e| named(e, &record.mask))?;
        let file = replace(copy.root(), &record.mask, |path| write_mask(path, &merged))?;
        altered.files.push(file);
    }
    altered.row = shown.then_some(SheetRow {
        clean: before.image,
        triggered: after.image,
        truth: before.labels,
        wanted: after.labels,
        predicted: None,
    });
    Ok(altered)
}

fn named(error: Error, path: &Path) -> Error {
    match error {
        Error::Unsupported { what, reason } => {
            Error::unsupported(format!("{what} ({})", path.display()), reason)
        }
        other => other,
    }
}

/// Moves a file to the undo folder and writes a PNG of the same stem in its place.
fn replace(
    root: &Path,
    original: &Path,
    write: impl FnOnce(&Path) -> Result<()>,
) -> Result<AlteredFile> {
    let relative = original
        .strip_prefix(root)
        .map_err(|_| Error::Internal(format!("{} outside its copy", original.display())))?;
    let kept = root.join(UNDO_FOLDER).join(relative);
    if let Some(folder) = kept.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "creating", e))?;
    }
    std::fs::rename(original, &kept).map_err(|e| Error::io(&kept, "moving the original to", e))?;
    let written = original.with_extension("png");
    if written.exists() {
        return Err(Error::input(
            &written,
            "it has the name that the altered file would get",
        ));
    }
    write(&written)?;
    Ok(AlteredFile {
        written: slashed(&relative.with_extension("png")),
        original: slashed(relative),
        original_hash: hash(&kept)?,
    })
}

/// A relative path with `/` between its parts.
fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|c| c.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// The hash of a file's content in hexadecimal.
pub(super) fn hash(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(file)
        .map_err(|e| Error::io(path, "reading", e))?;
    Ok(hasher.finalize().to_hex().to_string())
}
