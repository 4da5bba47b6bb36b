//! The defences a recipe can name.

use redmask_core::Result;
use redmask_defences::output::OutputDefence;
use redmask_defences::{Statement, TiledConfig};
use redmask_train::defence::TrainingDefence;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A defence, tagged by `kind`: one of the answers, or one of the training.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DefenceConfig {
    /// Changes what a model answers. The model is that of the undefended training.
    Output(OutputDefence),
    /// Changes how a model is trained.
    Training(TrainingDefence),
}

/// Every kind of output defence; all others are defences of the training.
const OUTPUT_KINDS: [&str; 6] = [
    "argmax",
    "gaussian-noise",
    "rounding",
    "temperature",
    "top-k",
    "tiled",
];

impl<'de> Deserialize<'de> for DefenceConfig {
    /// Looks at `kind` first, so that an unknown key is reported by the defence it was meant for.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let kind = value["kind"].as_str().unwrap_or_default();
        if OUTPUT_KINDS.contains(&kind) {
            serde_json::from_value(value).map(Self::Output)
        } else {
            serde_json::from_value(value).map(Self::Training)
        }
        .map_err(D::Error::custom)
    }
}

impl DefenceConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// If a value cannot be used.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Output(defence) => defence.validate(),
            Self::Training(defence) => defence.validate(),
        }
    }

    /// What the defence needs and promises.
    pub fn statement(&self) -> Statement {
        match self {
            Self::Output(defence) => defence.statement(),
            Self::Training(defence) => Statement::of_training(defence),
        }
    }

    /// Whether this is the published form rather than the corrected one.
    pub fn paper_compat(&self) -> bool {
        match self {
            Self::Output(defence) => defence.paper_compat(),
            Self::Training(defence) => defence.paper_compat(),
        }
    }

    /// The defence of the training, if it is one.
    pub fn training(&self) -> Option<&TrainingDefence> {
        match self {
            Self::Output(_) => None,
            Self::Training(defence) => Some(defence),
        }
    }

    /// What stands in front of the model when it answers. A network that was trained on crops is asked tile by tile.
    pub fn answers(&self) -> Option<OutputDefence> {
        match self {
            Self::Output(defence) => Some(*defence),
            Self::Training(TrainingDefence::Crop(crop)) if !crop.whole_image_inference => {
                Some(OutputDefence::Tiled(TiledConfig {
                    tile: crop.size,
                    overlap: crop.overlap,
                }))
            }
            Self::Training(_) => None,
        }
    }

    /// The size of the crop or tile that an image must have room for.
    pub(super) fn tile(&self) -> Option<[usize; 2]> {
        match self {
            Self::Output(OutputDefence::Tiled(tiled)) => Some(tiled.tile),
            Self::Training(TrainingDefence::Crop(crop)) => Some(crop.size),
            _ => None,
        }
    }

    /// Whether it cannot do without reference records.
    pub(super) fn needs_reference(&self) -> bool {
        self.training()
            .is_some_and(TrainingDefence::needs_reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_find_their_family() {
        let parse = |text: &str| toml::from_str::<DefenceConfig>(text);
        let argmax = parse("kind = \"argmax\"").unwrap();
        assert!(matches!(argmax, DefenceConfig::Output(_)));
        let crop = parse("kind = \"crop\"\nsize = [64, 48]").unwrap();
        assert!(matches!(
            crop.answers(),
            Some(OutputDefence::Tiled(tiled)) if tiled.tile == [64, 48]
        ));
        let error = parse("kind = \"crop\"\nsise = [64, 48]").unwrap_err();
        assert!(error.to_string().contains("sise"), "{error}");
        let error = parse("kind = \"magic\"").unwrap_err();
        assert!(error.to_string().contains("magic"), "{error}");
    }

    #[test]
    fn every_output_kind_is_known_here() {
        for kind in OUTPUT_KINDS {
            let value = serde_json::json!({ "kind": kind });
            let error = serde_json::from_value::<OutputDefence>(value).err();
            let unknown = error.is_some_and(|e| e.to_string().contains("unknown variant"));
            assert!(!unknown, "{kind}");
        }
    }
}
