//! Backdoors a recipe can plant, and how they are measured.

use std::collections::BTreeMap;

use redmask_core::{Error, Result};
use redmask_poison::PoisonConfig;
use serde::{Deserialize, Serialize};

use super::{ModelConfig, ModelRef, Recipe};

/// Which poisoned models are measured, and against what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackdoorConfig {
    /// Models with `poison`.
    pub victims: Vec<ModelRef>,
    /// The clean twin, for the control and for what the poison costs; by default the same network, trained from the same seed on
    /// the same records without poison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean: Option<ModelRef>,
    /// Edges of distance rings, pixels: success is also measured with the trigger in each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rings: Vec<f64>,
    /// Trigger sizes to measure success with, besides the one that was trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<usize>,
    /// Opacities to measure success with, besides the one that was trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opacities: Vec<f64>,
}

impl Recipe {
    /// The attack that a model is trained under.
    pub fn poison_of(&self, model: &ModelConfig) -> Option<&PoisonConfig> {
        model.poison.as_ref().and_then(|name| self.poison.get(name))
    }

    /// The clean twin of a poisoned model.
    ///
    /// # Errors
    /// As [`Recipe::model`].
    pub fn clean_twin(&self, backdoor: &BackdoorConfig, victim: &ModelRef) -> Result<ModelConfig> {
        match &backdoor.clean {
            Some(reference) => self.model(&reference.model),
            None => Ok(ModelConfig {
                poison: None,
                ..self.model(&victim.model)?
            }),
        }
    }

    pub(super) fn validate_poison(&self) -> Result<()> {
        for (name, model) in &self.model {
            if let Some(poison) = &model.poison
                && !self.poison.contains_key(poison)
            {
                let known: Vec<&str> = self.poison.keys().map(String::as_str).collect();
                return Err(Error::config(
                    format!("model.{name}.poison"),
                    format!("there is no [poison.{poison}]"),
                )
                .with_hint(format!("the recipe has: {}", known.join(", "))));
            }
        }
        for (i, backdoor) in self.backdoor.iter().enumerate() {
            let at = |key: &str| format!("backdoor[{i}].{key}");
            if backdoor.victims.is_empty() {
                return Err(Error::config(at("victims"), "there is none"));
            }
            for victim in &backdoor.victims {
                if self.model(&victim.model)?.poison.is_none() {
                    return Err(Error::config(
                        at("victims"),
                        format!("`{victim}` is trained without poison"),
                    )
                    .with_hint("name a model with `poison = \"NAME\"`"));
                }
            }
            if let Some(clean) = &backdoor.clean
                && self.model(&clean.model)?.poison.is_some()
            {
                return Err(Error::config(at("clean"), format!("`{clean}` is poisoned")));
            }
            if backdoor.rings.len() == 1 || !backdoor.rings.is_sorted_by(|a, b| a < b) {
                return Err(Error::config(
                    at("rings"),
                    "distances that rise, two or more",
                ));
            }
        }
        Ok(())
    }
}

/// Whether a table of attacks is left out of a recipe's hash: recipes without poison keep the keys that they had.
pub(super) fn none(poison: &BTreeMap<String, PoisonConfig>) -> bool {
    poison.is_empty()
}
