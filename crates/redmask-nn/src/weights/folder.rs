//! A saved model: a folder with `model.safetensors` and `model.toml`.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use redmask_core::{Error, Result, Seed};
use serde::{Deserialize, Serialize};

use super::{Checkpoint, load, save};
use crate::network::{NetworkConfig, SegmentationNetwork};
use crate::scaling::InputScaling;
use crate::weights::save::write_whole;

const WEIGHTS: &str = "model.safetensors";
const CARD: &str = "model.toml";

/// What must be known of a network besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// Names of the classes in the order of the outputs; two for a network with one output.
    pub classes: Vec<String>,
    /// How pixels become inputs.
    pub scaling: InputScaling,
    /// The architecture.
    pub network: NetworkConfig,
}

impl ModelCard {
    fn validate(&self, path: &Path) -> Result<()> {
        self.network.validate()?;
        let k = self.network.class_count();
        if self.classes.len() == k {
            return Ok(());
        }
        Err(Error::input(
            path,
            format!(
                "{} class names for a network of {k} classes",
                self.classes.len()
            ),
        ))
    }
}

/// Writes `card` and the weights of `network` into `folder`, creating it if need be. `model.toml` comes last, so a
/// folder that has it is complete.
///
/// # Errors
/// If the card contradicts itself or a file cannot be written.
pub fn save_model(folder: &Path, card: &ModelCard, network: &SegmentationNetwork) -> Result<()> {
    let path = folder.join(CARD);
    card.validate(&path)?;
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, "creating", e))?;
    save(network, &folder.join(WEIGHTS))?;
    let text = toml::to_string(card).map_err(|e| Error::Internal(format!("model card: {e}")))?;
    write_whole(&path, text.as_bytes())
}

/// Reads back what [`save_model`] wrote.
///
/// # Errors
/// If a file is missing, malformed, or does not fit the other.
pub fn load_model(folder: &Path, device: &Device) -> Result<(ModelCard, SegmentationNetwork)> {
    let path = folder.join(CARD);
    let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, "reading", e))?;
    let card: ModelCard = toml::from_str(&text).map_err(|e| Error::input(&path, e.to_string()))?;
    card.validate(&path)?;
    // Every weight is overwritten; the seed only fills the places.
    let network = card.network.init(Seed::root(0), device)?;
    let checkpoint = Checkpoint::open(&folder.join(WEIGHTS))?;
    let (network, report) = load(network, &checkpoint)?;
    if let Some(extra) = report.unused.first() {
        return Err(Error::input(
            checkpoint.path(),
            format!("`{extra}` has no place in the network of {CARD}"),
        ));
    }
    Ok((card, network))
}
