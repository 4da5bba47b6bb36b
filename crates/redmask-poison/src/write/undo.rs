//! Taking the poison back.

use std::fs;
use std::path::{Component, Path, PathBuf};

use redmask_core::{Error, Result, Session};

use super::alter::hash;
use crate::manifest::{MANIFEST, Manifest, UNDO_FOLDER};

/// Restores the data set in `folder` to its source, byte for byte: originals go back to their place, what replaced them, the
/// manifest and the undo folder disappear. May be interrupted and run again. Returns how many files were restored.
///
/// # Errors
/// If there is no manifest, it is damaged or names a path outside the folder, or an original is missing or not what it was;
/// nothing is changed then.
pub fn undo(folder: &Path, session: &Session) -> Result<usize> {
    let manifest = Manifest::read(folder)?;
    let kept = folder.join(UNDO_FOLDER);
    let mut moves: Vec<(PathBuf, PathBuf, PathBuf)> = Vec::new();
    let mut task = session
        .progress
        .start("check", manifest.files.len() as u64, "file");
    for file in &manifest.files {
        session.cancel.check()?;
        let (original, written) = (
            inside(folder, &file.original)?,
            inside(folder, &file.written)?,
        );
        let source = kept.join(original.strip_prefix(folder).unwrap_or(&original));
        // After an interruption some originals are back already.
        let place = if source.is_file() { &source } else { &original };
        if !place.is_file() || hash(place)? != file.original_hash {
            return Err(Error::input(
                place,
                "the original is missing, or changed since it was put aside",
            )
            .with_hint("take the data from its source again"));
        }
        if source.is_file() {
            moves.push((source, original, written));
        }
        task.advance(1);
    }
    let restored = moves.len();
    for (source, original, written) in moves {
        session.cancel.check()?;
        fs::rename(&source, &original).map_err(|e| Error::io(&original, "restoring", e))?;
        if written != original && written.is_file() {
            fs::remove_file(&written).map_err(|e| Error::io(&written, "removing", e))?;
        }
    }
    if kept.is_dir() {
        fs::remove_dir_all(&kept).map_err(|e| Error::io(&kept, "removing", e))?;
    }
    // Last: until here the same command goes on where it stopped.
    let path = folder.join(MANIFEST);
    fs::remove_file(&path).map_err(|e| Error::io(&path, "removing", e))?;
    Ok(restored)
}

/// A manifest's path below `folder`; a manifest may come from anybody.
fn inside(folder: &Path, relative: &str) -> Result<PathBuf> {
    let path = Path::new(relative);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    if relative.is_empty() || !plain {
        return Err(Error::input(
            folder.join(MANIFEST),
            format!("it names `{relative}`, which is no path below the folder"),
        ));
    }
    Ok(folder.join(path))
}
