//! The name of a stage's output: a hash of everything that can change it.

use std::fmt;

use redmask_core::{Error, Fingerprint, FingerprintBuilder, Result, Seed};
use serde::{Deserialize, Serialize};

use crate::store::StageKind;

/// Where a stage's output lives: its kind and the hash of its configuration, inputs and seed. Equal keys mean
/// interchangeable outputs, so a victim trained for one table serves every other table that needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StageKey {
    /// What the stage does.
    pub kind: StageKind,
    /// The hash that names the output.
    pub hash: Fingerprint,
}

impl StageKey {
    /// Derives the key from the resolved configuration, the keys or fingerprints of the inputs in order, and the seed
    /// of stages that draw.
    ///
    /// # Errors
    /// If the configuration cannot be serialised (a map with non-string keys; a bug of ours).
    pub fn derive(
        kind: StageKind,
        config: &impl Serialize,
        inputs: &[Fingerprint],
        seed: Option<&Seed>,
    ) -> Result<Self> {
        let config = serde_json::to_vec(config)
            .map_err(|e| Error::Internal(format!("configuration of a {kind} stage: {e}")))?;
        let mut builder = FingerprintBuilder::new();
        builder.part("kind", kind.as_str().as_bytes());
        builder.part("version", &kind.version().to_le_bytes());
        builder.part("config", &config);
        for input in inputs {
            builder.part("input", input.to_hex().as_bytes());
        }
        if let Some(seed) = seed {
            builder.part("seed", seed.as_bytes());
        }
        Ok(Self {
            kind,
            hash: builder.finish(),
        })
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.hash.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: StageKind, config: &str, inputs: &[Fingerprint], seed: u64) -> StageKey {
        StageKey::derive(kind, &config, inputs, Some(&Seed::root(seed))).unwrap()
    }

    #[test]
    fn anything_that_can_change_the_output_changes_the_key() {
        let input = Fingerprint::of(b"a");
        let base = key(StageKind::Train, "lr 1", &[input], 0);
        assert_eq!(base, key(StageKind::Train, "lr 1", &[input], 0));
        assert_ne!(base.hash, key(StageKind::Attack, "lr 1", &[input], 0).hash);
        assert_ne!(base, key(StageKind::Train, "lr 2", &[input], 0));
        assert_ne!(base, key(StageKind::Train, "lr 1", &[], 0));
        assert_ne!(base, key(StageKind::Train, "lr 1", &[input, input], 0));
        assert_ne!(base, key(StageKind::Train, "lr 1", &[input], 1));
    }
}
