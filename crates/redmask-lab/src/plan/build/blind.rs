//! The blind control of each audited set.

use redmask_core::Result;

use super::{Builder, Repetition};
use crate::deal::Side;
use crate::plan::{BlindCell, BlindTask, Stage, Task, Work, audited};
use crate::store::{StageKey, StageKind};

impl Builder<'_> {
    /// Audited sets follow from the number of training records, so one control serves all victims of that size.
    pub(super) fn blind(&mut self, repetition: &Repetition, train_records: usize) -> Result<()> {
        let Some(config) = self.recipe.control.blind else {
            return Ok(());
        };
        let split = &self.recipe.split;
        let dealt = repetition
            .deal
            .records(Side::Victim, train_records, split.held_out)?;
        let dealt = audited(&dealt, split.audited_of(train_records));
        let seed = repetition.root.child("control").child("blind");
        let key = StageKey::derive(
            StageKind::Control,
            &config,
            &self.inputs_of(&dealt)?,
            Some(&seed),
        )?;
        let stage = self.intern(Stage {
            key,
            label: format!(
                "blind control on {} and {} records, seed {}",
                dealt.members.len(),
                dealt.held_out.len(),
                repetition.seed
            ),
            work: Work::blind(&dealt),
            task: Task::Blind(BlindTask {
                config,
                dealt,
                seed,
            }),
            inputs: Vec::new(),
        });
        match self
            .blinds
            .iter_mut()
            .find(|b| b.pool.is_none() && b.train_records == train_records)
        {
            Some(blind) => {
                blind.seeds.push(repetition.seed);
                blind.stages.push(stage);
            }
            None => self.blinds.push(BlindCell {
                train_records,
                pool: None,
                seeds: vec![repetition.seed],
                stages: vec![stage],
            }),
        }
        Ok(())
    }
}
