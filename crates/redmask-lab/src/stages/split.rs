//! Writes who got which records.

use redmask_core::{Result, SampleId};
use serde_json::{Value, json};

use super::Workshop;
use crate::deal::{SideFile, SplitFile};
use crate::plan::{PoolSplitTask, SplitTask};
use crate::pool::PoolFile;
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

pub(super) fn run_pool(
    workshop: &Workshop<'_>,
    task: &PoolSplitTask,
    slot: &Slot,
) -> Result<Value> {
    let file = PoolFile::new(&task.deal, workshop.records.source());
    slot.write_json("pool.json", &file)?;
    Ok(json!({ "data": workshop.setting.data_name, "models": task.deal.inside.len() }))
}
