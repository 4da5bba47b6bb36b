//! What a finished training leaves, so that asking for it again costs nothing.

use std::path::Path;

use redmask_core::{Error, Fingerprint, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::trainer::EpochRecord;

const FILE: &str = "training.json";

/// A training that is done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "R: Serialize + DeserializeOwned")]
pub(crate) struct Summary<R> {
    pub(crate) identity: Fingerprint,
    pub(crate) steps: u64,
    pub(crate) seconds: f64,
    pub(crate) history: Vec<EpochRecord<R>>,
}

impl<R: Serialize + DeserializeOwned> Summary<R> {
    /// The summary of the training that was finished in `folder` before, if one was.
    pub(crate) fn read(folder: &Path, identity: Fingerprint) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, "reading", e)),
        };
        let summary: Self = serde_json::from_slice(&text)
            .map_err(|e| Error::input(&path, format!("not a training summary: {e}")))?;
        if summary.identity != identity {
            return Err(another_training(folder));
        }
        Ok(Some(summary))
    }

    /// Writes the summary, which makes the training finished, and drops its checkpoints.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Internal(format!("a training summary: {e}")))?;
        checkpoint::write_file(&folder.join(FILE), &text)?;
        checkpoint::clear(folder)
    }
}

/// The folder was used for something else.
pub(crate) fn another_training(folder: &Path) -> Error {
    Error::input(
        folder,
        "holds another training (other records, configuration, seed or initial weights)",
    )
    .with_hint("use another folder, or delete this one")
}
