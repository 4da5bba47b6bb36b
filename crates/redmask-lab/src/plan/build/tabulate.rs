//! The last stage: outcomes become results.

use redmask_core::{Fingerprint, Result};
use serde_json::json;

use super::Builder;
use crate::plan::{Stage, Task, Work};
use crate::store::{StageKey, StageKind};

impl Builder<'_> {
    pub(super) fn tabulate(&mut self, seeds: &[u64]) -> Result<usize> {
        let inputs: Vec<usize> = (0..self.stages.len()).collect();
        let keys: Vec<Fingerprint> = self.stages.iter().map(|s| s.key.hash).collect();
        let key = StageKey::derive(
            StageKind::Tabulate,
            &json!({
                "recipe": self.recipe,
                "seeds": seeds,
                "data": self.data.name(),
                "substituted": self.data.substituted,
                "weights": self.weights.keys().collect::<Vec<_>>(),
            }),
            &keys,
            None,
        )?;
        Ok(self.intern(Stage {
            key,
            label: "tabulate".to_owned(),
            task: Task::Tabulate,
            inputs,
            work: Work::none(),
        }))
    }
}
