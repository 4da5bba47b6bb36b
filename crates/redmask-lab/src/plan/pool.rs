//! What a pool of models adds to a plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use redmask_core::Seed;

use crate::plan::{ModelUse, OutcomeAt, Trained};
use crate::pool::PoolDeal;
use crate::recipe::ScoreConfig;

/// Writes who of a pool got which records.
#[derive(Debug, Clone)]
pub struct PoolSplitTask {
    /// The deal.
    pub deal: Arc<PoolDeal>,
}

/// Reduces records to signals under one model.
#[derive(Debug, Clone)]
pub struct SignalTask {
    /// The model.
    pub model: Trained,
    /// The audited records, then the population, as positions in the data set.
    pub records: Vec<usize>,
    /// Take each record's gradient too.
    pub gradients: bool,
}

/// Runs an attack across models on the signals of a pool.
#[derive(Debug, Clone)]
pub struct ScoreTask {
    /// The attack's id in results.
    pub id: String,
    /// The attack.
    pub config: ScoreConfig,
    /// Who saw what.
    pub deal: Arc<PoolDeal>,
    /// The records that are attacked, by position in the deal.
    pub audited: Vec<usize>,
    /// The signal stage of each model of the pool.
    pub signals: Vec<usize>,
    /// The signal stage of the model that saw no audited record.
    pub null: Option<usize>,
    /// The attacked models.
    pub targets: Vec<usize>,
    /// How many of a target's shadows take part.
    pub shadows: usize,
    /// The attack's own seed.
    pub seed: Seed,
}

impl ScoreTask {
    /// Positions in the data set of every record that the attack decodes.
    pub(super) fn records(&self) -> BTreeSet<usize> {
        if !self.config.reads_descriptors() {
            return BTreeSet::new();
        }
        let audited = self.audited.iter().map(|&r| self.deal.records[r]);
        audited
            .chain(self.deal.population.iter().copied())
            .collect()
    }
}

/// One attack on the targets of one pool with so many shadows, under every seed.
#[derive(Debug, Clone)]
pub struct PoolCell {
    /// The pool's position in the recipe.
    pub pool: usize,
    /// The attack's name in the recipe.
    pub attack: String,
    /// The attacked model.
    pub model: ModelUse,
    /// Shadows of each target.
    pub shadows: usize,
    /// The outcome of each target under each seed, by [`target_key`].
    pub outcomes: Vec<(u64, OutcomeAt)>,
}

/// One pool under one seed, for what is said of single records.
#[derive(Debug, Clone)]
pub struct PoolRun {
    /// The pool's position in the recipe.
    pub pool: usize,
    /// The root seed.
    pub seed: u64,
    /// Who saw what.
    pub deal: Arc<PoolDeal>,
    /// The attacked records, by position in the deal.
    pub audited: Vec<usize>,
    /// The attacked models.
    pub targets: Vec<usize>,
    /// The signal stage of each model.
    pub signals: Vec<usize>,
}

/// The number that stands for one target under one root seed in the `seeds` of a measurement: root seed times the models
/// of the pool, plus the model. With the root seed 0 it is the model's number.
pub fn target_key(seed: u64, models: usize, target: usize) -> u64 {
    seed.wrapping_mul(models as u64).wrapping_add(target as u64)
}

/// The id of an attack of the recipe in the results of a pool: two attacks of one kind are told apart by their names.
pub fn attack_id(name: &str) -> String {
    name.replace('-', "_")
}
