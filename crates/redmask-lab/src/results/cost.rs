//! What a training costs, counted: floating-point operations, which no clock and no neighbour changes.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use redmask_core::{Error, Result, Seed};
use redmask_nn::classifier::ClassifierConfig;
use redmask_nn::network::NetworkConfig;
use redmask_nn::pass::Pass;
use redmask_report::schema::Unit;
use redmask_train::defence::{Lesson, TrainingDefence};

use crate::plan::{QualityCell, Task, TrainTask};
use crate::results::outcomes::Outcomes;
use crate::results::seeds::combine_plain;
use crate::results::utility::conditions_of_quality;
use crate::results::{Findings, Setting};
use crate::stages::read_log;

/// A backward pass takes about two forward passes: one for the inputs' gradients, one for the weights'.
const STEP: f64 = 3.0;
/// What the student learned from, as its training left it.
const LESSON: &str = "lesson.json";

/// Counts forward passes, each architecture and size once.
#[derive(Debug, Default)]
pub(super) struct Counter {
    counted: BTreeMap<String, f64>,
}

impl Counter {
    /// Operations of a forward pass over one image.
    fn forward(&mut self, network: &NetworkConfig, size: [usize; 2]) -> Result<f64> {
        let name = format!("{network:?} {size:?}");
        if let Some(&flops) = self.counted.get(&name) {
            return Ok(flops);
        }
        let built = network.init(Seed::root(0), &Device::flex())?;
        let shape = [1, network.in_channels(), size[0], size[1]];
        let pass = Pass::eval();
        let _ = built.forward(Tensor::zeros(shape, &Device::flex()), &pass);
        let flops = pass.flops() as f64;
        self.counted.insert(name, flops);
        Ok(flops)
    }
}

/// Operations of a forward pass of an attack classifier.
fn classifier(config: &ClassifierConfig, channels: usize, size: [usize; 2]) -> Result<f64> {
    let built = config.init(channels, Seed::root(0), &Device::flex())?;
    let pass = Pass::eval();
    let shape = [1, channels, size[0], size[1]];
    let _ = built.forward(Tensor::zeros(shape, &Device::flex()), &pass);
    Ok(pass.flops() as f64)
}

/// Operations of a training stage, its defence's own models included.
fn training(
    counter: &mut Counter,
    outcomes: &Outcomes<'_>,
    stage: usize,
    size: [usize; 2],
) -> Result<f64> {
    let Task::Train(task) = &outcomes.plan.stages[stage].task else {
        return Err(Error::Internal("a model that was not trained".into()));
    };
    let epochs = read_log(&outcomes.stage(stage)?)?.len() as f64;
    let forward = counter.forward(&task.network, size)?;
    let copies = task
        .replicas
        .as_ref()
        .map_or(0, |r| r.records.len() * r.config.copies);
    let members = (task.dealt.members.len() + copies) as f64;
    let plain = STEP * forward * members * epochs;
    Ok(match &task.defence {
        Some(TrainingDefence::Crop(crop)) => {
            STEP * counter.forward(&task.network, crop.size)? * members * epochs
        }
        Some(TrainingDefence::MinMax(config)) => {
            let channels = 2 * task.network.outputs();
            let adversary = classifier(&config.architecture, channels, size)?;
            let shown = 2.0 * members.min(non_members(task, config.paper_compat) as f64);
            // Its own epoch asks the network; the penalty goes through it forward, and back to its input.
            plain
                + epochs * shown * (forward + STEP * adversary)
                + epochs * members * (STEP - 1.0) * adversary
        }
        Some(TrainingDefence::EarlyStopping(_)) => {
            let watched = if task.reference.is_empty() {
                task.dealt.held_out.len()
            } else {
                task.reference.len()
            };
            plain + epochs * forward * watched as f64
        }
        Some(TrainingDefence::Distillation(_)) => {
            let lesson: Lesson = outcomes.stage(stage)?.read_json(LESSON)?;
            let teacher = match task.teacher {
                Some(teacher) => training(counter, outcomes, teacher.stage, size)?,
                None => 0.0,
            };
            let asked = task.reference.len() + task.dealt.held_out.len();
            teacher + forward * asked as f64 + STEP * forward * lesson.kept.len() as f64 * epochs
        }
        // Each record joins a step with the probability that makes an epoch of all of them, in the mean.
        Some(TrainingDefence::DpSgd(config)) => plain * f64::from(config.privacy.augmentations),
        None
        | Some(
            TrainingDefence::MixUp(_)
            | TrainingDefence::Dropout(_)
            | TrainingDefence::WeightDecay(_)
            | TrainingDefence::LabelSmoothing(_),
        ) => plain,
    })
}

fn non_members(task: &TrainTask, paper_compat: bool) -> usize {
    if paper_compat {
        task.dealt.held_out.len()
    } else {
        task.reference.len()
    }
}

/// Measures what the training of each victim costs, and how that compares with the undefended training.
pub(super) fn measure(
    setting: &Setting<'_>,
    outcomes: &Outcomes<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let plan = outcomes.plan;
    let mut counter = Counter::default();
    let mut of_cells: Vec<Vec<(u64, f64)>> = Vec::with_capacity(plan.qualities.len());
    for cell in &plan.qualities {
        let flops = cell
            .seeds
            .iter()
            .zip(&cell.trainings)
            .map(|(&seed, &stage)| {
                Ok((seed, training(&mut counter, outcomes, stage, setting.size)?))
            })
            .collect::<Result<Vec<_>>>()?;
        findings.measurements.push(
            combine_plain("training.flops", Unit::Flops, &flops)
                .conditions(&conditions_of_quality(setting, cell)),
        );
        of_cells.push(flops);
    }
    for (cell, flops) in plan.qualities.iter().zip(&of_cells) {
        let Some(base) = undefended(&plan.qualities, cell) else {
            continue;
        };
        let ratios: Vec<(u64, f64)> = flops
            .iter()
            .zip(&of_cells[base])
            .map(|((seed, own), (_, plain))| (*seed, own / plain))
            .collect();
        findings.measurements.push(
            combine_plain("training.cost", Unit::Ratio, &ratios)
                .conditions(&conditions_of_quality(setting, cell)),
        );
    }
    Ok(())
}

/// The undefended victim of the same network and records, by position.
pub(super) fn undefended(cells: &[QualityCell], of: &QualityCell) -> Option<usize> {
    cells.iter().position(|c| {
        c.victim.defence.is_none()
            && c.victim.model.network == of.victim.model.network
            && c.victim.train_records == of.victim.train_records
            && c.victim.reference.epoch.is_none()
            && c.pool == of.pool
    })
}
