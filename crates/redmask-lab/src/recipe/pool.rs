//! Shadow pools: many models on complementary halves of the same records, each the target of the others.

use std::collections::BTreeSet;

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::recipe::{ModelRef, Recipe};
use crate::replicas::ReplicaConfig;

/// A pool of models for attacks across models (LiRA, RMIA, ...), after the game of Carlini et al. (S&P 2022).
///
/// Models come in pairs. A fair coin puts each group of records into the one or the other of a pair, so every record is in
/// exactly half of the models. A target is attacked with all models but itself and its pair: of those, exactly half saw any
/// record, whichever side of the target it is on, so the design itself says nothing of membership.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// The model, as an audit would refer to it; its training records are the pool's half.
    pub model: ModelRef,
    /// Records that are dealt to the models and audited.
    pub records: usize,
    /// Further records that no model of the pool trains on, for attacks that know non-members. The null victim, which saw
    /// no audited record, trains on them.
    pub population: usize,
    /// Models, an even number: a target has two fewer as its shadows.
    pub models: usize,
    /// How many models are attacked in turn; all by default.
    #[serde(default)]
    pub targets: Option<usize>,
    /// Attacks by name.
    pub attacks: Vec<String>,
    /// Numbers of shadows, each even and below the pool's, that attacks across models are repeated with.
    #[serde(default)]
    pub curve: Vec<usize>,
    /// Mislabelled copies of some records, in every training set.
    #[serde(default)]
    pub replicas: Option<ReplicaConfig>,
}

impl PoolConfig {
    /// Attacked models.
    pub fn targets(&self) -> usize {
        self.targets.unwrap_or(self.models)
    }

    /// Shadows of each target.
    pub fn shadows(&self) -> usize {
        self.models - 2
    }

    /// Records that the data set must have.
    pub fn needed(&self) -> usize {
        self.records + self.population
    }

    /// Training records of a model, on average.
    pub fn train_records(&self) -> usize {
        self.records / 2
    }

    pub(super) fn validate(&self, at: &str, recipe: &Recipe) -> Result<()> {
        let fault = |key: &str, problem: &str| {
            Err(Error::config(format!("{at}.{key}"), problem.to_owned()))
        };
        if self.models < 4 || !self.models.is_multiple_of(2) || self.models > 1024 {
            return fault(
                "models",
                "models come in pairs: an even number from 4 to 1024",
            );
        }
        if self.records < 8 {
            return fault("records", "must be at least 8");
        }
        if self.population < 10 {
            return fault("population", "must be at least 10");
        }
        if !(1..=self.models).contains(&self.targets()) {
            return fault("targets", "must be 1 to the number of models");
        }
        if self.attacks.is_empty() {
            return fault("attacks", "there is none");
        }
        let mut seen = BTreeSet::new();
        for name in &self.attacks {
            let Some(attack) = recipe.attack.get(name) else {
                let known: Vec<&str> = recipe.attack.keys().map(String::as_str).collect();
                return Err(Error::config(
                    format!("{at}.attacks"),
                    format!("there is no [attack.{name}]"),
                )
                .with_hint(format!("the recipe has: {}", known.join(", "))));
            };
            if attack.paper_compat() {
                return fault(
                    "attacks",
                    &format!(
                        "`{name}` in its published form needs a victim and a shadow of its own"
                    ),
                );
            }
            let least = attack.score().map_or(0, |score| score.least_shadows());
            if least > self.shadows() {
                return fault(
                    "models",
                    &format!(
                        "`{name}` needs {least} shadows of a target, so {} models",
                        least + 2
                    ),
                );
            }
            if !seen.insert(name) {
                return fault("attacks", &format!("`{name}` is named twice"));
            }
        }
        let usable = |k: &usize| *k >= 2 && k.is_multiple_of(2) && *k < self.shadows();
        if let Some(k) = self.curve.iter().find(|k| !usable(k)) {
            return Err(Error::config(
                format!("{at}.curve"),
                format!(
                    "{k} is not an even number from 2 to below {}",
                    self.shadows()
                ),
            ));
        }
        if let Some(replicas) = &self.replicas {
            replicas.validate(&format!("{at}.replicas"), self.records)?;
        }
        let model = recipe.model(&self.model.model)?;
        if model.defence.is_some() || model.poison.is_some() {
            return fault(
                "model",
                "the models of a pool are plain; a defended or poisoned one is audited under [[audit]]",
            );
        }
        if model.train_records.is_some() {
            return fault("model", "a model of a pool trains on half of its records");
        }
        // Neither would reach the trainings of a pool whole, and a pool that says otherwise would mislead.
        if model.defence.is_some() || model.poison.is_some() {
            return fault(
                "model",
                "pools train undefended models on clean records; audit this one with a victim and a shadow",
            );
        }
        let last = recipe.epochs(&model);
        if self.model.epoch.is_some_and(|epoch| epoch > last) {
            return Err(Error::config(
                format!("model `{}`", self.model),
                format!("its training has {last} epochs"),
            ));
        }
        Ok(())
    }
}
