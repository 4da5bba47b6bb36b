//! What a finished stage says about itself, and reading its files back without trusting them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use redmask_core::{Error, Fingerprint, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::{StageKey, StageKind};

/// The file whose presence in a folder without `.partial` marks a finished stage.
pub(crate) const RECORD: &str = "stage.json";
/// No record of ours comes near this; a larger one is not ours.
const RECORD_LIMIT: u64 = 16 << 20;

/// What a stage cost where it ran. Kept out of every result; it feeds the provenance and later estimates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageCost {
    /// Wall time, seconds, over all sittings of a resumed stage.
    pub seconds: f64,
    /// The most memory the process had held when the stage ended, bytes; absent where the system does not say.
    pub peak_bytes: Option<u64>,
    /// Worker threads.
    pub threads: usize,
    /// The planner's measure of the work, so that seconds per unit carry over to other stages of the kind.
    pub work: f64,
}

/// One file of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    /// Size.
    pub bytes: u64,
    /// Content hash.
    pub hash: Fingerprint,
}

/// `stage.json`: what was run, what it wrote, what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// The stage's kind.
    pub kind: StageKind,
    /// Its key.
    pub hash: Fingerprint,
    /// What the plan calls it.
    pub label: String,
    /// The resolved configuration that went into the key.
    pub config: serde_json::Value,
    /// Every other file of the folder, by path below it.
    pub files: BTreeMap<String, StoredFile>,
    /// What it cost.
    pub cost: StageCost,
}

/// A finished stage in the store.
#[derive(Debug, Clone)]
pub struct Stored {
    dir: PathBuf,
    record: StageRecord,
}

impl Stored {
    /// Reads the record of the stage in `dir`.
    ///
    /// # Errors
    /// If the record is missing, oversized, malformed, or belongs to another key.
    pub(crate) fn open(dir: PathBuf, key: StageKey) -> Result<Self> {
        let path = dir.join(RECORD);
        let bytes = read_limited(&path, RECORD_LIMIT)?;
        let record: StageRecord = serde_json::from_slice(&bytes)
            .map_err(|e| damaged(&path, &format!("not a stage record ({e})")))?;
        if record.kind != key.kind || record.hash != key.hash {
            return Err(damaged(&path, "it describes another stage"));
        }
        Ok(Self { dir, record })
    }

    /// What it says about itself.
    pub fn record(&self) -> &StageRecord {
        &self.record
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it wrote a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.record.files.contains_key(name)
    }

    /// The bytes of one of its files, checked against the size and hash in the record.
    ///
    /// # Errors
    /// If the stage has no such file, or the file was cut short or changed since.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.dir.join(name);
        let Some(stored) = self.record.files.get(name) else {
            return Err(damaged(&path, "the stage has no such file"));
        };
        let bytes = read_limited(&path, stored.bytes)?;
        if bytes.len() as u64 != stored.bytes || Fingerprint::of(&bytes) != stored.hash {
            return Err(damaged(
                &path,
                "its content changed since the stage wrote it",
            ));
        }
        Ok(bytes)
    }

    /// Checks every file below a folder of the stage, for readers that open files by path.
    ///
    /// # Errors
    /// If the stage wrote nothing there, or a file was cut short or changed since.
    pub fn verify(&self, folder: &str) -> Result<()> {
        let prefix = format!("{folder}/");
        let mut names = self
            .record
            .files
            .keys()
            .filter(|n| n.starts_with(&prefix))
            .peekable();
        if names.peek().is_none() {
            return Err(damaged(
                &self.dir.join(folder),
                "the stage has no such folder",
            ));
        }
        names.try_for_each(|name| self.read(name).map(drop))
    }

    /// Reads one of its JSON files.
    ///
    /// # Errors
    /// As [`Stored::read`]; also if the content is not the expected JSON.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let bytes = self.read(name)?;
        serde_json::from_slice(&bytes).map_err(|e| {
            damaged(
                &self.dir.join(name),
                &format!("not what was expected ({e})"),
            )
        })
    }
}

fn damaged(path: &Path, problem: &str) -> Error {
    Error::input(path, problem)
        .with_hint("delete its folder from the store and run again; only that stage is recomputed")
}

/// Reads at most `limit` bytes and one more, so that a file that grew is noticed without being read whole.
fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(path, "reading", e))?;
    if bytes.len() as u64 > limit {
        return Err(damaged(path, "it is larger than it should be"));
    }
    Ok(bytes)
}

/// Lists and hashes every file below `dir` except the record, by path with `/` between the parts.
pub(crate) fn inventory(dir: &Path) -> Result<BTreeMap<String, StoredFile>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|e| Error::io(&folder, "listing", e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io(&folder, "listing", e))?;
            let path = entry.path();
            let name = entry.file_name().into_string().map_err(|_| {
                Error::Internal(format!("{}: a file name that is not UTF-8", path.display()))
            })?;
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                folders.push((path, format!("{name}/")));
            } else if name != RECORD {
                let stored = hash_file(&path)?;
                files.insert(name, stored);
            }
        }
    }
    Ok(files)
}

/// Hashes a file and makes sure that it is on the disk: the rename that publishes the stage must not come first.
fn hash_file(path: &Path) -> Result<StoredFile> {
    let file = File::open(path).map_err(|e| Error::io(path, "opening", e))?;
    file.sync_all().map_err(|e| Error::io(path, "writing", e))?;
    let mut hasher = blake3::Hasher::new();
    let bytes =
        std::io::copy(&mut &file, &mut hasher).map_err(|e| Error::io(path, "reading", e))?;
    Ok(StoredFile {
        bytes,
        hash: Fingerprint::from(*hasher.finalize().as_bytes()),
    })
}
