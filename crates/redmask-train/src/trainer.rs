//! The loop that every training shares: batches, steps, the epoch log, checkpoints, resume, cancellation.

use std::path::Path;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use redmask_core::{Error, Fingerprint, Result, Seed, Session};
use redmask_nn::ops::Precision;
use redmask_nn::pass::Pass;
use redmask_nn::weights::{StateDict, restore, state_dict};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint, Progress};
use crate::finished::another_training;
use crate::log::EpochLog;
use crate::loss::Loss;
use crate::optim::{Optimizer, Schedule};
use crate::sampler::Batch;

/// Where a training runs and how it reports; nothing in here changes its result.
#[derive(Debug, Clone, Copy)]
pub struct TrainRun<'a> {
    /// Root of every draw of this training.
    pub seed: Seed,
    /// Folder of its checkpoints, log and results. It must exist and belong to this training alone.
    pub folder: &'a Path,
    /// Progress and cancellation.
    pub session: &'a Session,
    /// Shortest time between two checkpoints. A cancelled training writes one in any case.
    pub checkpoint_every: Duration,
    /// Bytes of decoded records to keep in memory; the rest is decoded again in each epoch.
    pub memory_budget: u64,
}

impl<'a> TrainRun<'a> {
    /// A checkpoint a minute, up to 4 GiB of decoded records.
    pub fn new(seed: Seed, folder: &'a Path, session: &'a Session) -> Self {
        Self {
            seed,
            folder,
            session,
            checkpoint_every: Duration::from_mins(1),
            memory_budget: 4 << 30,
        }
    }
}

/// One line of the epoch log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord<R> {
    /// Epochs done, from 1.
    pub epoch: u32,
    /// Mean over the epoch's batches of the batch's mean loss, in training mode while the weights moved.
    pub train_loss: f64,
    /// Learning rate of the epoch's last step.
    pub rate: f64,
    /// What was measured after the epoch.
    #[serde(flatten)]
    pub report: R,
}

/// What is trained: the records and their loss.
pub(crate) trait Objective {
    type Network: Module;
    type Report: Serialize + DeserializeOwned + Clone;

    /// A short name for progress bars.
    fn label(&self) -> String;

    /// The records' names.
    fn ids(&self) -> &[String];

    /// Of the convolutions of a step.
    fn precision(&self) -> Precision {
        Precision::default()
    }

    /// The batches of an epoch, counted from 0, as positions of records: as many as the plan has steps.
    fn batches(&self, epoch: u32) -> Vec<Vec<usize>>;

    /// The loss of a batch, with one row per image or one for the batch.
    fn loss(&mut self, network: &Self::Network, pass: &Pass, batch: &Batch) -> Result<Loss>;

    /// The gradient to step along: that of the mean loss.
    fn gradients(
        &mut self,
        network: &Self::Network,
        pass: &Pass,
        batch: &Batch,
    ) -> Result<StepGradients> {
        let loss = self.loss(network, pass, batch)?;
        check_finite(&loss.values, batch, self.ids())?;
        let mean_loss = Some(loss.mean_value());
        Ok(StepGradients {
            gradients: GradientsParams::from_grads(loss.mean().backward(), network),
            mean_loss,
        })
    }

    /// Measures after an epoch. `epoch` counts from 1. May run again for the same epoch after a kill.
    fn end_epoch(&mut self, network: &Self::Network, epoch: u32) -> Result<Self::Report>;

    /// What a resumed training needs besides the network: further tensors, and anything else.
    fn memory(&self) -> (StateDict, serde_json::Value) {
        (StateDict::new(), serde_json::Value::Null)
    }

    /// Takes back what [`Objective::memory`] gave.
    fn recall(&mut self, _tensors: StateDict, _rest: serde_json::Value) -> Result<()> {
        Ok(())
    }

    /// Whether the training is over before its last epoch.
    fn stop(&self, _history: &[EpochRecord<Self::Report>]) -> bool {
        false
    }

    /// The network to keep, given that of the last epoch.
    fn finish(&mut self, network: Self::Network) -> Result<Self::Network> {
        Ok(network)
    }
}

/// What a step descends along.
pub(crate) struct StepGradients {
    pub(crate) gradients: GradientsParams,
    /// Mean loss of the batch, `None` if it is empty.
    pub(crate) mean_loss: Option<f64>,
}

/// The shape of a training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) epochs: u32,
    pub(crate) steps_per_epoch: usize,
    pub(crate) schedule: Schedule,
}

/// A finished training.
pub(crate) struct Trained<O: Objective> {
    pub(crate) network: O::Network,
    pub(crate) history: Vec<EpochRecord<O::Report>>,
    pub(crate) steps: u64,
    pub(crate) seconds: f64,
}

