//! Runs a membership attack: one fit on the shadows, one outcome for each target.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use redmask_attacks::controls::null_victim;
use redmask_attacks::membership::{MembershipInput, Shadow, Target, TargetRole};
use redmask_core::{Error, Knowledge, Predictor, Result};
use serde_json::{Value, json};

use super::{QUERY_BATCH, Workshop};
use crate::plan::{AttackTask, Trained};
use crate::results::OUTCOMES;
use crate::stages::train;
use crate::store::Slot;

/// Where an attack that trains a classifier keeps its checkpoints.
const CLASSIFIER: &str = "classifier";

pub(super) fn run(workshop: &Workshop<'_>, task: &AttackTask, slot: &Slot) -> Result<Value> {
    let session = workshop.session;
    let uses = task.shadows.iter().map(|(model, _)| *model);
    let uses: BTreeSet<Trained> = uses.chain(task.targets.iter().map(|t| t.model)).collect();
    let mut models: BTreeMap<Trained, Box<dyn Predictor>> = BTreeMap::new();
    for model in uses {
        models.insert(model, super::model::load(workshop, model)?);
    }
    let shadow_records = task
        .shadows
        .iter()
        .map(|(model, dealt)| {
            let loss = train::last_epoch_loss(workshop, *model)?;
            Ok((workshop.records.dealt(dealt, session)?, [loss]))
        })
        .collect::<Result<Vec<_>>>()?;
    let target_records = task
        .targets
        .iter()
        .map(|target| workshop.records.dealt(&target.dealt, session))
        .collect::<Result<Vec<_>>>()?;
    let shadows: Vec<Shadow<'_>> = task
        .shadows
        .iter()
        .zip(&shadow_records)
        .map(|((model, _), (records, losses))| Shadow {
            predictor: models[model].as_ref(),
            members: &records.members,
            non_members: &records.held_out,
            last_epoch_losses: losses,
        })
        .collect();
    let mut targets = Vec::with_capacity(task.targets.len());
    for (target, records) in task.targets.iter().zip(&target_records) {
        // In a pool the null victim is a model of its own; elsewhere the shadow serves.
        let shadow_serves = task.shadows.iter().any(|(m, _)| *m == target.model);
        targets.push(if target.null_victim && shadow_serves {
            let shadow = shadows
                .first()
                .ok_or_else(|| Error::Internal("a null victim without a shadow".into()))?;
            null_victim(shadow, &records.members, &records.held_out)?
        } else {
            Target {
                role: if target.null_victim {
                    TargetRole::NullVictim
                } else {
                    TargetRole::Victim
                },
                predictor: models[&target.model].as_ref(),
                members: &records.members,
                non_members: &records.held_out,
            }
        });
    }
    let mut knowledge = BTreeSet::from([
        Knowledge::GroundTruth,
        Knowledge::ShadowData,
        Knowledge::Training,
    ]);
    if task.same_architecture {
        knowledge.insert(Knowledge::Architecture);
    }
    let input = MembershipInput {
        shadows,
        targets,
        knowledge,
        batch: QUERY_BATCH,
        seed: task.seed,
    };
    let folder = slot.dir().join(CLASSIFIER);
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "creating", e))?;
    let outcomes = task.config.build(&folder)?.run(&input, session)?;
    // What it leaves serves its own resumption only.
    fs::remove_dir_all(&folder).map_err(|e| Error::io(&folder, "removing", e))?;
    slot.write_json(OUTCOMES, &outcomes)?;
    Ok(json!({ "attack": task.config }))
}
