//! Recipes: what to train, what to attack, what to show.
//!
//! A recipe is a TOML file. It names data by role, networks, models, attacks and controls; audits pair victims with
//! shadows; tables and figures say what is shown; published numbers stand beside as data. `[profile.NAME]` tables lay
//! other sizes over the same recipe.

mod attack;
mod builtin;
mod data;
mod defence;
mod layout;
mod model;
mod overview;
mod poison;
mod pool;
mod profile;
mod score;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use redmask_attacks::controls::BlindConfig;
use redmask_core::{Error, Fingerprint, Result};
use redmask_nn::network::NetworkConfig;
use redmask_poison::PoisonConfig;
use redmask_report::schema::Condition;
use redmask_train::TrainConfig;
use serde::{Deserialize, Serialize};

pub use attack::AttackConfig;
pub use builtin::{Builtin, builtins};
pub use data::{DataRole, PublishedSplit, SplitConfig};
pub use defence::DefenceConfig;
pub use layout::{FigureConfig, PublishedTable, TableConfig};
pub use model::{ModelConfig, ModelRef};
pub use overview::OverviewConfig;
pub use poison::BackdoorConfig;
pub use pool::PoolConfig;
pub use profile::AS_WRITTEN;
pub use score::{
    AttackRConfig, DifficultyConfig, LiraConfig, RmiaConfig, ScalarConfig, ScoreConfig,
};
pub use source::RecipeSource;

/// The recipe format that this build reads.
pub const RECIPE_VERSION: u32 = 1;

/// A recipe with its profile applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// [`RECIPE_VERSION`].
    pub recipe_version: u32,
    /// Unique, such as `chobola/table-1`; names the default output folder.
    pub name: String,
    /// Heads the report.
    pub title: String,
    /// What is measured and why, a few sentences.
    #[serde(default)]
    pub about: String,
    /// How many root seeds everything is repeated for.
    #[serde(default = "three")]
    pub seeds: u64,
    /// What the recipe is expected to need.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Data sets by role.
    pub data: BTreeMap<String, DataRole>,
    /// How records are dealt out.
    pub split: SplitConfig,
    /// Networks by name.
    pub network: BTreeMap<String, NetworkConfig>,
    /// How networks are trained.
    pub training: TrainConfig,
    /// Models that differ from "a network, trained as above", by name.
    #[serde(default)]
    pub model: BTreeMap<String, ModelConfig>,
    /// Defences by name; models refer to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defence: BTreeMap<String, DefenceConfig>,
    /// Attacks by name.
    #[serde(default)]
    pub attack: BTreeMap<String, AttackConfig>,
    /// What is attacked with what.
    #[serde(default)]
    pub audit: Vec<AuditConfig>,
    /// Pools of models for attacks across models.
    #[serde(default)]
    pub pool: Vec<PoolConfig>,
    /// Backdoors that models can be trained under, by name.
    #[serde(default, skip_serializing_if = "poison::none")]
    pub poison: BTreeMap<String, PoisonConfig>,
    /// Which poisoned models are measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backdoor: Vec<BackdoorConfig>,
    /// Controls.
    #[serde(default)]
    pub control: ControlConfig,
    /// Intervals and false positive rates.
    #[serde(default)]
    pub statistics: StatisticsConfig,
    /// Where the published experiment began: `ImageNet`, say. Said in the output, since weights are not supplied here.
    #[serde(default)]
    pub published_weights: Option<String>,
    /// Tables to show.
    #[serde(default)]
    pub table: Vec<TableConfig>,
    /// Figures to draw besides those of every report.
    #[serde(default)]
    pub figure: Vec<FigureConfig>,
    /// The table that sums defences up in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overview: Option<OverviewConfig>,
    /// Numbers to print beside the measured ones.
    #[serde(default)]
    pub published: Vec<PublishedTable>,
    /// Names as printed, of networks and other condition values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Gates, such as `membership.*.auc.low > 0.6`: a finding makes the exit code 1.
    #[serde(default)]
    pub fail_if: Vec<String>,
}

fn three() -> u64 {
    3
}

/// What a recipe is expected to need on two cores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Wall time.
    pub minutes: f64,
}

