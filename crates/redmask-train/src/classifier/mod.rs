//! Training of binary classifiers: the attack networks of membership inference.

mod config;
mod holdout;
mod inputs;
mod objective;

use redmask_core::{Error, Result};
use redmask_nn::classifier::Classifier;
use redmask_nn::weights::{Checkpoint, load, restore, save};

pub use config::ClassifierTrainConfig;
pub use inputs::{ClassifierInputs, MemoryInputs};
pub use objective::{ClassifierReport, HeldOut};

use self::holdout::hold_out;
use self::objective::ClassifierObjective;
use crate::finished::Summary;
use crate::identity::{Identity, trainable_device};
use crate::optim::Optimizer;
use crate::sampler::batches_per_epoch;
use crate::trainer::{EpochRecord, Plan, TrainRun, train};

const LAST: &str = "last.safetensors";
const BEST: &str = "best.safetensors";

/// A trained classifier and how it came about.
#[derive(Debug)]
pub struct ClassifierOutcome {
    /// The network after its last epoch.
    pub last: Classifier,
    /// The network after [`ClassifierOutcome::best_epoch`]; the last one if nothing was held out.
    pub best: Classifier,
    /// The epoch, from 1, whose network ranked the held-out records best; the earliest of equals.
    pub best_epoch: u32,
    /// One entry per epoch, with the scores of every evaluation set.
    pub history: Vec<EpochRecord<ClassifierReport>>,
    /// Positions of the held-out records among the inputs.
    pub held_out: Vec<usize>,
    /// Steps taken.
    pub steps: u64,
    /// Wall time over all runs, for provenance.
    pub seconds: f64,
}

impl ClassifierOutcome {
    /// The scores of evaluation set `set` after epoch `epoch`, counted from 1.
    ///
    /// # Panics
    /// If there is no such epoch or set.
    pub fn scores(&self, epoch: u32, set: usize) -> &[f32] {
        &self.history[epoch as usize - 1].report.scores[set]
    }
}

/// Trains `network`, on a device with autodiff, to tell the targets of `inputs` apart.
///
/// After each epoch it scores the held-out part of `inputs` and every record of every set in `evaluation`; targets of
/// evaluation sets are never looked at. Resumes and reads back like
/// [`train_segmentation`](crate::train_segmentation).
///
/// # Errors
/// If the configuration is invalid, shapes differ between sets, the training part lacks one of the targets, an input
/// cannot be made, a loss or score is not finite, a file cannot be written, or the session is cancelled.
pub fn train_classifier(
    network: Classifier,
    inputs: &dyn ClassifierInputs,
    evaluation: &[&dyn ClassifierInputs],
    config: &ClassifierTrainConfig,
    run: &TrainRun<'_>,
) -> Result<ClassifierOutcome> {
    config.validate()?;
    if let Some(set) = evaluation.iter().find(|s| s.shape() != inputs.shape()) {
        return Err(Error::Internal(format!(
            "an evaluation set of shape {:?} for inputs of shape {:?}",
            set.shape(),
            inputs.shape()
        )));
    }
    let mut identity = Identity::new(config, run.seed)?
        .initial(&network)
        .data("inputs", inputs.fingerprint());
    for set in evaluation {
        identity = identity.data("evaluation", set.fingerprint());
    }
    let identity = identity.finish();
    let device = trainable_device(&network)?;
    let split = hold_out(inputs, config.held_out, run.seed);
    for wanted in [false, true] {
        if !split.train.iter().any(|&i| inputs.target(i) == wanted) {
            return Err(Error::unsupported(
                "training this classifier",
                format!("no training record has the target {wanted}"),
            ));
        }
    }

    if let Some(summary) = Summary::<ClassifierReport>::read(run.folder, identity)? {
        let read = |file: &str| -> Result<Classifier> {
            Ok(load(network.clone(), &Checkpoint::open(&run.folder.join(file))?)?.0)
        };
        return Ok(ClassifierOutcome {
            last: read(LAST)?,
            best: read(BEST)?,
            best_epoch: best_epoch(&summary.history),
            history: summary.history,
            held_out: split.held_out,
            steps: summary.steps,
            seconds: summary.seconds,
        });
    }
    let mut objective = ClassifierObjective {
        config,
        run,
        inputs,
        evaluation,
        split: &split,
        ids: split
            .train
            .iter()
            .map(|&i| inputs.id(i).to_owned())
            .collect(),
        device: device.inner(),
        best: None,
    };
    let plan = Plan {
        epochs: config.epochs,
        steps_per_epoch: batches_per_epoch(split.train.len(), config.batch_size, false),
        schedule: config.schedule,
    };
    let optimizer = Optimizer::new(config.optimizer, Vec::new());
    let trained = train(&mut objective, network, optimizer, plan, identity, run)?;
    let last = trained.network;
    let best = match objective.best.take() {
        Some(best) => restore(last.clone(), best.weights)?,
        None => last.clone(),
    };
    save(&last, &run.folder.join(LAST))?;
    save(&best, &run.folder.join(BEST))?;
    let summary = Summary {
        identity,
        steps: trained.steps,
        seconds: trained.seconds,
        history: trained.history,
    };
    summary.write(run.folder)?;
    Ok(ClassifierOutcome {
        last,
        best,
        best_epoch: best_epoch(&summary.history),
        history: summary.history,
        held_out: split.held_out,
        steps: summary.steps,
        seconds: summary.seconds,
    })
}

/// The earliest epoch that no other one beats on the held-out records; the last one without such records.
fn best_epoch(history: &[EpochRecord<ClassifierReport>]) -> u32 {
    let mut best: Option<(u32, &HeldOut)> = None;
    for record in history {
        if let Some(held_out) = &record.report.held_out
            && best.is_none_or(|(_, b)| held_out.beats(b))
        {
            best = Some((record.epoch, held_out));
        }
    }
    best.map_or(history.len() as u32, |(epoch, _)| epoch)
}
