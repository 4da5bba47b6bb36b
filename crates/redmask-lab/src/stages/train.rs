//! Trains a segmentation network, from its last checkpoint if an earlier sitting left one.

use std::time::Duration;

use burn::tensor::Device;
use redmask_core::{Error, Result, SegDataset, Subset};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::weights::{Checkpoint, load_encoder};
use redmask_train::defence::{DefendedSets, train_defended};
use redmask_train::{EpochRecord, SegmentationReport, TrainRun, train_segmentation};
use serde_json::{Value, json};

use super::{Workshop, poison};
use crate::plan::{Task, TrainTask, Trained};
use crate::replicas::WithReplicas;
use crate::store::{Slot, Stored};

/// The trainer's log: one line for each epoch.
const LOG: &str = "epochs.jsonl";

pub(super) fn run(workshop: &Workshop<'_>, task: &TrainTask, slot: &Slot) -> Result<Value> {
    let records = workshop.records.originals(&task.dealt)?;
    let device = Device::flex().autodiff();
    let mut network = task.network.init(task.seed.child("init"), &device)?;
    if let Some(weights) = &task.initial {
        network = load_encoder(network, &Checkpoint::open(&weights.file)?)?.0;
    }
    let run = TrainRun {
        checkpoint_every: checkpoint_every(),
        ..TrainRun::new(task.seed, slot.dir(), workshop.session)
    };
    match (&task.poison, &task.defence) {
        (Some(poison), _) => poison::train(workshop, task, poison, network, records, slot, &run)?,
        (None, None) => {
            let members = with_replicas(workshop, task, records.members);
            train(task, network, members.as_ref(), &records.held_out, &run)?;
        }
        (None, Some(defence)) => {
            let reference = workshop.records.original(&task.reference)?;
            let teacher = match task.teacher {
                Some(teacher) => Some(super::model::load_network(workshop, teacher)?),
                None => None,
            };
            let sets = DefendedSets {
                train: &records.members,
                validation: Some(&records.held_out),
                reference: (!task.reference.is_empty()).then_some(&reference as &dyn SegDataset),
            };
            train_defended(
                &task.network,
                network,
                sets,
                &task.training,
                defence,
                teacher.as_ref(),
                &run,
            )?;
        }
    }
    Ok(json!({
        "network": task.network,
        "training": task.training,
        "side": task.side,
        "records": task.dealt.members.len(),
        "initial": task.initial.as_ref().map(|w| w.hash),
        "replicas": task.replicas,
        "defence": task.defence,
        "poison": task.poison,
    }))
}

/// The training records, with the mislabelled copies behind them that the task asks for.
fn with_replicas(
    workshop: &Workshop<'_>,
    task: &TrainTask,
    members: Subset,
) -> Box<dyn SegDataset> {
    match &task.replicas {
        Some(replicas) => Box::new(WithReplicas::new(
            members,
            workshop.records.source_arc(),
            replicas.records.clone(),
            &replicas.config,
        )),
        None => Box::new(members),
    }
}

/// Trains on records as they are.
pub(super) fn train(
    task: &TrainTask,
    network: SegmentationNetwork,
    members: &dyn SegDataset,
    held_out: &dyn SegDataset,
    run: &TrainRun<'_>,
) -> Result<()> {
    train_segmentation(
        &task.network,
        network,
        members,
        Some(held_out),
        &task.training,
        run,
    )?;
    Ok(())
}

/// A minute; `REDMASK_CHECKPOINT_SECONDS` says otherwise. How often changes nothing but what a kill costs.
fn checkpoint_every() -> Duration {
    let asked = std::env::var("REDMASK_CHECKPOINT_SECONDS").ok();
    let seconds = asked.and_then(|text| text.parse().ok()).unwrap_or(60.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_mins(1))
}

/// Every epoch of a finished training.
///
/// # Errors
/// If the stage has no log, or it is damaged.
pub(crate) fn read_log(stored: &Stored) -> Result<Vec<EpochRecord<SegmentationReport>>> {
    let bytes = stored.read(LOG)?;
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|e| Error::input(stored.dir().join(LOG), format!("not an epoch log: {e}")))
        })
        .collect()
}

/// The mean training loss over the mini-batches of a model's last epoch: what the published global-loss threshold is.
pub(super) fn last_epoch_loss(workshop: &Workshop<'_>, model: Trained) -> Result<f64> {
    let log = read_log(&workshop.input(model.stage)?)?;
    let last = match &workshop.plan.stages[model.stage].task {
        // A training may have stopped before its last epoch.
        Task::Train(task) if task.training.epochs == model.epoch => log.last(),
        _ => log.iter().find(|epoch| epoch.epoch == model.epoch),
    };
    last.map(|epoch| epoch.train_loss)
        .ok_or_else(|| Error::Internal(format!("epoch {} is not in the log", model.epoch)))
}
