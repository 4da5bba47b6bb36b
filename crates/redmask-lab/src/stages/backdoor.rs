//! Measures how well a backdoor works, and what it costs.

use redmask_core::{Error, Result};
use serde_json::{Value, json};

use super::{QUERY_BATCH, Workshop};
use crate::backdoor::{Suspect, bind};
use crate::plan::BackdoorTask;
use crate::results::BACKDOOR;
use crate::store::Slot;

pub(super) fn run(workshop: &Workshop<'_>, task: &BackdoorTask, slot: &Slot) -> Result<Value> {
    let poisoned = super::model::load(workshop, task.model)?;
    let clean = super::model::load(workshop, task.clean)?;
    let records = workshop.records.dealt(&task.dealt, workshop.session)?;
    let table = workshop.records.source().class_table();
    let attack = bind(&task.poison, table, &task.seed)?;
    let suspect = Suspect {
        poisoned: poisoned.as_ref(),
        clean: clean.as_ref(),
        attack: &attack,
    };
    let outcome = suspect.measure(
        &records.held_out,
        &task.sweeps,
        QUERY_BATCH,
        workshop.session,
    )?;
    if outcome.attacked.is_empty() {
        return Err(Error::config(
            "backdoor",
            format!(
                "none of the {} held-out records can be attacked ({} had no legal place for the trigger)",
                outcome.clean.len(),
                outcome.skipped.len()
            ),
        )
        .with_hint("hold out more records, or use a smaller trigger"));
    }
    slot.write_json(BACKDOOR, &outcome)?;
    Ok(json!({ "poison": task.poison, "epoch": task.model.epoch }))
}
