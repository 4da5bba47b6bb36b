//! What the stages of a plan do.

use std::collections::BTreeSet;

use redmask_attacks::controls::BlindConfig;
use redmask_core::Seed;
use redmask_nn::network::NetworkConfig;
use redmask_poison::PoisonConfig;
use redmask_train::TrainConfig;
use redmask_train::defence::TrainingDefence;

use crate::backdoor::Sweeps;
use crate::deal::{Dealt, Side};
use crate::plan::{PoolSplitTask, ScoreTask, SignalTask, Work};
use crate::recipe::AttackConfig;
use crate::replicas::Replicas;
use crate::store::StageKey;
use crate::weights::InitialWeights;

/// A stage: pure work on the outputs of earlier stages, named by a key.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Where its output lives.
    pub key: StageKey,
    /// For people: `train resnet34, victim, seed 0`.
    pub label: String,
    /// What is done.
    pub task: Task,
    /// The stages it reads, by position in the plan; all come before it.
    pub inputs: Vec<usize>,
    /// How much there is to do.
    pub work: Work,
}

/// What a stage does.
#[derive(Debug, Clone)]
pub enum Task {
    /// Writes who got which records.
    Split(SplitTask),
    /// Writes who of a pool got which records.
    PoolSplit(PoolSplitTask),
    /// Trains a segmentation network.
    Train(Box<TrainTask>),
    /// Measures a network on its members and its held-out records.
    Predict(PredictTask),
    /// Reduces records to signals under a network.
    Signal(SignalTask),
    /// Scores the records of a pool's targets by their signals.
    Score(ScoreTask),
    /// Fits an attack on shadows and scores the records of its targets.
    Attack(AttackTask),
    /// Measures a backdoor.
    Backdoor(Box<BackdoorTask>),
    /// Tells members from non-members without a model.
    Blind(BlindTask),
    /// Makes results of outcomes.
    Tabulate,
}

/// See [`Task::Split`].
#[derive(Debug, Clone)]
pub struct SplitTask {
    /// Each side with its largest training set.
    pub sides: Vec<(Side, Dealt)>,
}

/// See [`Task::Train`].
#[derive(Debug, Clone)]
pub struct TrainTask {
    /// The recipe's name of the network.
    pub network_name: String,
    /// The network, with the data's classes and channels.
    pub network: NetworkConfig,
    /// The training, with the epochs to keep.
    pub training: TrainConfig,
    /// Where its encoder starts from, if not from random weights.
    pub initial: Option<InitialWeights>,
    /// How its training records are altered.
    pub poison: Option<PoisonConfig>,
    /// Whose model it is.
    pub side: Side,
    /// Its records.
    pub dealt: Dealt,
    /// Mislabelled copies behind its training records.
    pub replicas: Option<Replicas>,
    /// The defence that the training itself has; network and training already have what it changes of them.
    pub defence: Option<TrainingDefence>,
    /// Records of the side that are neither trained on nor held out, where the defence uses them.
    pub reference: Vec<usize>,
    /// The undefended model that the defence learns from.
    pub teacher: Option<Trained>,
    /// The root seed of the repetition.
    pub root: u64,
    /// The training's own seed.
    pub seed: Seed,
}

/// A trained network after some epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trained {
    /// The training stage, by position in the plan.
    pub stage: usize,
    /// The epoch, from 1.
    pub epoch: u32,
    /// What stands in front of it when it answers, by position in [`Plan::fronts`](super::Plan::fronts).
    pub front: Option<usize>,
}

/// See [`Task::Predict`].
#[derive(Debug, Clone)]
pub struct PredictTask {
    /// The network.
    pub model: Trained,
    /// Its records.
    pub dealt: Dealt,
}

/// See [`Task::Attack`].
#[derive(Debug, Clone)]
pub struct AttackTask {
    /// The attack's name in the recipe.
    pub attack: String,
    /// The attack.
    pub config: AttackConfig,
    /// The adversary's models and the records they are calibrated on.
    pub shadows: Vec<(Trained, Dealt)>,
    /// The attacked models and the audited records, in order.
    pub targets: Vec<AttackTarget>,
    /// Whether shadows and victims are one architecture.
    pub same_architecture: bool,
    /// The attack's own seed.
    pub seed: Seed,
}

/// One attacked model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttackTarget {
    /// The model.
    pub model: Trained,
    /// The audited records.
    pub dealt: Dealt,
    /// Whether it is the control that saw neither set.
    pub null_victim: bool,
}

/// See [`Task::Backdoor`].
#[derive(Debug, Clone)]
pub struct BackdoorTask {
    /// The poisoned network.
    pub model: Trained,
    /// The same network trained without poison.
    pub clean: Trained,
    /// How the first was poisoned.
    pub poison: PoisonConfig,
    /// What to measure besides the trained trigger.
    pub sweeps: Sweeps,
    /// Its records; the held-out ones are measured on.
    pub dealt: Dealt,
    /// The seed that the poisoning was drawn from.
    pub seed: Seed,
}

/// See [`Task::Blind`].
#[derive(Debug, Clone)]
pub struct BlindTask {
    /// The classifier and its cross-validation.
    pub config: BlindConfig,
    /// The audited records.
    pub dealt: Dealt,
    /// The control's own seed.
    pub seed: Seed,
}

impl Task {
    /// Positions in the data set of every record that the stage decodes.
    pub fn records(&self) -> BTreeSet<usize> {
        let dealt: Vec<&Dealt> = match self {
            Self::Split(_) | Self::PoolSplit(_) | Self::Tabulate => Vec::new(),
            Self::Signal(task) => return task.records.iter().copied().collect(),
            Self::Score(task) => return task.records(),
            Self::Train(task) => vec![&task.dealt],
            Self::Predict(task) => vec![&task.dealt],
            Self::Attack(task) => task
                .shadows
                .iter()
                .map(|(_, dealt)| dealt)
                .chain(task.targets.iter().map(|t| &t.dealt))
                .collect(),
            Self::Backdoor(task) => vec![&task.dealt],
            Self::Blind(task) => vec![&task.dealt],
        };
        let reference: &[usize] = match self {
            Self::Train(task) => &task.reference,
            _ => &[],
        };
        dealt
            .into_iter()
            .flat_map(|d| d.members.iter().chain(&d.held_out))
            .chain(reference)
            .copied()
            .collect()
    }
}
