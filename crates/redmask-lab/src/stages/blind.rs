//! Tells members from non-members without a model.

use redmask_attacks::controls::blind;
use redmask_core::Result;
use serde_json::{Value, json};

use super::Workshop;
use crate::plan::BlindTask;
use crate::results::BLIND;
use crate::store::Slot;

pub(super) fn run(workshop: &Workshop<'_>, task: &BlindTask, slot: &Slot) -> Result<Value> {
    let records = workshop.records.dealt(&task.dealt, workshop.session)?;
    let outcome = blind(
        &records.members,
        &records.held_out,
        &task.config,
        task.seed,
        workshop.session,
    )?;
    slot.write_json(BLIND, &outcome)?;
    Ok(json!({ "blind": task.config }))
}
