//! Measures a trained network on what it saw and on what it did not see.

use redmask_core::Result;
use serde_json::{Value, json};

use super::{QUERY_BATCH, Workshop};
use crate::plan::PredictTask;
use crate::quality::{Quality, measure};
use crate::results::QUALITY;
use crate::store::Slot;

pub(super) fn run(workshop: &Workshop<'_>, task: &PredictTask, slot: &Slot) -> Result<Value> {
    let predictor = super::model::load(workshop, task.model)?;
    let records = workshop.records.dealt(&task.dealt, workshop.session)?;
    let quality = Quality {
        members: measure(
            predictor.as_ref(),
            &records.members,
            QUERY_BATCH,
            workshop.session,
        )?,
        held_out: measure(
            predictor.as_ref(),
            &records.held_out,
            QUERY_BATCH,
            workshop.session,
        )?,
    };
    slot.write_json(QUALITY, &quality)?;
    Ok(json!({ "epoch": task.model.epoch }))
}
