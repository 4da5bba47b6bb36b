//! Expanding a recipe.

use std::collections::{BTreeMap, BTreeSet};

use redmask_core::{Fingerprint, Result, Seed, SegDataset, Subset};
use serde_json::json;

use crate::bind::BoundData;
use crate::deal::{Deal, Dealt, Side};
use crate::plan::{
    AttackTarget, AttackTask, BlindCell, BlindTask, Cell, ModelUse, OutcomeAt, Plan, PredictTask,
    QualityCell, SplitTask, Stage, Task, TrainTask, Trained, Work, audited,
};
use crate::recipe::{ModelRef, Recipe};
use crate::store::{StageKey, StageKind};
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
    };
    for &seed in seeds {
        builder.repeat(seed)?;
    }
    builder.tabulate(seeds)?;
    Ok(Plan {
        stages: builder.stages,
        cells: builder.cells,
        qualities: builder.qualities,
        blinds: builder.blinds,
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
        Ok(())
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
        let shadows = (0..self.recipe.split.shadows as u32).map(Side::Shadow);
        std::iter::once(Side::Victim).chain(shadows).collect()
    }

    fn split(&mut self, repetition: &Repetition) -> Result<usize> {
        let held_out = self.recipe.split.held_out;
        let mut sides = Vec::new();
        let mut inputs = Vec::new();
        for side in self.sides() {
            let dealt = repetition
                .deal
                .records(side, self.largest_train, held_out)?;
            inputs.extend(self.inputs_of(&dealt)?);
            sides.push((side, dealt));
        }
        let key = StageKey::derive(StageKind::Split, &self.recipe.split, &inputs, None)?;
        Ok(self.intern(Stage {
            key,
            label: format!("split, seed {}", repetition.seed),
            task: Task::Split(SplitTask { sides }),
            inputs: Vec::new(),
            work: Work::none(),
        }))
    }

    fn train(
        &mut self,
        repetition: &Repetition,
        model: &ModelUse,
        side: Side,
    ) -> Result<(Trained, Dealt)> {
        let table = self.data.dataset.class_table();
        let network = self.recipe.network[&model.model.network]
            .clone()
            .for_data(table.len(), self.data.dataset.channels());
        let epochs = self.recipe.epochs(&model.model);
        let mut training = self.recipe.training.clone();
        training.epochs = epochs;
        training.keep_epochs = self
            .kept_epochs
            .get(&format!("{:?}", model.model))
            .into_iter()
            .flatten()
            .copied()
            .filter(|&epoch| epoch < epochs)
            .collect();
        let dealt =
            repetition
                .deal
                .records(side, model.train_records, self.recipe.split.held_out)?;
        let seed = side.seed(&repetition.root).child("train");
        let initial = self.weights.get(&model.model.network).cloned();
        let key = StageKey::derive(
            StageKind::Train,
            &json!({
                "network": network,
                "training": training,
                "size": self.data.size,
                "initial": initial.as_ref().map(|w| w.hash),
            }),
            &self.inputs_of(&dealt)?,
            Some(&seed),
        )?;
        let stage = self.intern(Stage {
            key,
            label: format!(
                "train {} on {} records, {}, seed {}",
                model.model.network,
                model.train_records,
                side.describe(),
                repetition.seed
            ),
            work: Work::training(&network, self.data.size, model.train_records, &training),
            task: Task::Train(Box::new(TrainTask {
                network_name: model.model.network.clone(),
                network,
                training,
                initial,
                side,
                dealt: dealt.clone(),
                root: repetition.seed,
                seed,
            })),
            inputs: Vec::new(),
        });
        let trained = Trained {
            stage,
            epoch: model.epoch,
        };
        Ok((trained, dealt))
    }

    fn attack(
        &mut self,
        repetition: &Repetition,
        attack: &str,
        victims: &[&ModelRef],
        shadow: &ModelRef,
    ) -> Result<()> {
        let config = self.recipe.attack[attack].clone();
        let shadow = self.model_use(shadow)?;
        let victims = victims
            .iter()
            .map(|v| self.model_use(v))
            .collect::<Result<Vec<_>>>()?;
        let records = self.recipe.split.audited_of(shadow.train_records);
        let mut shadows = Vec::new();
        for side in self.sides().into_iter().skip(1) {
            let (trained, dealt) = self.train(repetition, &shadow, side)?;
            shadows.push((trained, audited(&dealt, records)));
        }
        let mut targets: Vec<AttackTarget> = Vec::new();
        let mut outcomes = Vec::new();
        for victim in &victims {
            let (model, dealt) = self.train(repetition, victim, Side::Victim)?;
            let records = self.recipe.split.audited_of(victim.train_records);
            let dealt = audited(&dealt, records);
            let target = position_or_push(
                &mut targets,
                AttackTarget {
                    model,
                    dealt: dealt.clone(),
                    null_victim: false,
                },
            );
            let null = self.recipe.control.null_victim.then(|| {
                position_or_push(
                    &mut targets,
                    AttackTarget {
                        model: shadows[0].0,
                        dealt,
                        null_victim: true,
                    },
                )
            });
            outcomes.push((target, null));
        }
        let same_architecture = victims
            .iter()
            .all(|v| v.model.network == shadow.model.network);
        let stage = self.attack_stage(
            repetition,
            AttackTask {
                attack: attack.to_owned(),
                config,
                shadows,
                targets,
                same_architecture,
                seed: repetition.root.child("attack").child(attack),
            },
            &shadow,
        )?;
        for (victim, (target, null)) in victims.into_iter().zip(outcomes) {
            let outcome = OutcomeAt {
                stage,
                target,
                null,
            };
            self.record_outcome(attack, victim, &shadow, outcome);
        }
        Ok(())
    }

    fn attack_stage(
        &mut self,
        repetition: &Repetition,
        task: AttackTask,
        shadow: &ModelUse,
    ) -> Result<usize> {
        let mut keys = Vec::new();
        let mut uses = Vec::new();
        let shadow_uses = task
            .shadows
            .iter()
            .map(|(model, dealt)| (*model, dealt, false));
        let target_uses = task
            .targets
            .iter()
            .map(|t| (t.model, &t.dealt, t.null_victim));
        for (model, dealt, null_victim) in shadow_uses.chain(target_uses) {
            keys.push(self.stages[model.stage].key.hash);
            keys.extend(self.inputs_of(dealt)?);
            uses.push(json!({ "epoch": model.epoch, "null_victim": null_victim }));
        }
        let key = StageKey::derive(
            StageKind::Attack,
            &json!({
                "attack": task.config,
                "shadows": task.shadows.len(),
                "models": uses,
                "same_architecture": task.same_architecture,
            }),
            &keys,
            Some(&task.seed),
        )?;
        let models: BTreeSet<usize> = task
            .shadows
            .iter()
            .map(|(m, _)| m.stage)
            .chain(task.targets.iter().map(|t| t.model.stage))
            .collect();
        Ok(self.intern(Stage {
            key,
            label: format!(
                "attack {} with shadow {}, seed {}",
                task.attack, shadow.reference, repetition.seed
            ),
            work: Work::attack(&task, &self.stages, self.data.size),
            task: Task::Attack(task),
            inputs: models.into_iter().collect(),
        }))
    }

    fn record_outcome(
        &mut self,
        attack: &str,
        victim: ModelUse,
        shadow: &ModelUse,
        outcome: OutcomeAt,
    ) {
        let found = self.cells.iter_mut().find(|cell| {
            cell.attack == attack
                && cell.victim.reference == victim.reference
                && cell.shadow.reference == shadow.reference
        });
        match found {
            // Two audits may name one pair; under one seed its outcome is one stage.
            Some(cell) if cell.outcomes.last() == Some(&outcome) => {}
            Some(cell) => cell.outcomes.push(outcome),
            None => self.cells.push(Cell {
                attack: attack.to_owned(),
                victim,
                shadow: shadow.clone(),
                outcomes: vec![outcome],
            }),
        }
    }

    fn quality(&mut self, repetition: &Repetition, victim: &ModelUse) -> Result<()> {
        let (model, dealt) = self.train(repetition, victim, Side::Victim)?;
        let key = StageKey::derive(
            StageKind::Predict,
            &json!({ "epoch": model.epoch }),
            &[self.stages[model.stage].key.hash],
            None,
        )?;
        let network = match &self.stages[model.stage].task {
            Task::Train(task) => task.network.clone(),
            _ => {
                return Err(redmask_core::Error::Internal(
                    "a model that was not trained".into(),
                ));
            }
        };
        let records = dealt.members.len() + dealt.held_out.len();
        let stage = self.intern(Stage {
            key,
            label: format!("predict {}, seed {}", victim.reference, repetition.seed),
            work: Work::inference(&network, self.data.size, records),
            task: Task::Predict(PredictTask { model, dealt }),
            inputs: vec![model.stage],
        });
        match self
            .qualities
            .iter_mut()
            .find(|q| q.victim.reference == victim.reference)
        {
            Some(quality) => {
                quality.stages.push(stage);
                quality.trainings.push(model.stage);
            }
            None => self.qualities.push(QualityCell {
                victim: victim.clone(),
                stages: vec![stage],
                trainings: vec![model.stage],
            }),
        }
        Ok(())
    }

    /// Audited sets follow from the number of training records, so one control serves all victims of that size.
    fn blind(&mut self, repetition: &Repetition, train_records: usize) -> Result<()> {
        let Some(config) = self.recipe.control.blind else {
            return Ok(());
        };
        let split = &self.recipe.split;
        let dealt = repetition
            .deal
            .records(Side::Victim, train_records, split.held_out)?;
        let dealt = audited(&dealt, split.audited_of(train_records));
        let seed = repetition.root.child("control").child("blind");
        let key = StageKey::derive(
            StageKind::Control,
            &config,
            &self.inputs_of(&dealt)?,
            Some(&seed),
        )?;
        let stage = self.intern(Stage {
            key,
            label: format!(
                "blind control on {} and {} records, seed {}",
                dealt.members.len(),
                dealt.held_out.len(),
                repetition.seed
            ),
            work: Work::blind(&dealt),
            task: Task::Blind(BlindTask {
                config,
                dealt,
                seed,
            }),
            inputs: Vec::new(),
        });
        match self
            .blinds
            .iter_mut()
            .find(|b| b.train_records == train_records)
        {
            Some(blind) => blind.stages.push(stage),
            None => self.blinds.push(BlindCell {
                train_records,
                stages: vec![stage],
            }),
        }
        Ok(())
    }

    fn tabulate(&mut self, seeds: &[u64]) -> Result<usize> {
        let inputs: Vec<usize> = (0..self.stages.len()).collect();
        let keys: Vec<Fingerprint> = self.stages.iter().map(|s| s.key.hash).collect();
        let key = StageKey::derive(
            StageKind::Tabulate,
            &json!({
                "recipe": self.recipe,
                "seeds": seeds,
                "data": self.data.name(),
                "substituted": self.data.substituted,
                "weights": self.weights.keys().collect::<Vec<_>>(),
            }),
            &keys,
            None,
        )?;
        Ok(self.intern(Stage {
            key,
            label: "tabulate".to_owned(),
            task: Task::Tabulate,
            inputs,
            work: Work::none(),
        }))
    }
}

fn position_or_push(targets: &mut Vec<AttackTarget>, target: AttackTarget) -> usize {
    targets
        .iter()
        .position(|t| *t == target)
        .unwrap_or_else(|| {
            targets.push(target);
            targets.len() - 1
        })
}