/// Which victims are attacked with which shadows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// The audited models, trained on the victim's side.
    pub victims: Vec<ModelRef>,
    /// The adversary's models, trained on the shadow's side; the victims by default.
    #[serde(default)]
    pub shadows: Vec<ModelRef>,
    /// Who meets whom.
    #[serde(default)]
    pub pairing: Pairing,
    /// Attacks by name.
    pub attacks: Vec<String>,
}

/// How victims meet shadows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pairing {
    /// Every victim meets every shadow.
    #[default]
    All,
    /// The first victim meets the first shadow, and so on; a single shadow meets every victim.
    InOrder,
}

impl AuditConfig {
    /// Pairs of victim and shadow, in order.
    pub fn pairs(&self) -> Vec<(&ModelRef, &ModelRef)> {
        let shadows = if self.shadows.is_empty() {
            &self.victims
        } else {
            &self.shadows
        };
        match self.pairing {
            Pairing::All => self
                .victims
                .iter()
                .flat_map(|v| shadows.iter().map(move |s| (v, s)))
                .collect(),
            Pairing::InOrder => self
                .victims
                .iter()
                .zip(shadows.iter().cycle().take(if shadows.len() == 1 {
                    self.victims.len()
                } else {
                    shadows.len()
                }))
                .collect(),
        }
    }
}

/// Controls: numbers that say how far to trust the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlConfig {
    /// Attack the shadow as if it were the victim: it saw neither set, so only chance is sound.
    #[serde(default = "yes")]
    pub null_victim: bool,
    /// Tell members from non-members without any model.
    #[serde(default = "blind")]
    pub blind: Option<BlindConfig>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn blind() -> Option<BlindConfig> {
    Some(BlindConfig::default())
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            null_victim: yes(),
            blind: blind(),
        }
    }
}

/// Intervals and false positive rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatisticsConfig {
    /// Bootstrap replicates of each interval.
    pub replicates: u32,
    /// False positive rates to report the true positive rate at; those finer than the records allow are refused and
    /// said so.
    pub fpr: Vec<f64>,
}

impl Default for StatisticsConfig {
    fn default() -> Self {
        Self {
            replicates: 1000,
            fpr: vec![0.1, 0.01, 0.001],
        }
    }
}

