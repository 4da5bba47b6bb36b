//! Dealing records out to a pool of models, whole groups at a time.

use rand::RngExt;
use redmask_core::{Error, Result, SampleId, Seed, SegDataset};
use serde::{Deserialize, Serialize};

use crate::deal::{Dealt, stratified_order};
use crate::recipe::PoolConfig;

/// Who trains on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolDeal {
    /// The audited records, as positions in the data set; smaller pools of one seed are prefixes of larger ones.
    pub records: Vec<usize>,
    /// Records that no model of the pool trains on.
    pub population: Vec<usize>,
    /// `[models][records]`: whether the model trains on the record. Models `2 i` and `2 i + 1` are a pair.
    pub inside: Vec<Vec<bool>>,
}

impl PoolDeal {
    /// Shuffles whole groups, takes the pool from the front and the population from the back, and flips a coin for each
    /// group and pair of models. A group cut by the end of the pool stays out of the population.
    ///
    /// # Errors
    /// If the data set has too few records.
    pub fn new(dataset: &dyn SegDataset, config: &PoolConfig, root: &Seed) -> Result<Self> {
        let too_few = |problem: String| {
            Error::config("pool", problem)
                .with_hint("bind a larger data set, or lower the pool's records or population")
        };
        let needed = config.needed();
        if dataset.len() < needed {
            return Err(too_few(format!(
                "the data set has {} records, the pool needs {needed}",
                dataset.len()
            )));
        }
        let seed = root.child("pool").child("deal");
        let groups = stratified_order(dataset, &seed);
        let mut records = Vec::with_capacity(config.records);
        let mut group_of = Vec::with_capacity(config.records);
        let mut used = 0;
        for (g, group) in groups.iter().enumerate() {
            if records.len() == config.records {
                break;
            }
            let free = config.records - records.len();
            for &record in group.iter().take(free) {
                records.push(record);
                group_of.push(g);
            }
            used = g + 1;
        }
        let left: Vec<usize> = groups[used..].iter().flatten().copied().collect();
        if left.len() < config.population {
            return Err(too_few(format!(
                "{} records of other groups are left for a population of {}",
                left.len(),
                config.population
            )));
        }
        let population = left[left.len() - config.population..].to_vec();
        let pairs = config.models / 2;
        let coins: Vec<Vec<bool>> = (0..used)
            .map(|g| {
                let mut rng = seed.child("coins").index(g as u64).rng();
                (0..pairs).map(|_| rng.random()).collect()
            })
            .collect();
        let inside = (0..config.models)
            .map(|model| {
                let first_of_pair = model % 2 == 0;
                group_of
                    .iter()
                    .map(|&g| coins[g][model / 2] == first_of_pair)
                    .collect()
            })
            .collect();
        Ok(Self {
            records,
            population,
            inside,
        })
    }

    /// The other model of a pair.
    pub fn partner(model: usize) -> usize {
        model ^ 1
    }

    /// Every model but a target and its partner, pair by pair; of any record, half of each pair saw it.
    pub fn shadows_of(&self, target: usize) -> Vec<usize> {
        (0..self.inside.len())
            .filter(|&m| m != target && m != Self::partner(target))
            .collect()
    }

    /// What a model trains on, and the audited records it does not see. `audited` picks the records that are attacked, by
    /// position in [`PoolDeal::records`].
    pub fn sides(&self, model: usize, audited: &[usize]) -> Dealt {
        let side = |wanted: bool| {
            let picked = audited.iter().filter(|&&r| self.inside[model][r] == wanted);
            picked.map(|&r| self.records[r]).collect()
        };
        Dealt {
            members: side(true),
            held_out: side(false),
        }
    }

    /// A model's training set, with the population as what it is validated on.
    pub fn training(&self, model: usize) -> Dealt {
        let all: Vec<usize> = (0..self.records.len()).collect();
        Dealt {
            members: self.sides(model, &all).members,
            held_out: self.population.clone(),
        }
    }
}

