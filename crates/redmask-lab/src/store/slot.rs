//! The folder of a stage that is being computed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use redmask_core::{Error, Result};
use serde::Serialize;

use crate::store::lock::FileLock;
use crate::store::record::{RECORD, StageCost, StageRecord, Stored, inventory};
use crate::store::{StageKey, StageKind};

/// The right to compute one stage: a `.partial` folder to write into, and the lock on its key.
///
/// Dropped without [`Slot::commit`], the folder disappears, unless the stage resumes from what is in it.
#[derive(Debug)]
pub struct Slot {
    key: StageKey,
    partial: PathBuf,
    complete: PathBuf,
    committed: bool,
    _lock: FileLock,
}

impl Slot {
    pub(crate) fn new(
        key: StageKey,
        partial: PathBuf,
        complete: PathBuf,
        lock: FileLock,
    ) -> Result<Self> {
        if !key.kind.resumes() && partial.exists() {
            fs::remove_dir_all(&partial).map_err(|e| Error::io(&partial, "removing", e))?;
        }
        fs::create_dir_all(&partial).map_err(|e| Error::io(&partial, "creating", e))?;
        Ok(Self {
            key,
            partial,
            complete,
            committed: false,
            _lock: lock,
        })
    }

    /// Where to write. Stages that resume find here what an earlier sitting left.
    pub fn dir(&self) -> &Path {
        &self.partial
    }

    /// Writes one file.
    ///
    /// # Errors
    /// If the system refuses (a full disk, say).
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.partial.join(name);
        fs::write(&path, bytes).map_err(|e| Error::io(&path, "writing", e))
    }

    /// Writes one JSON file.
    ///
    /// # Errors
    /// As [`Slot::write`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value)
            .map_err(|e| Error::Internal(format!("{name} of {}: {e}", self.key)))?;
        text.push(b'\n');
        self.write(name, &text)
    }

    /// Publishes the folder under the stage's key, by one rename, with everything in it on the disk.
    ///
    /// # Errors
    /// If the system refuses; nothing is published then.
    pub fn commit(
        mut self,
        label: &str,
        config: serde_json::Value,
        cost: StageCost,
    ) -> Result<Stored> {
        let record = StageRecord {
            kind: self.key.kind,
            hash: self.key.hash,
            label: label.to_owned(),
            config,
            files: inventory(&self.partial)?,
            cost,
        };
        self.write_json(RECORD, &record)?;
        sync(&self.partial.join(RECORD))?;
        sync_folder(&self.partial)?;
        fs::rename(&self.partial, &self.complete)
            .map_err(|e| Error::io(&self.complete, "renaming the finished stage into", e))?;
        self.committed = true;
        if let Some(parent) = self.complete.parent() {
            sync_folder(parent)?;
        }
        Stored::open(self.complete.clone(), self.key)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        if !worth_resuming(self.key.kind, &self.partial) {
            // Best effort: the next run sweeps what stays.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Whether an unfinished folder holds something to go on from: a checkpoint, or a training that was finished before
/// its stage was.
pub(crate) fn worth_resuming(kind: StageKind, partial: &Path) -> bool {
    fn search(dir: &Path, depth: u32) -> bool {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let scratch = path.extension().is_some_and(|e| e == "tmp");
            name.starts_with("checkpoint-") && !scratch
                || name == "training.json"
                || depth > 0 && path.is_dir() && search(&path, depth - 1)
        })
    }
    kind.resumes() && search(partial, 1)
}

/// Replaces `path` by `bytes` in one step: readers see the old file or the new one, never half of it.
///
/// # Errors
/// If the system refuses; the old file is untouched then, and nothing is left beside it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let scratch = path.with_file_name(name);
    let written = File::create(&scratch)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&scratch, path));
    written.map_err(|e| {
        let _ = fs::remove_file(&scratch);
        Error::io(path, "writing", e)
    })
}

fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|e| Error::io(path, "writing", e))
}

/// Makes renames inside a folder durable where the system allows folders to be synced.
fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(unix) { sync(path) } else { Ok(()) }
}
