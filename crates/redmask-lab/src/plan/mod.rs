//! From a recipe to the graph of stages that it takes.

mod build;
mod estimate;
mod pool;
mod stage;

use redmask_poison::PoisonConfig;

use crate::deal::Dealt;
use redmask_core::Seed;
use redmask_defences::output::OutputDefence;

use crate::recipe::{DefenceConfig, ModelConfig, ModelRef};

pub use build::plan;
pub use estimate::{Estimate, Estimator, StageState, Work};
pub use pool::{PoolCell, PoolRun, PoolSplitTask, ScoreTask, SignalTask, attack_id, target_key};
pub use stage::{
    AttackTarget, AttackTask, BackdoorTask, BlindTask, PredictTask, SplitTask, Stage, Task,
    TrainTask, Trained,
};

/// Stages in an order in which they can run, and what the outcomes mean.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Every stage; inputs come before what reads them.
    pub stages: Vec<Stage>,
    /// The audits, seed by seed.
    pub cells: Vec<Cell>,
    /// The victims' quality.
    pub qualities: Vec<QualityCell>,
    /// The blind controls.
    pub blinds: Vec<BlindCell>,
    /// The attacks on pools.
    pub pool_cells: Vec<PoolCell>,
    /// The pools, seed by seed.
    pub pool_runs: Vec<PoolRun>,
    /// What stands in front of models when they answer; [`Trained::front`] points here.
    pub fronts: Vec<Front>,
    /// The backdoors.
    pub backdoors: Vec<BackdoorCell>,
    /// The root seeds, in order.
    pub seeds: Vec<u64>,
}

/// An output defence in front of a model, with the secret of its draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Front {
    /// The defence.
    pub defence: OutputDefence,
    /// What its noise follows from.
    pub seed: Seed,
}

/// A defence under its name in the recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedDefence {
    /// The name.
    pub name: String,
    /// The defence.
    pub config: DefenceConfig,
}

/// One attack on one victim with one shadow, under every seed.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The attack's name in the recipe.
    pub attack: String,
    /// The victim.
    pub victim: ModelUse,
    /// The shadow.
    pub shadow: ModelUse,
    /// The outcome of each seed, in the order of the seeds.
    pub outcomes: Vec<OutcomeAt>,
}

/// Where the outcome of a cell under one seed is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeAt {
    /// The attack stage.
    pub stage: usize,
    /// The target's position in the stage.
    pub target: usize,
    /// The null victim's position in the stage, where it is measured.
    pub null: Option<usize>,
}

/// A model as an audit uses it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelUse {
    /// As the recipe refers to it.
    pub reference: ModelRef,
    /// What that means.
    pub model: ModelConfig,
    /// Training records.
    pub train_records: usize,
    /// The epoch after which it is used.
    pub epoch: u32,
    /// Its defence.
    pub defence: Option<NamedDefence>,
}

/// The quality of one victim under every seed.
#[derive(Debug, Clone)]
pub struct QualityCell {
    /// The victim.
    pub victim: ModelUse,
    /// The pool whose targets they are, by position in the recipe.
    pub pool: Option<usize>,
    /// The seeds; of a pool, see [`target_key`].
    pub seeds: Vec<u64>,
    /// The predict stage of each seed.
    pub stages: Vec<usize>,
    /// The training stage of each seed.
    pub trainings: Vec<usize>,
    /// The model of each seed.
    pub models: Vec<Trained>,
}

/// A backdoor in one poisoned model under every seed.
#[derive(Debug, Clone)]
pub struct BackdoorCell {
    /// The poisoned model.
    pub victim: ModelUse,
    /// How it was poisoned.
    pub poison: PoisonConfig,
    /// The backdoor stage of each seed.
    pub stages: Vec<usize>,
}

/// The blind control on one audited set under every seed.
#[derive(Debug, Clone)]
pub struct BlindCell {
    /// Training records of the victims it concerns.
    pub train_records: usize,
    /// The pool whose targets they are, by position in the recipe.
    pub pool: Option<usize>,
    /// The seeds; of a pool, see [`target_key`].
    pub seeds: Vec<u64>,
    /// The control stage of each seed.
    pub stages: Vec<usize>,
}

impl Plan {
    /// The stage that holds the results.
    pub fn last(&self) -> Option<&Stage> {
        self.stages.last()
    }

    /// Every record that takes part, in the data set's order.
    pub fn records(&self) -> Vec<usize> {
        let all: std::collections::BTreeSet<usize> =
            self.stages.iter().flat_map(|s| s.task.records()).collect();
        all.into_iter().collect()
    }
}

/// The first `n` members and held-out records: what attacks are measured on.
pub(crate) fn audited(dealt: &Dealt, n: usize) -> Dealt {
    let first = |records: &[usize]| records[..n.min(records.len())].to_vec();
    Dealt {
        members: first(&dealt.members),
        held_out: first(&dealt.held_out),
    }
}
