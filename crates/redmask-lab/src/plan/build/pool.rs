//! Pools: one training and one signal stage for each model, shared by every attack.

use std::sync::Arc;

use redmask_core::{Result, Seed};
use serde_json::json;

use super::Builder;
use super::defended::Hooks;
use super::train::Lessons;
use crate::deal::{Dealt, Side};
use crate::plan::{
    AttackTarget, AttackTask, BlindCell, BlindTask, ModelUse, OutcomeAt, PoolCell, PoolRun,
    PoolSplitTask, PredictTask, QualityCell, ScoreTask, SignalTask, Stage, Task, Trained, Work,
    attack_id, target_key,
};
use crate::pool::PoolDeal;
use crate::recipe::{PoolConfig, ScoreConfig};
use crate::replicas::Replicas;
use crate::store::{StageKey, StageKind};

/// One pool under one root seed, as it is planned.
struct Pool<'a> {
    index: usize,
    config: &'a PoolConfig,
    seed: u64,
    root: Seed,
    deal: Arc<PoolDeal>,
    model: ModelUse,
    /// The attacked records, by position in the deal.
    audited: Vec<usize>,
    /// Each model of the pool.
    models: Vec<Trained>,
    /// The model that saw no audited record.
    null: Option<Trained>,
}

impl Builder<'_> {
    /// Every pool of the recipe under one root seed.
    pub(super) fn pools(&mut self, seed: u64) -> Result<()> {
        let recipe = self.recipe;
        for (index, config) in recipe.pool.iter().enumerate() {
            let pool = self.pool(index, config, seed)?;
            self.pool_attacks(&pool)?;
            for target in 0..config.targets() {
                self.pool_quality(&pool, target)?;
                self.pool_blind(&pool, target)?;
            }
        }
        Ok(())
    }

    fn pool<'a>(&mut self, index: usize, config: &'a PoolConfig, seed: u64) -> Result<Pool<'a>> {
        let root = Seed::root(seed);
        let deal = Arc::new(PoolDeal::new(self.data.dataset.as_ref(), config, &root)?);
        let mut model = self.model_use(&config.model)?;
        model.train_records = config.train_records();
        let attacked = config
            .replicas
            .as_ref()
            .map_or(config.records, |r| r.targets);
        let mut pool = Pool {
            index,
            config,
            seed,
            root,
            deal,
            model,
            audited: (0..attacked).collect(),
            models: Vec::new(),
            null: None,
        };
        self.pool_split(&pool)?;
        let replicas = config.replicas.as_ref().filter(|r| r.copies > 0);
        let replicas = replicas.map(|config| Replicas {
            config: config.clone(),
            records: pool.deal.records[..config.targets].to_vec(),
        });
        for number in 0..config.models {
            let dealt = pool.deal.training(number);
            let side = Side::Pool(number as u32);
            let lessons = Lessons {
                dealt,
                replicas: replicas.clone(),
                hooks: Hooks::none(),
            };
            let trained = self.train_on(seed, &pool.model, side, lessons)?;
            pool.models.push(trained);
        }
        if self.recipe.control.null_victim {
            let shown = pool.deal.population.len().min(pool.deal.records.len());
            let dealt = Dealt {
                members: pool.deal.population.clone(),
                held_out: pool.deal.records[..shown].to_vec(),
            };
            let lessons = Lessons {
                dealt,
                replicas: None,
                hooks: Hooks::none(),
            };
            let trained = self.train_on(seed, &pool.model, Side::Null, lessons)?;
            pool.null = Some(trained);
        }
        Ok(pool)
    }

    fn pool_split(&mut self, pool: &Pool<'_>) -> Result<usize> {
        let inputs = [
            self.fingerprint(&pool.deal.records)?,
            self.fingerprint(&pool.deal.population)?,
        ];
        let seed = pool.root.child("pool");
        let config = json!({ "models": pool.config.models, "records": pool.config.records });
        let key = StageKey::derive(StageKind::Split, &config, &inputs, Some(&seed))?;
        Ok(self.intern(Stage {
            key,
            label: format!("split of a pool, seed {}", pool.seed),
            task: Task::PoolSplit(PoolSplitTask {
                deal: pool.deal.clone(),
            }),
            inputs: Vec::new(),
            work: Work::none(),
        }))
    }

    fn signals(&mut self, pool: &Pool<'_>, model: Trained, name: &str) -> Result<usize> {
        let deal = &pool.deal;
        let records: Vec<usize> = deal
            .records
            .iter()
            .chain(&deal.population)
            .copied()
            .collect();
        let inputs = [
            self.stages[model.stage].key.hash,
            self.fingerprint(&records)?,
        ];
        let mut config = json!({ "epoch": model.epoch });
        let attacks = pool.config.attacks.iter();
        let gradients = attacks
            .filter_map(|name| self.recipe.attack[name].score())
            .any(|attack| attack.reads_gradients());
        if gradients {
            config["gradients"] = json!(true);
        }
        // A backward pass costs about two forward passes.
        let passes = if gradients { 5 } else { 2 };
        let key = StageKey::derive(StageKind::Signal, &config, &inputs, None)?;
        Ok(self.intern(Stage {
            key,
            label: format!("signals of {name}, seed {}", pool.seed),
            work: self.inference(model, passes * records.len())?,
            task: Task::Signal(SignalTask {
                model,
                records,
                gradients,
            }),
            inputs: vec![model.stage],
        }))
    }

    fn pool_attacks(&mut self, pool: &Pool<'_>) -> Result<()> {
        let targets: Vec<usize> = (0..pool.config.targets()).collect();
        let mut signals = Vec::new();
        for (number, &model) in pool.models.iter().enumerate() {
            signals.push(self.signals(pool, model, &format!("pool model {number}"))?);
        }
        let null = match pool.null {
            Some(model) => Some(self.signals(pool, model, "the null victim")?),
            None => None,
        };
        self.pool_runs.push(PoolRun {
            pool: pool.index,
            seed: pool.seed,
            deal: pool.deal.clone(),
            audited: pool.audited.clone(),
            targets: targets.clone(),
            signals: signals.clone(),
        });
        let all = pool.config.shadows();
        for name in &pool.config.attacks {
            let Some(config) = self.recipe.attack[name].score() else {
                self.pool_classifier(pool, name, &targets)?;
                continue;
            };
            let mut counts = vec![all];
            if config.reads_shadows() {
                let enough = |k: &&usize| **k >= config.least_shadows();
                counts.extend(pool.config.curve.iter().filter(enough));
            }
            for shadows in counts {
                let task = ScoreTask {
                    id: attack_id(name),
                    config: config.clone(),
                    deal: pool.deal.clone(),
                    audited: pool.audited.clone(),
                    signals: signals.clone(),
                    null: null.filter(|_| shadows == all),
                    targets: targets.clone(),
                    shadows,
                    seed: pool.root.child("attack").child(name),
                };
                self.pool_score(pool, name, task)?;
            }
        }
        Ok(())
    }

    fn pool_score(&mut self, pool: &Pool<'_>, name: &str, task: ScoreTask) -> Result<()> {
        let mut inputs: Vec<usize> = task.signals.clone();
        inputs.extend(task.null);
        let keys: Vec<_> = inputs.iter().map(|&s| self.stages[s].key.hash).collect();
        let key = StageKey::derive(
            StageKind::Attack,
            &json!({
                "id": task.id,
                "score": task.config,
                "models": pool.config.models,
                "audited": task.audited.len(),
                "targets": task.targets,
                "shadows": task.shadows,
                "null": task.null.is_some(),
            }),
            &keys,
            Some(&task.seed),
        )?;
        let (targets, shadows) = (task.targets.clone(), task.shadows);
        let step = 1 + usize::from(task.null.is_some());
        let work = score_work(&task.config, task.audited.len(), shadows, targets.len());
        let stage = self.intern(Stage {
            key,
            label: format!("attack {name} with {shadows} shadows, seed {}", pool.seed),
            work,
            task: Task::Score(task),
            inputs,
        });
        let outcomes = targets.iter().enumerate().map(|(i, &target)| {
            let at = OutcomeAt {
                stage,
                target: i * step,
                null: (step == 2).then_some(i * step + 1),
            };
            (target_key(pool.seed, pool.config.models, target), at)
        });
        let outcomes: Vec<_> = outcomes.collect();
        self.pool_cell(pool, name, shadows, outcomes);
        Ok(())
    }

    /// An attack that trains something learns it on a pair of the pool that is no target's own: the last pair, and the
    /// first for targets in the last.
    fn pool_classifier(&mut self, pool: &Pool<'_>, name: &str, targets: &[usize]) -> Result<()> {
        let last = pool.config.models - 2;
        let (of_last, others): (Vec<usize>, Vec<usize>) =
            targets.iter().copied().partition(|&t| t >= last);
        let mut outcomes = Vec::new();
        for (pair, targets) in [(last, others), (0, of_last)] {
            if targets.is_empty() {
                continue;
            }
            let config = self.recipe.attack[name].clone();
            let sides = |model: usize| pool.deal.sides(model, &pool.audited);
            let mut attacked = Vec::new();
            for &target in &targets {
                attacked.push(AttackTarget {
                    model: pool.models[target],
                    dealt: sides(target),
                    null_victim: false,
                });
                attacked.extend(pool.null.map(|model| AttackTarget {
                    model,
                    dealt: sides(target),
                    null_victim: true,
                }));
            }
            let step = 1 + usize::from(pool.null.is_some());
            let task = AttackTask {
                attack: name.to_owned(),
                config,
                shadows: [pair, pair + 1]
                    .map(|m| (pool.models[m], sides(m)))
                    .to_vec(),
                targets: attacked,
                same_architecture: true,
                seed: pool.root.child("attack").child(name),
            };
            let label = format!("models {pair} and {} of the pool", pair + 1);
            let stage = self.attack_stage(pool.seed, task, &label)?;
            outcomes.extend(targets.iter().enumerate().map(|(i, &target)| {
                let at = OutcomeAt {
                    stage,
                    target: i * step,
                    null: (step == 2).then_some(i * step + 1),
                };
                (target_key(pool.seed, pool.config.models, target), at)
            }));
        }
        let shadows = pool.config.shadows();
        self.pool_cell(pool, name, shadows, outcomes);
        Ok(())
    }

    fn pool_cell(
        &mut self,
        pool: &Pool<'_>,
        attack: &str,
        shadows: usize,
        outcomes: Vec<(u64, OutcomeAt)>,
    ) {
        let same =
            |c: &&mut PoolCell| c.pool == pool.index && c.attack == attack && c.shadows == shadows;
        match self.pool_cells.iter_mut().find(same) {
            Some(cell) => cell.outcomes.extend(outcomes),
            None => self.pool_cells.push(PoolCell {
                pool: pool.index,
                attack: attack.to_owned(),
                model: pool.model.clone(),
                shadows,
                outcomes,
            }),
        }
    }

    fn pool_quality(&mut self, pool: &Pool<'_>, target: usize) -> Result<()> {
        let model = pool.models[target];
        let dealt = pool.deal.sides(target, &pool.audited);
        let mut inputs = vec![self.stages[model.stage].key.hash];
        inputs.extend(self.inputs_of(&dealt)?);
        let config = json!({ "epoch": model.epoch });
        let key = StageKey::derive(StageKind::Predict, &config, &inputs, None)?;
        let stage = self.intern(Stage {
            key,
            label: format!("predict pool model {target}, seed {}", pool.seed),
            work: self.inference(model, pool.audited.len())?,
            task: Task::Predict(PredictTask { model, dealt }),
            inputs: vec![model.stage],
        });
        let seed = target_key(pool.seed, pool.config.models, target);
        let same = |q: &&mut QualityCell| q.pool == Some(pool.index);
        match self.qualities.iter_mut().find(same) {
            Some(cell) => {
                cell.seeds.push(seed);
                cell.stages.push(stage);
                cell.trainings.push(model.stage);
                cell.models.push(model);
            }
            None => self.qualities.push(QualityCell {
                victim: pool.model.clone(),
                pool: Some(pool.index),
                seeds: vec![seed],
                stages: vec![stage],
                trainings: vec![model.stage],
                models: vec![model],
            }),
        }
        Ok(())
    }

    fn pool_blind(&mut self, pool: &Pool<'_>, target: usize) -> Result<()> {
        let Some(config) = self.recipe.control.blind else {
            return Ok(());
        };
        let dealt = pool.deal.sides(target, &pool.audited);
        let seed = pool
            .root
            .child("control")
            .child("blind")
            .index(target as u64);
        let inputs = self.inputs_of(&dealt)?;
        let key = StageKey::derive(StageKind::Control, &config, &inputs, Some(&seed))?;
        let stage = self.intern(Stage {
            key,
            label: format!("blind control of pool model {target}, seed {}", pool.seed),
            work: Work::blind(&dealt),
            task: Task::Blind(BlindTask {
                config,
                dealt,
                seed,
            }),
            inputs: Vec::new(),
        });
        let seed = target_key(pool.seed, pool.config.models, target);
        let same = |b: &&mut BlindCell| b.pool == Some(pool.index);
        match self.blinds.iter_mut().find(same) {
            Some(cell) => {
                cell.seeds.push(seed);
                cell.stages.push(stage);
            }
            None => self.blinds.push(BlindCell {
                train_records: pool.model.train_records,
                pool: Some(pool.index),
                seeds: vec![seed],
                stages: vec![stage],
            }),
        }
        Ok(())
    }

    fn inference(&self, model: Trained, records: usize) -> Result<Work> {
        match &self.stages[model.stage].task {
            Task::Train(task) => Ok(Work::inference(&task.network, self.data.size, records)),
            _ => Err(redmask_core::Error::Internal(
                "a model that was not trained".into(),
            )),
        }
    }
}

/// Reading the signals, and the fits; only the combination's regressions count.
fn score_work(config: &ScoreConfig, records: usize, shadows: usize, targets: usize) -> Work {
    let mut work = Work::none();
    let rows = (records * shadows * targets) as f64;
    work.gflop = match config {
        ScoreConfig::Combination { .. } => rows * 2e-2,
        _ => rows * 1e-5,
    };
    work.disk = 400.0 * (records * targets) as f64;
    work
}