impl Recipe {
    /// A hash of the resolved recipe.
    ///
    /// # Errors
    /// If it cannot be serialised (a bug of ours).
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let bytes = serde_json::to_vec(self)
            .map_err(|e| Error::Internal(format!("recipe {}: {e}", self.name)))?;
        Ok(Fingerprint::of(&bytes))
    }

    /// The model a reference means: one of the recipe's models, or a network trained as the recipe says.
    ///
    /// # Errors
    /// If there is neither, or its network is missing.
    pub fn model(&self, name: &str) -> Result<ModelConfig> {
        let model = self.model.get(name).cloned().unwrap_or(ModelConfig {
            network: name.to_owned(),
            train_records: None,
            epochs: None,
            defence: None,
            poison: None,
        });
        if let Some(defence) = model
            .defence
            .as_ref()
            .filter(|d| !self.defence.contains_key(*d))
        {
            let known: Vec<&str> = self.defence.keys().map(String::as_str).collect();
            return Err(Error::config(
                format!("model `{name}`"),
                format!("there is no [defence.{defence}] in the recipe"),
            )
            .with_hint(format!("it has: {}", known.join(", "))));
        }
        if model.defence.is_some() && model.poison.is_some() {
            return Err(Error::config(
                format!("model `{name}`"),
                "a model is defended or poisoned, not both",
            ));
        }
        if self.network.contains_key(&model.network) {
            return Ok(model);
        }
        let known: Vec<&str> = self
            .model
            .keys()
            .chain(self.network.keys())
            .map(String::as_str)
            .collect();
        Err(Error::config(
            format!("model `{name}`"),
            format!("there is no network `{}` in the recipe", model.network),
        )
        .with_hint(format!("it has: {}", known.join(", "))))
    }

    /// Training records of a model.
    pub fn train_records(&self, model: &ModelConfig) -> usize {
        model.train_records.unwrap_or(self.split.train)
    }

    /// Epochs of a model's training.
    pub fn epochs(&self, model: &ModelConfig) -> u32 {
        model.epochs.unwrap_or(self.training.epochs)
    }

    /// Every model that takes part, in order of first mention, with all epochs at which it is used.
    ///
    /// # Errors
    /// As [`Recipe::model`].
    pub fn models_in_use(&self) -> Result<Vec<(ModelConfig, BTreeSet<u32>)>> {
        let mut models: Vec<(ModelConfig, BTreeSet<u32>)> = Vec::new();
        let audits = self.audit.iter();
        let references = audits
            .flat_map(|audit| audit.victims.iter().chain(&audit.shadows))
            .chain(self.pool.iter().map(|pool| &pool.model));
        for reference in references {
            let model = self.model(&reference.model)?;
            let epoch = reference.epoch.unwrap_or(self.epochs(&model));
            use_model(&mut models, model, epoch);
        }
        for backdoor in &self.backdoor {
            for reference in &backdoor.victims {
                let model = self.model(&reference.model)?;
                let epoch = reference.epoch.unwrap_or(self.epochs(&model));
                use_model(&mut models, model, epoch);
                let twin = self.clean_twin(backdoor, reference)?;
                let of_twin = backdoor.clean.as_ref().unwrap_or(reference).epoch;
                let epoch = of_twin.unwrap_or(self.epochs(&twin));
                use_model(&mut models, twin, epoch);
            }
        }
        Ok(models)
    }

    /// The most records that any model trains on.
    ///
    /// # Errors
    /// As [`Recipe::model`].
    pub fn largest_train(&self) -> Result<usize> {
        let models = self.models_in_use()?;
        let sizes = models.iter().map(|(m, _)| self.train_records(m));
        Ok(sizes.max().unwrap_or(self.split.train))
    }

    /// Records that the data set must have, for the audits and for the pools.
    ///
    /// # Errors
    /// As [`Recipe::model`].
    pub fn needed(&self) -> Result<usize> {
        let audits = if self.audit.is_empty() && self.backdoor.is_empty() {
            0
        } else {
            self.split.needed(self.largest_train()?)
        };
        let pools = self.pool.iter().map(PoolConfig::needed);
        Ok(pools.max().unwrap_or(0).max(audits))
    }

    /// Checks what types cannot: that every name means something and every number is usable.
    ///
    /// # Errors
    /// Names the key at fault.
    pub fn validate(&self) -> Result<()> {
        if self.recipe_version != RECIPE_VERSION {
            return Err(Error::config(
                "recipe_version",
                format!(
                    "{} is not {RECIPE_VERSION}, the format of this build",
                    self.recipe_version
                ),
            ));
        }
        check_name(&self.name)?;
        if self.seeds == 0 || self.seeds > 1000 {
            return Err(Error::config("seeds", "must be 1 to 1000"));
        }
        let Some(role) = self.data.get(&self.split.data) else {
            return Err(Error::config(
                "split.data",
                format!("there is no [data.{}]", self.split.data),
            ));
        };
        if role.size.iter().any(|s| !(8..=4096).contains(s)) {
            return Err(Error::config(
                format!("data.{}.size", self.split.data),
                "height and width are 8 to 4096",
            ));
        }
        for network in self.network.values() {
            network.validate()?;
        }
        self.training.validate()?;
        self.validate_defences(role.size)?;
        for attack in self.attack.values() {
            attack.validate()?;
        }
        self.validate_poison()?;
        self.validate_audits()?;
        if !self.audit.is_empty() || !self.backdoor.is_empty() {
            self.split.validate(self.largest_train()?)?;
        }
        for (i, pool) in self.pool.iter().enumerate() {
            pool.validate(&format!("pool[{i}]"), self)?;
        }
        self.validate_statistics()?;
        self.validate_layout()
    }

    fn validate_defences(&self, size: [usize; 2]) -> Result<()> {
        for (name, defence) in &self.defence {
            defence.validate()?;
            let at = format!("defence.{name}");
            if let Some(tile) = defence.tile()
                && (tile[0] > size[0] || tile[1] > size[1])
            {
                return Err(Error::config(
                    at,
                    format!(
                        "a crop of {}x{} is larger than the images of {}x{}",
                        tile[0], tile[1], size[0], size[1]
                    ),
                ));
            }
            if defence.needs_reference() && self.split.reference == 0 {
                return Err(Error::config(
                    at,
                    "it needs reference records, and split.reference is 0",
                )
                .with_hint("set split.reference to a number of records per side"));
            }
        }
        self.overview
            .as_ref()
            .map_or(Ok(()), OverviewConfig::validate)
    }

    fn validate_audits(&self) -> Result<()> {
        if self.split.one_sided && !self.audit.is_empty() {
            return Err(Error::config(
                "split.one_sided",
                "membership attacks need a shadow's half",
            ));
        }
        if self.audit.is_empty() && self.backdoor.is_empty() && self.pool.is_empty() {
            return Err(Error::config("audit", "the recipe audits nothing"));
        }
        for (i, audit) in self.audit.iter().enumerate() {
            let at = |key: &str| format!("audit[{i}].{key}");
            if audit.victims.is_empty() {
                return Err(Error::config(at("victims"), "there is none"));
            }
            if audit.attacks.is_empty() {
                return Err(Error::config(at("attacks"), "there is none"));
            }
            if audit.pairing == Pairing::InOrder
                && ![0, 1, audit.victims.len()].contains(&audit.shadows.len())
            {
                return Err(Error::config(
                    at("shadows"),
                    "paired in order, there is one shadow or one for each victim",
                ));
            }
            for name in &audit.attacks {
                if self.attack.get(name).is_some_and(AttackConfig::needs_pool) {
                    return Err(Error::config(
                        at("attacks"),
                        format!("`{name}` is an attack across models"),
                    )
                    .with_hint("name it in a [[pool]], which trains the models it needs"));
                }
                if !self.attack.contains_key(name) {
                    let known: Vec<&str> = self.attack.keys().map(String::as_str).collect();
                    return Err(Error::config(
                        at("attacks"),
                        format!("there is no [attack.{name}]"),
                    )
                    .with_hint(format!("the recipe has: {}", known.join(", "))));
                }
            }
            for reference in audit.victims.iter().chain(&audit.shadows) {
                let model = self.model(&reference.model)?;
                let last = self.epochs(&model);
                if reference.epoch.is_some_and(|epoch| epoch > last) {
                    return Err(Error::config(
                        format!("model `{reference}`"),
                        format!("its training has {last} epochs"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn validate_statistics(&self) -> Result<()> {
        let statistics = &self.statistics;
        if !(100..=1_000_000).contains(&statistics.replicates) {
            return Err(Error::config(
                "statistics.replicates",
                "must be 100 to 1000000",
            ));
        }
        if let Some(fpr) = statistics.fpr.iter().find(|f| !(0.0..=1.0).contains(*f)) {
            return Err(Error::config(
                "statistics.fpr",
                format!("{fpr} is not in [0, 1]"),
            ));
        }
        Ok(())
    }

    fn validate_layout(&self) -> Result<()> {
        for figure in &self.figure {
            let FigureConfig::Panels { id, models, .. } = figure else {
                continue;
            };
            let is_victim = |name: &&String| {
                let mut victims = self.audit.iter().flat_map(|a| &a.victims);
                victims.any(|v| v.to_string() == **name)
            };
            if let Some(name) = models.iter().find(|name| !is_victim(name)) {
                return Err(Error::config(
                    format!("figure {id}"),
                    format!("`{name}` is no victim of any audit"),
                ));
            }
        }
        for published in &self.published {
            for row in &published.rows {
                if row.len() != published.columns.len() {
                    return Err(Error::config(
                        "published.rows",
                        format!(
                            "a row of {} cells under {} columns",
                            row.len(),
                            published.columns.len()
                        ),
                    ));
                }
                for (column, cell) in published.columns.iter().zip(row) {
                    if column.contains('.')
                        && !matches!(cell, Condition::Number(_) | Condition::Count(_))
                    {
                        return Err(Error::config(
                            format!("published.rows, column {column}"),
                            format!("`{cell}` is not a number"),
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

fn use_model(models: &mut Vec<(ModelConfig, BTreeSet<u32>)>, model: ModelConfig, epoch: u32) {
    match models.iter_mut().find(|(m, _)| *m == model) {
        Some((_, epochs)) => _ = epochs.insert(epoch),
        None => models.push((model, BTreeSet::from([epoch]))),
    }
}

fn check_name(name: &str) -> Result<()> {
    let part = |p: &str| {
        !p.is_empty()
            && p.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.len() <= 100 && name.split('/').all(part) {
        return Ok(());
    }
    Err(Error::config(
        "name",
        format!("`{name}` is not made of a-z, 0-9 and -, with / between parts"),
    ))
}

#[cfg(test)]
mod tests;
