//! Attack stages: one fit on the shadows serves every victim that meets them.

use std::collections::BTreeSet;

use redmask_core::Result;
use serde_json::json;

use super::{Builder, Repetition};
use crate::deal::Side;
use crate::plan::{
    AttackTarget, AttackTask, Cell, ModelUse, OutcomeAt, Stage, Task, Work, audited,
};
use crate::recipe::ModelRef;
use crate::store::{StageKey, StageKind};

impl Builder<'_> {
    pub(super) fn attack(
        &mut self,
        repetition: &Repetition,
        attack: &str,
        victims: &[&ModelRef],
        shadow: &ModelRef,
    ) -> Result<()> {
        let config = self.recipe.attack[attack].clone();
        let shadow = self.model_use(shadow)?;
        let victims = victims
            .iter()
            .map(|v| self.model_use(v))
            .collect::<Result<Vec<_>>>()?;
        let records = self.recipe.split.audited_of(shadow.train_records);
        let mut shadows = Vec::new();
        for side in self.sides().into_iter().skip(1) {
            let (trained, dealt) = self.train(repetition, &shadow, side)?;
            shadows.push((trained, audited(&dealt, records)));
        }
        let mut targets: Vec<AttackTarget> = Vec::new();
        let mut outcomes = Vec::new();
        for victim in &victims {
            let (model, dealt) = self.train(repetition, victim, Side::Victim)?;
            let records = self.recipe.split.audited_of(victim.train_records);
            let dealt = audited(&dealt, records);
            let target = position_or_push(
                &mut targets,
                AttackTarget {
                    model,
                    dealt: dealt.clone(),
                    null_victim: false,
                },
            );
            let null = self.recipe.control.null_victim.then(|| {
                position_or_push(
                    &mut targets,
                    AttackTarget {
                        model: shadows[0].0,
                        dealt,
                        null_victim: true,
                    },
                )
            });
            outcomes.push((target, null));
        }
        let same_architecture = victims
            .iter()
            .all(|v| v.model.network == shadow.model.network);
        let stage = self.attack_stage(
            repetition.seed,
            AttackTask {
                attack: attack.to_owned(),
                config,
                shadows,
                targets,
                same_architecture,
                seed: repetition.root.child("attack").child(attack),
            },
            &format!("shadow {}", shadow.reference),
        )?;
        for (victim, (target, null)) in victims.into_iter().zip(outcomes) {
            let outcome = OutcomeAt {
                stage,
                target,
                null,
            };
            self.record_outcome(attack, victim, &shadow, outcome);
        }
        Ok(())
    }

    /// `with` says with what, for people.
    pub(super) fn attack_stage(
        &mut self,
        seed: u64,
        task: AttackTask,
        with: &str,
    ) -> Result<usize> {
        let mut keys = Vec::new();
        let mut uses = Vec::new();
        let shadow_uses = task
            .shadows
            .iter()
            .map(|(model, dealt)| (*model, dealt, false));
        let target_uses = task
            .targets
            .iter()
            .map(|t| (t.model, &t.dealt, t.null_victim));
        for (model, dealt, null_victim) in shadow_uses.chain(target_uses) {
            keys.push(self.stages[model.stage].key.hash);
            keys.extend(self.inputs_of(dealt)?);
            let mut seen = json!({ "epoch": model.epoch, "null_victim": null_victim });
            self.describe_front(model, &mut seen);
            uses.push(seen);
        }
        let key = StageKey::derive(
            StageKind::Attack,
            &json!({
                "attack": task.config,
                "shadows": task.shadows.len(),
                "models": uses,
                "same_architecture": task.same_architecture,
            }),
            &keys,
            Some(&task.seed),
        )?;
        let models: BTreeSet<usize> = task
            .shadows
            .iter()
            .map(|(m, _)| m.stage)
            .chain(task.targets.iter().map(|t| t.model.stage))
            .collect();
        Ok(self.intern(Stage {
            key,
            label: format!("attack {} with {with}, seed {seed}", task.attack),
            work: Work::attack(&task, &self.stages, self.data.size),
            task: Task::Attack(task),
            inputs: models.into_iter().collect(),
        }))
    }

    fn record_outcome(
        &mut self,
        attack: &str,
        victim: ModelUse,
        shadow: &ModelUse,
        outcome: OutcomeAt,
    ) {
        let found = self.cells.iter_mut().find(|cell| {
            cell.attack == attack
                && cell.victim.reference == victim.reference
                && cell.shadow.reference == shadow.reference
        });
        match found {
            // Two audits may name one pair; under one seed its outcome is one stage.
            Some(cell) if cell.outcomes.last() == Some(&outcome) => {}
            Some(cell) => cell.outcomes.push(outcome),
            None => self.cells.push(Cell {
                attack: attack.to_owned(),
                victim,
                shadow: shadow.clone(),
                outcomes: vec![outcome],
            }),
        }
    }
}

fn position_or_push(targets: &mut Vec<AttackTarget>, target: AttackTarget) -> usize {
    targets
        .iter()
        .position(|t| *t == target)
        .unwrap_or_else(|| {
            targets.push(target);
            targets.len() - 1
        })
}
