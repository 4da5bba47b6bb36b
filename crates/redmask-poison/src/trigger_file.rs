//! A trigger in a file: what an optimiser found, for poisoning to use.

use std::path::Path;

use redmask_core::{Error, Result};
use redmask_data::Limits;
use serde::{Deserialize, Serialize};

use crate::placement::Placement;
use crate::trigger::Trigger;

/// A trigger and where it is put, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerFile {
    /// 1.
    pub trigger_version: u32,
    /// What is put into the picture.
    pub trigger: Trigger,
    /// Where.
    pub placement: Placement,
    /// How it was found, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

const VERSION: u32 = 1;

impl TriggerFile {
    /// A file of the current version.
    pub fn new(trigger: Trigger, placement: Placement, note: Option<String>) -> Self {
        Self {
            trigger_version: VERSION,
            trigger,
            placement,
            note,
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// If it cannot be read, is not such a file, or holds a trigger that cannot be used.
    pub fn read(path: &Path) -> Result<Self> {
        let limits = Limits {
            max_bytes: 1 << 20,
            ..Limits::default()
        };
        if !path.exists() {
            return Err(Error::input(path, "there is no such trigger file").with_hint(
                "`cargo run --release --example optimised_trigger -- .` searches triggers and writes their files",
            ));
        }
        let text = limits.read_text(path)?;
        let file: Self = serde_json::from_str(&text)
            .map_err(|e| Error::input(path, format!("not a trigger file: {e}")))?;
        if file.trigger_version != VERSION {
            return Err(Error::input(
                path,
                format!("trigger_version {} is not {VERSION}", file.trigger_version),
            ));
        }
        file.trigger.validate()?;
        file.placement.validate()?;
        Ok(file)
    }

    /// Writes it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::Internal(format!("a trigger as JSON: {e}")))?;
        text.push('\n');
        std::fs::write(path, text).map_err(|e| Error::io(path, "writing", e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Art;

    #[test]
    fn what_is_written_reads_back_and_nonsense_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trigger.json");
        let patch = |size| Trigger::Patch {
            size,
            art: Art::Rosette,
            opacity: 0.5,
        };
        let file = TriggerFile::new(patch(9), Placement::Uniform { margin: 2 }, None);
        file.write(&path).unwrap();
        assert_eq!(TriggerFile::read(&path).unwrap(), file);
        TriggerFile::new(patch(8), Placement::OnVictim, None)
            .write(&path)
            .unwrap();
        assert!(
            TriggerFile::read(&path)
                .unwrap_err()
                .to_string()
                .contains("even")
        );
        std::fs::write(&path, "{}").unwrap();
        assert!(TriggerFile::read(&path).is_err());
        let missing = TriggerFile::read(&dir.path().join("none.json")).unwrap_err();
        assert!(
            missing
                .hint()
                .is_some_and(|hint| hint.contains("optimised_trigger"))
        );
    }
}