/// What the split stage of a pool writes, for people and for other tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolFile {
    /// The audited records.
    pub records: Vec<SampleId>,
    /// Records that no model of the pool trains on.
    pub population: Vec<SampleId>,
    /// For each record the models that train on it, ascending; models `2 i` and `2 i + 1` are a pair.
    pub models: Vec<Vec<usize>>,
}

impl PoolFile {
    /// The deal with identifiers for positions.
    pub fn new(deal: &PoolDeal, dataset: &dyn SegDataset) -> Self {
        let ids = |records: &[usize]| records.iter().map(|&r| dataset.id(r)).collect();
        Self {
            records: ids(&deal.records),
            population: ids(&deal.population),
            models: (0..deal.records.len())
                .map(|r| {
                    let saw = |m: &usize| deal.inside[*m][r];
                    (0..deal.inside.len()).filter(saw).collect()
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::deal::numbered::Numbered;

    fn config(records: usize, population: usize, models: usize) -> PoolConfig {
        PoolConfig {
            model: "small".parse().unwrap(),
            records,
            population,
            models,
            targets: None,
            attacks: vec!["a".into()],
            curve: Vec::new(),
            replicas: None,
        }
    }

    #[test]
    fn every_record_is_in_half_of_the_models_and_of_any_targets_shadows() {
        let data = Numbered::new(130, 1);
        let deal = PoolDeal::new(&data, &config(99, 20, 8), &Seed::root(1)).unwrap();
        assert_eq!((deal.records.len(), deal.population.len()), (99, 20));
        let all: BTreeSet<usize> = deal
            .records
            .iter()
            .chain(&deal.population)
            .copied()
            .collect();
        assert_eq!(all.len(), 119);
        for r in 0..99 {
            assert_eq!((0..8).filter(|&m| deal.inside[m][r]).count(), 4);
            for target in 0..8 {
                let shadows = deal.shadows_of(target);
                assert_eq!(shadows.len(), 6);
                assert_eq!(shadows.iter().filter(|&&m| deal.inside[m][r]).count(), 3);
            }
        }
        for model in 0..8 {
            let members = deal.training(model).members.len();
            assert!((30..70).contains(&members), "{members} of 99");
        }
    }

    #[test]
    fn groups_stay_whole_and_all_is_seeded() {
        let data = Numbered::new(140, 7);
        let deal = |seed| PoolDeal::new(&data, &config(84, 20, 4), &Seed::root(seed)).unwrap();
        let first = deal(0);
        for model in 0..4 {
            for (i, a) in first.records.iter().enumerate() {
                for (j, b) in first.records.iter().enumerate() {
                    if a / 7 == b / 7 {
                        assert_eq!(first.inside[model][i], first.inside[model][j]);
                    }
                }
            }
        }
        let groups =
            |records: &[usize]| -> BTreeSet<usize> { records.iter().map(|r| r / 7).collect() };
        assert!(groups(&first.records).is_disjoint(&groups(&first.population)));
        assert_eq!(first, deal(0));
        assert_ne!(first, deal(1));
    }

    #[test]
    fn a_smaller_pool_is_a_prefix() {
        let data = Numbered::new(100, 1);
        let deal = |n| PoolDeal::new(&data, &config(n, 10, 4), &Seed::root(0)).unwrap();
        let (small, large) = (deal(40), deal(80));
        assert_eq!(small.records, large.records[..40]);
        assert_eq!(small.inside[3], large.inside[3][..40]);
        assert_eq!(small.population, large.population);
    }

    #[test]
    fn too_few_records_are_said() {
        let data = Numbered::new(50, 25);
        let error = PoolDeal::new(&data, &config(40, 20, 4), &Seed::root(0)).unwrap_err();
        assert!(error.to_string().contains("50 records"), "{error}");
        let error = PoolDeal::new(&data, &config(30, 20, 4), &Seed::root(0)).unwrap_err();
        assert!(
            error.to_string().contains("left for a population"),
            "{error}"
        );
    }
}
