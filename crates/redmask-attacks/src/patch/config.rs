//! How patches are chosen and judged.

use redmask_core::{Error, Result};
use redmask_nn::classifier::ClassifierConfig;
use redmask_train::ClassifierTrainConfig;
use serde::{Deserialize, Serialize};

/// What a patch shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Representation {
    /// The loss of each pixel, one channel. Of a model that gives labels only it is divided by 50, as published, so that a
    /// wrong pixel is 1.38.
    #[default]
    LossMap,
    /// Class probabilities, then the one-hot mask; with two classes the foreground's alone.
    Concatenation,
}

/// Where patches lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PatchSelection {
    /// Anywhere with equal chance, as published.
    #[default]
    Random,
    /// All positions of a sliding window.
    Grid {
        /// Its step, pixels.
        step: usize,
    },
    /// Centred on random changes of label, moved inside the image.
    Boundary,
    /// The windows of a half-overlapping grid with the highest mean loss.
    TopLoss,
}

/// Configuration of [`super::PatchAttack`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PatchConfig {
    /// What a patch shows.
    pub representation: Representation,
    /// Where patches lie.
    pub selection: PatchSelection,
    /// Side of a patch, pixels of the sampled map. Published: 90, of maps of 128 x 256.
    pub size: usize,
    /// Every how many pixels the map is sampled. Published: 8, the resolution of that model's answers.
    pub stride: usize,
    /// Patches of a record; a grid ignores it. Published: 6.
    pub patches: usize,
    /// Reject patches of which more than this share is ignored.
    pub max_ignored: f64,
    /// Reject patches of which one class covers more than this share.
    pub max_one_class: f64,
    /// Reject patches whose mean loss is below this, nats.
    pub min_loss: f64,
    /// The classifier; published is a ResNet-50.
    pub architecture: ClassifierConfig,
    /// Its training.
    pub training: ClassifierTrainConfig,
}

impl Default for PatchConfig {
    fn default() -> Self {
        Self {
            representation: Representation::default(),
            selection: PatchSelection::default(),
            size: 48,
            stride: 1,
            patches: 6,
            max_ignored: 0.5,
            max_one_class: 0.95,
            min_loss: 1e-3,
            architecture: ClassifierConfig::default(),
            training: ClassifierTrainConfig {
                batch_size: 16,
                horizontal_flip: true,
                vertical_flip: true,
                ..ClassifierTrainConfig::default()
            },
        }
    }
}

impl PatchConfig {
    /// # Errors
    /// If a value lies outside its range; the key is named.
    pub fn validate(&self) -> Result<()> {
        let counts = [
            ("size", self.size),
            ("stride", self.stride),
            ("patches", self.patches),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::config(*key, "must be at least 1"));
        }
        if self.selection == (PatchSelection::Grid { step: 0 }) {
            return Err(Error::config("selection.step", "must be at least 1"));
        }
        for (key, share) in [
            ("max_ignored", self.max_ignored),
            ("max_one_class", self.max_one_class),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::config(key, format!("{share} is not in [0, 1]")));
            }
        }
        self.training.validate()
    }
}
