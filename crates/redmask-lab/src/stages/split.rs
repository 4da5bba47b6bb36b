//! Writes who got which records.

use redmask_core::{Result, SampleId};
use serde_json::{Value, json};

use super::Workshop;
use crate::deal::{SideFile, SplitFile};
use crate::plan::SplitTask;
use crate::store::Slot;

pub(super) fn run(workshop: &Workshop<'_>, task: &SplitTask, slot: &Slot) -> Result<Value> {
    let dataset = workshop.records.source();
    let ids =
        |records: &[usize]| -> Vec<SampleId> { records.iter().map(|&i| dataset.id(i)).collect() };
    let sides = task
        .sides
        .iter()
        .map(|(side, dealt)| {
            let file = SideFile {
                members: ids(&dealt.members),
                held_out: ids(&dealt.held_out),
            };
            (side.describe(), file)
        })
        .collect();
    slot.write_json("split.json", &SplitFile { sides })?;
    Ok(json!({ "data": workshop.setting.data_name, "split": workshop.setting.recipe.split }))
}
