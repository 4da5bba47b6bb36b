//! Trains on poisoned records: altered once, or by the loader in each epoch.

use std::sync::Arc;

use redmask_core::{Fingerprint, Result, Sample, SegDataset};
use redmask_nn::network::SegmentationNetwork;
use redmask_poison::{EpochPoison, PoisonConfig, PoisonedDataset, survey};
use redmask_train::{EpochRewrite, TrainRun, train_rewritten};
use serde::{Deserialize, Serialize};

use super::{Workshop, train};
use crate::backdoor::bind;
use crate::plan::TrainTask;
use crate::records::DealtRecords;
use crate::store::Slot;

/// Which records were poisoned: a file beside the model.
const POISONED: &str = "poisoned.json";

#[derive(Debug, Serialize, Deserialize)]
struct PoisonedFile {
    poisoned: Vec<redmask_core::SampleId>,
    decoys: Vec<redmask_core::SampleId>,
    skipped: Vec<redmask_poison::Skipped>,
    usable: usize,
    all: usize,
}

pub(super) fn train(
    workshop: &Workshop<'_>,
    task: &TrainTask,
    poison: &PoisonConfig,
    network: SegmentationNetwork,
    records: DealtRecords,
    slot: &Slot,
    run: &TrainRun<'_>,
) -> Result<()> {
    let table = workshop.records.source().class_table();
    let attack = bind(poison, table, &task.seed)?;
    let members: Arc<dyn SegDataset> = Arc::new(records.members);
    if attack.attack().selection.each_epoch {
        let labels = |i: usize| Ok(members.sample(i)?.labels);
        let surveyed = survey(members.len(), labels, workshop.session)?;
        let loader = Loader(EpochPoison::new(attack, &surveyed)?);
        train_rewritten(
            &task.network,
            network,
            members.as_ref(),
            Some(&records.held_out),
            &task.training,
            &loader,
            run,
        )?;
        return Ok(());
    }
    let poisoned = PoisonedDataset::draw(members, attack, workshop.session)?;
    let draft = poisoned.draft();
    let ids = |chosen: &[usize]| chosen.iter().map(|&i| poisoned.id(i)).collect();
    slot.write_json(
        POISONED,
        &PoisonedFile {
            poisoned: ids(&draft.poisoned),
            decoys: ids(&draft.decoys),
            skipped: draft.skipped.clone(),
            usable: draft.usable,
            all: draft.all,
        },
    )?;
    train::train(task, network, &poisoned, &records.held_out, run)
}

/// The adversary in the data loader.
struct Loader(EpochPoison);

impl EpochRewrite for Loader {
    fn rewrite(&self, sample: &Sample, epoch: u32) -> Option<Sample> {
        self.0.rewrite(sample, epoch)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }
}
