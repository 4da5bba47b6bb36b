//! The run store: plain folders named after the hash of what made them.
//!
//! ```text
//! STORE/.lock                     shared by every run that uses the store
//! STORE/locks/<kind>-<hash>       held by the process that computes this stage
//! STORE/<kind>/<hash>.partial/    being computed, or left by a process that died
//! STORE/<kind>/<hash>/            finished: stage.json and what it lists
//! ```
//!
//! A finished folder appears by one rename and is never written again. Several runs, on several machines if the file
//! system has locks, may share a store: what one of them computes, the others read.

mod key;
mod kind;
mod lock;
mod record;
mod slot;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use redmask_core::{Error, Result, Session};

pub use key::StageKey;
pub use kind::StageKind;
pub use lock::{FileLock, holder};
pub use record::{StageCost, StageRecord, Stored, StoredFile};
pub use slot::{Slot, write_atomically};

const PARTIAL: &str = ".partial";

/// How often a process looks again at what others compute. Stages take seconds to hours.
pub(crate) const POLL: Duration = Duration::from_millis(200);

/// An open store.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    _in_use: FileLock,
}

/// What [`Store::begin`] found.
#[derive(Debug)]
pub enum Begin {
    /// The stage is finished; another run may have done it while this one waited.
    Done(Stored),
    /// The stage is this process's to compute.
    Todo(Slot),
}

impl Store {
    /// Opens or creates the store at `root`. If no other run uses it, what dead processes left is swept first.
    ///
    /// # Errors
    /// If the folder cannot be created, locked or swept.
    pub fn open(root: &Path) -> Result<Self> {
        let locks = root.join("locks");
        fs::create_dir_all(&locks).map_err(|e| Error::io(&locks, "creating", e))?;
        let in_use = root.join(".lock");
        if let Some(alone) = FileLock::try_exclusive(&in_use)? {
            sweep(root)?;
            drop(alone);
        }
        Ok(Self {
            root: root.to_owned(),
            _in_use: FileLock::shared(&in_use)?,
        })
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The finished stage with this key.
    ///
    /// # Errors
    /// If its record is damaged.
    pub fn find(&self, key: StageKey) -> Result<Option<Stored>> {
        find(&self.root, key)
    }

    /// Claims a stage: its output if finished, else the right to compute it. Waits while another process computes it.
    ///
    /// # Errors
    /// If the system refuses, a record is damaged, or the wait is cancelled.
    pub fn begin(&self, key: StageKey, session: &Session) -> Result<Begin> {
        let mut announced = false;
        loop {
            if let Some(begin) = self.try_begin(key)? {
                return Ok(begin);
            }
            if !announced {
                let line = format!("waiting for another run that computes {key}");
                session.progress.line(&line);
                announced = true;
            }
            session.cancel.check()?;
            thread::sleep(POLL);
        }
    }

    /// Claims a stage like [`Store::begin`], `None` if another process computes it.
    ///
    /// # Errors
    /// If the system refuses or a record is damaged.
    pub fn try_begin(&self, key: StageKey) -> Result<Option<Begin>> {
        if let Some(stored) = self.find(key)? {
            return Ok(Some(Begin::Done(stored)));
        }
        let lock = self
            .root
            .join("locks")
            .join(format!("{}-{}", key.kind, key.hash));
        let Some(lock) = FileLock::try_exclusive(&lock)? else {
            return Ok(None);
        };
        // Another process may have finished it between the look and the lock.
        if let Some(stored) = self.find(key)? {
            return Ok(Some(Begin::Done(stored)));
        }
        let complete = folder(&self.root, key);
        let partial = partial(&complete);
        let slot = Slot::new(key, partial, complete, lock)?;
        Ok(Some(Begin::Todo(slot)))
    }

    /// Every finished stage whose record can be read, for estimates.
    pub fn finished(&self) -> Vec<StageRecord> {
        finished(&self.root)
    }
}

/// The finished stage with this key in the store at `root`, without opening (or creating) the store.
///
/// # Errors
/// If its record is damaged.
pub fn find(root: &Path, key: StageKey) -> Result<Option<Stored>> {
    let dir = folder(root, key);
    if dir.is_dir() {
        Stored::open(dir, key).map(Some)
    } else {
        Ok(None)
    }
}

/// Whether an earlier sitting left checkpoints of this stage.
pub fn has_partial(root: &Path, key: StageKey) -> bool {
    slot::worth_resuming(key.kind, &partial(&folder(root, key)))
}

/// The records of all finished stages in the store at `root`, sorted by path; damaged ones are passed over.
pub fn finished(root: &Path) -> Vec<StageRecord> {
    let mut records = Vec::new();
    for kind in StageKind::ALL {
        for name in names(&root.join(kind.as_str())) {
            let path = root.join(kind.as_str()).join(&name).join(record::RECORD);
            let record = fs::read(&path).ok();
            records.extend(record.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
        }
    }
    records
}

fn folder(root: &Path, key: StageKey) -> PathBuf {
    root.join(key.kind.as_str()).join(key.hash.to_hex())
}

fn partial(complete: &Path) -> PathBuf {
    let mut name = complete.file_name().unwrap_or_default().to_owned();
    name.push(PARTIAL);
    complete.with_file_name(name)
}

/// The names in a folder, sorted; none if it does not exist.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Removes what dead processes left, while the store is ours alone: partial folders of stages that start over, scratch
/// files of interrupted writes inside those that resume, and lock files.
fn sweep(root: &Path) -> Result<()> {
    for kind in StageKind::ALL {
        let dir = root.join(kind.as_str());
        for name in names(&dir) {
            let path = dir.join(&name);
            if !name.ends_with(PARTIAL) {
                continue;
            }
            if kind.resumes() {
                sweep_scratch(&path)?;
            }
            if !slot::worth_resuming(kind, &path) {
                fs::remove_dir_all(&path).map_err(|e| Error::io(&path, "removing", e))?;
            }
        }
    }
    for name in names(&root.join("locks")) {
        let path = root.join("locks").join(name);
        fs::remove_file(&path).map_err(|e| Error::io(&path, "removing", e))?;
    }
    Ok(())
}

fn sweep_scratch(dir: &Path) -> Result<()> {
    for name in names(dir) {
        let path = dir.join(&name);
        if path.extension().is_some_and(|e| e == "tmp") {
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(|e| Error::io(&path, "removing", e))?;
        } else if path.is_dir() {
            sweep_scratch(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
