//! Which models a recipe trains, and how it refers to them.

use std::fmt;
use std::str::FromStr;

use redmask_core::Error;
use serde::{Deserialize, Serialize};

/// A model of a recipe: a network, and what differs from the recipe's training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The network's name in the recipe.
    pub network: String,
    /// Training records, instead of the split's.
    #[serde(default)]
    pub train_records: Option<usize>,
    /// Epochs, instead of the training's.
    #[serde(default)]
    pub epochs: Option<u32>,
    /// A defence by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defence: Option<String>,
    /// The `[poison.NAME]` that its training records are altered by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poison: Option<String>,
}

/// `MODEL` or `MODEL@EPOCH`: a model after its last epoch or after an earlier one of the same training.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRef {
    /// A model, or a network trained as the recipe says.
    pub model: String,
    /// The epoch, from 1.
    pub epoch: Option<u32>,
}

impl FromStr for ModelRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (model, epoch) = match text.split_once('@') {
            None => (text, None),
            Some((model, epoch)) => match epoch.parse() {
                Ok(n) if n > 0 => (model, Some(n)),
                _ => {
                    return Err(Error::config(
                        format!("model `{text}`"),
                        "after `@` stands an epoch, from 1",
                    ));
                }
            },
        };
        Ok(Self {
            model: model.to_owned(),
            epoch,
        })
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)?;
        match self.epoch {
            Some(epoch) => write!(f, "@{epoch}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for ModelRef {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> Self {
        model.to_string()
    }
}
