//! The epoch log: JSON Lines, cut back on resume to what the checkpoint knows.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use redmask_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An open log.
#[derive(Debug)]
pub(crate) struct EpochLog {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl EpochLog {
    /// Opens the log at `path`, drops everything after its first `bytes` bytes, and reads the lines that stay.
    pub(crate) fn open<R: DeserializeOwned>(path: &Path, bytes: u64) -> Result<(Self, Vec<R>)> {
        let fail = |action| move |e| Error::io(path, action, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fail("opening"))?;
        let length = file.metadata().map_err(fail("reading"))?.len();
        if length < bytes {
            return Err(Error::input(
                path,
                format!("has {length} bytes, the checkpoint beside it knows {bytes}"),
            )
            .with_hint("delete the folder to train from the start"));
        }
        file.set_len(bytes).map_err(fail("truncating"))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(fail("reading"))?;
        file.seek(SeekFrom::End(0)).map_err(fail("reading"))?;
        let lines = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .map_err(|e| Error::input(path, format!("not an epoch log: {e}")))?;
        let log = Self {
            path: path.to_owned(),
            file,
            bytes,
        };
        Ok((log, lines))
    }

    /// Adds one line.
    pub(crate) fn append<R: Serialize>(&mut self, record: &R) -> Result<()> {
        let mut line = serde_json::to_vec(record)
            .map_err(|e| Error::Internal(format!("a line of the epoch log: {e}")))?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::io(&self.path, "writing", e))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Length so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}