/// Trains `network`, or goes on from the checkpoint in the run's folder.
pub(crate) fn train<O: Objective>(
    objective: &mut O,
    network: O::Network,
    mut optimizer: Optimizer,
    plan: Plan,
    identity: Fingerprint,
    run: &TrainRun<'_>,
) -> Result<Trained<O>> {
    let per_epoch = plan.steps_per_epoch as u64;
    if per_epoch == 0 {
        return Err(Error::config(
            "batch_size",
            format!("{} records make no batch", objective.ids().len()),
        ));
    }
    let total = per_epoch * u64::from(plan.epochs);
    let mut state = Progress::start(identity);
    let mut network = network;
    if let Some(saved) = checkpoint::load(run.folder)? {
        check_same(&saved.progress, &state, run)?;
        state = saved.progress;
        network = restore(network, saved.parameters)?;
        optimizer.restore(saved.optimizer);
        objective.recall(saved.companions, state.extra.take())?;
    }
    let (mut log, mut history) =
        EpochLog::open::<EpochRecord<O::Report>>(&run.folder.join(LOG), state.log_bytes)?;

    let mut task = run
        .session
        .progress
        .start(&objective.label(), total, "step");
    task.advance(state.step);
    let mut clock = Clock::start(state.seconds, run.checkpoint_every);
    while state.epoch < plan.epochs && !objective.stop(&history) {
        let batches = objective.batches(state.epoch);
        while state.batch < per_epoch {
            if run.session.cancel.is_cancelled() {
                save(
                    objective, &network, &optimizer, &mut state, &clock, &log, run,
                )?;
                return Err(Error::Interrupted);
            }
            let batch = Batch {
                epoch: state.epoch,
                position: state.batch,
                step: state.step,
                indices: batches[state.batch as usize].clone(),
            };
            let pass = Pass::train(run.seed.child("pass").index(state.step))
                .with_precision(objective.precision());
            let mut step = objective.gradients(&network, &pass, &batch)?;
            let factor = plan.schedule.factor(state.step, total);
            network = optimizer.step(network, &mut step.gradients, factor);
            network = pass.commit(network);
            if let Some(loss) = step.mean_loss {
                state.loss_sum += loss;
                state.losses += 1;
            }
            state.step += 1;
            state.batch += 1;
            task.advance(1);
            task.message(&format!(
                "epoch {}/{}, loss {:.4}",
                state.epoch + 1,
                plan.epochs,
                state.mean_loss()
            ));
            if state.batch < per_epoch && clock.is_due() {
                save(
                    objective, &network, &optimizer, &mut state, &clock, &log, run,
                )?;
                clock.saved();
            }
        }
        let record = EpochRecord {
            epoch: state.epoch + 1,
            train_loss: state.mean_loss(),
            rate: optimizer.rate() * plan.schedule.factor(state.step - 1, total),
            report: objective.end_epoch(&network, state.epoch + 1)?,
        };
        log.append(&record)?;
        history.push(record);
        state.epoch += 1;
        state.batch = 0;
        state.loss_sum = 0.0;
        state.losses = 0;
        if clock.is_due() && state.epoch < plan.epochs {
            save(
                objective, &network, &optimizer, &mut state, &clock, &log, run,
            )?;
            clock.saved();
        }
    }
    Ok(Trained {
        network: objective.finish(network)?,
        history,
        steps: state.step,
        seconds: clock.seconds(),
    })
}

pub(crate) const LOG: &str = "epochs.jsonl";

fn save<O: Objective>(
    objective: &O,
    network: &O::Network,
    optimizer: &Optimizer,
    state: &mut Progress,
    clock: &Clock,
    log: &EpochLog,
    run: &TrainRun<'_>,
) -> Result<()> {
    state.seconds = clock.seconds();
    state.log_bytes = log.bytes();
    let mut progress = state.clone();
    let companions;
    (companions, progress.extra) = objective.memory();
    checkpoint::save(
        run.folder,
        Checkpoint {
            progress,
            parameters: state_dict(network),
            optimizer: optimizer.state(),
            companions,
        },
    )
}

fn check_same(saved: &Progress, fresh: &Progress, run: &TrainRun<'_>) -> Result<()> {
    if saved.identity != fresh.identity {
        return Err(another_training(run.folder));
    }
    if saved.threads != fresh.threads || saved.version != fresh.version {
        run.session.progress.line(&format!(
            "resuming with {} threads (version {}) what began with {} threads (version {}): \
             the result may differ from an unbroken run in the last bits",
            fresh.threads, fresh.version, saved.threads, saved.version
        ));
    }
    Ok(())
}

/// Names the records to look at: those whose own loss went wrong, or the whole batch where rows are not records.
pub(crate) fn check_finite(rows: &[f64], batch: &Batch, ids: &[String]) -> Result<()> {
    let Some(bad) = rows.iter().find(|v| !v.is_finite()) else {
        return Ok(());
    };
    let by_record = rows.len() == batch.indices.len();
    let names: Vec<&str> = batch
        .indices
        .iter()
        .enumerate()
        .filter(|(row, _)| !by_record || !rows[*row].is_finite())
        .map(|(_, &i)| ids[i].as_str())
        .collect();
    Err(Error::numeric(
        "training loss",
        format!(
            "became {bad} in epoch {}, batch {}; records: {}",
            batch.epoch + 1,
            batch.position + 1,
            names.join(", ")
        ),
    ))
}

/// Time spent, over all runs, and when the next checkpoint is due.
struct Clock {
    before: f64,
    started: Instant,
    last_save: Instant,
    every: Duration,
}

impl Clock {
    fn start(before: f64, every: Duration) -> Self {
        let now = Instant::now();
        Self {
            before,
            started: now,
            last_save: now,
            every,
        }
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn is_due(&self) -> bool {
        self.last_save.elapsed() >= self.every
    }

    fn saved(&mut self) {
        self.last_save = Instant::now();
    }
}

/// The values of a float tensor, contiguous.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .detach()
        .into_data()
        .try_into_vec()
        .expect("training runs in f32")
}
