//! Files that appear whole or not at all, and are read under limits.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use redmask_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes `bytes` beside `path`, then renames it into place.
///
/// # Errors
/// If the folder cannot be written; nothing is left behind then.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = partial_name(path);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&partial)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|source| {
        // The first error is the one that matters; a leftover that cannot be removed is reported by it as well.
        let _ = fs::remove_file(&partial);
        Error::io(path, "writing", source)
    })
}

/// The process id keeps two writers from sharing a partial file.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::Internal(format!("{}: {e}", path.display())))?;
    text.push(b'\n');
    write_atomic(path, &text)
}

/// Reads at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::io(path, "reading", e))?;
    let mut bytes = Vec::new();
    // The declared size is not trusted: the file may grow, or be a device.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(path, "reading", e))?;
    let found = bytes.len() as u64;
    if found > limit {
        return Err(Error::Limit {
            path: path.to_owned(),
            what: "the file size in bytes",
            found,
            limit,
        });
    }
    Ok(bytes)
}

/// Reads JSON with a `schema_version`; another version is named before the parser stumbles over its fields.
pub(crate) fn read_versioned<T: DeserializeOwned>(
    path: &Path,
    limit: u64,
    version: u32,
) -> Result<T> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema_version: u32,
    }
    let bytes = read_limited(path, limit)?;
    let head: Head =
        serde_json::from_slice(&bytes).map_err(|e| Error::input(path, e.to_string()))?;
    if head.schema_version != version {
        let found = head.schema_version;
        let problem = format!("schema version {found}; this build reads version {version}");
        return Err(Error::input(path, problem)
            .with_hint("run the recipe again with this build, or use the build that wrote it"));
    }
    serde_json::from_slice(&bytes).map_err(|e| Error::input(path, e.to_string()))
}
