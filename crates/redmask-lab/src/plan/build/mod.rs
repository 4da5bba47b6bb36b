//! Expanding a recipe.

mod attack;
mod backdoor;
mod blind;
mod defended;
mod pool;
mod quality;
mod split;
mod tabulate;
mod train;

use std::collections::{BTreeMap, BTreeSet};

use redmask_core::{Fingerprint, Result, Seed, SegDataset, Subset};

use crate::bind::BoundData;
use crate::deal::{Deal, Dealt, Side};
use crate::plan::{
    BackdoorCell, BlindCell, Cell, Front, ModelUse, NamedDefence, Plan, PoolCell, PoolRun,
    QualityCell, Stage,
};
use crate::recipe::{ModelRef, Recipe};
use crate::store::StageKey;
use crate::weights::InitialWeights;

/// Expands a recipe on its data under some root seeds.
///
/// # Errors
/// If the data set is too small for the recipe.
pub fn plan(
    recipe: &Recipe,
    data: &BoundData,
    weights: &BTreeMap<String, InitialWeights>,
    seeds: &[u64],
) -> Result<Plan> {
    let mut builder = Builder {
        recipe,
        data,
        weights,
        largest_train: recipe.largest_train()?,
        kept_epochs: recipe
            .models_in_use()?
            .into_iter()
            .map(|(model, epochs)| (format!("{model:?}"), epochs))
            .collect(),
        stages: Vec::new(),
        by_key: BTreeMap::new(),
        cells: Vec::new(),
        qualities: Vec::new(),
        blinds: Vec::new(),
        pool_cells: Vec::new(),
        pool_runs: Vec::new(),
        fronts: Vec::new(),
        backdoors: Vec::new(),
    };
    for &seed in seeds {
        if !recipe.audit.is_empty() || !recipe.backdoor.is_empty() {
            builder.repeat(seed)?;
        }
        builder.pools(seed)?;
    }
    builder.tabulate(seeds)?;
    Ok(Plan {
        stages: builder.stages,
        cells: builder.cells,
        qualities: builder.qualities,
        blinds: builder.blinds,
        pool_cells: builder.pool_cells,
        pool_runs: builder.pool_runs,
        fronts: builder.fronts,
        backdoors: builder.backdoors,
        seeds: seeds.to_vec(),
    })
}

struct Builder<'a> {
    recipe: &'a Recipe,
    data: &'a BoundData,
    weights: &'a BTreeMap<String, InitialWeights>,
    largest_train: usize,
    kept_epochs: BTreeMap<String, BTreeSet<u32>>,
    stages: Vec<Stage>,
    by_key: BTreeMap<StageKey, usize>,
    cells: Vec<Cell>,
    qualities: Vec<QualityCell>,
    blinds: Vec<BlindCell>,
    pool_cells: Vec<PoolCell>,
    pool_runs: Vec<PoolRun>,
    fronts: Vec<Front>,
    backdoors: Vec<BackdoorCell>,
}

/// One repetition under one root seed.
struct Repetition {
    seed: u64,
    root: Seed,
    deal: Deal,
}

impl Builder<'_> {
    /// Adds a stage, or finds the equal one that is there.
    fn intern(&mut self, stage: Stage) -> usize {
        if let Some(&at) = self.by_key.get(&stage.key) {
            return at;
        }
        let at = self.stages.len();
        self.by_key.insert(stage.key, at);
        self.stages.push(stage);
        at
    }

    fn repeat(&mut self, seed: u64) -> Result<()> {
        let root = Seed::root(seed);
        let deal = Deal::new(
            self.data.dataset.as_ref(),
            &self.recipe.split,
            self.largest_train,
            &root,
        )?;
        let repetition = Repetition { seed, root, deal };
        self.split(&repetition)?;
        for audit in &self.recipe.audit {
            let pairs = audit.pairs();
            let mut shadows: Vec<&ModelRef> = Vec::new();
            for (_, shadow) in &pairs {
                if !shadows.contains(shadow) {
                    shadows.push(shadow);
                }
            }
            for shadow in shadows {
                let victims: Vec<&ModelRef> = pairs
                    .iter()
                    .filter(|(_, s)| *s == shadow)
                    .map(|(v, _)| *v)
                    .collect();
                for attack in &audit.attacks {
                    self.attack(&repetition, attack, &victims, shadow)?;
                }
            }
        }
        self.order_cells();
        let victims = self.victims()?;
        for victim in &victims {
            self.quality(&repetition, victim)?;
        }
        let sizes: BTreeSet<usize> = victims.iter().map(|v| v.train_records).collect();
        for size in sizes {
            self.blind(&repetition, size)?;
        }
        self.backdoors(&repetition)
    }

    /// Cells in the order in which the recipe names pairs, whatever the order of computation.
    fn order_cells(&mut self) {
        let mut wanted: Vec<(String, String, String)> = Vec::new();
        for audit in &self.recipe.audit {
            for (victim, shadow) in audit.pairs() {
                for attack in &audit.attacks {
                    wanted.push((victim.to_string(), shadow.to_string(), attack.clone()));
                }
            }
        }
        self.cells.sort_by_key(|cell| {
            let key = (
                cell.victim.reference.to_string(),
                cell.shadow.reference.to_string(),
                cell.attack.clone(),
            );
            wanted.iter().position(|w| *w == key)
        });
    }

    /// Every victim, in order of first mention.
    fn victims(&self) -> Result<Vec<ModelUse>> {
        let mut victims: Vec<ModelUse> = Vec::new();
        for audit in &self.recipe.audit {
            for reference in &audit.victims {
                let victim = self.model_use(reference)?;
                if victims.iter().all(|v| v.reference != *reference) {
                    victims.push(victim);
                }
            }
        }
        Ok(victims)
    }

    fn model_use(&self, reference: &ModelRef) -> Result<ModelUse> {
        let model = self.recipe.model(&reference.model)?;
        Ok(ModelUse {
            reference: reference.clone(),
            train_records: self.recipe.train_records(&model),
            epoch: reference.epoch.unwrap_or(self.recipe.epochs(&model)),
            defence: model.defence.as_ref().map(|name| NamedDefence {
                name: name.clone(),
                config: self.recipe.defence[name].clone(),
            }),
            model,
        })
    }

    fn fingerprint(&self, records: &[usize]) -> Result<Fingerprint> {
        Ok(Subset::new(self.data.dataset.clone(), records.to_vec())?.fingerprint())
    }

    fn inputs_of(&self, dealt: &Dealt) -> Result<[Fingerprint; 2]> {
        Ok([
            self.fingerprint(&dealt.members)?,
            self.fingerprint(&dealt.held_out)?,
        ])
    }

    fn sides(&self) -> Vec<Side> {
        let split = &self.recipe.split;
        let shadows = if split.one_sided { 0 } else { split.shadows };
        let shadows = (0..shadows as u32).map(Side::Shadow);
        std::iter::once(Side::Victim).chain(shadows).collect()
    }
}
