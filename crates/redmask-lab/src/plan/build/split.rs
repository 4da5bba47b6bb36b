//! The stage that says who got which records.

use redmask_core::Result;

use super::{Builder, Repetition};
use crate::plan::{SplitTask, Stage, Task, Work};
use crate::store::{StageKey, StageKind};

impl Builder<'_> {
    pub(super) fn split(&mut self, repetition: &Repetition) -> Result<usize> {
        let held_out = self.recipe.split.held_out;
        let mut sides = Vec::new();
        let mut inputs = Vec::new();
        for side in self.sides() {
            let dealt = repetition
                .deal
                .records(side, self.largest_train, held_out)?;
            inputs.extend(self.inputs_of(&dealt)?);
            sides.push((side, dealt));
        }
        let key = StageKey::derive(StageKind::Split, &self.recipe.split, &inputs, None)?;
        Ok(self.intern(Stage {
            key,
            label: format!("split, seed {}", repetition.seed),
            task: Task::Split(SplitTask { sides }),
            inputs: Vec::new(),
            work: Work::none(),
        }))
    }
}
