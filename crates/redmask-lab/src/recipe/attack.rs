//! The attacks a recipe can name.

use std::path::Path;

use burn::tensor::Device;
use redmask_attacks::classifier::{ClassifierAttack, ClassifierAttackConfig};
use redmask_attacks::global_loss::{GlobalLoss, GlobalLossConfig};
use redmask_attacks::membership::MembershipAttack;
use redmask_core::Result;
use serde::{Deserialize, Serialize};

/// A membership attack, tagged by `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AttackConfig {
    /// A classifier of the model's output.
    #[serde(rename = "type-i")]
    TypeI(ClassifierAttackConfig),
    /// A classifier of the model's output and the true mask.
    #[serde(rename = "type-ii")]
    TypeII(ClassifierAttackConfig),
    /// A threshold on the loss of the record.
    GlobalLoss(GlobalLossConfig),
}

impl AttackConfig {
    /// The attack, ready to run. `folder` is where attacks that train something keep their checkpoints.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    pub fn build(&self, folder: &Path) -> Result<Box<dyn MembershipAttack>> {
        let folder = folder.to_owned();
        Ok(match self {
            Self::TypeI(config) => Box::new(ClassifierAttack::type_i(
                config.clone(),
                Device::flex(),
                folder,
            )?),
            Self::TypeII(config) => Box::new(ClassifierAttack::type_ii(
                config.clone(),
                Device::flex(),
                folder,
            )?),
            Self::GlobalLoss(config) => Box::new(GlobalLoss::new(*config)?),
        })
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::TypeI(config) | Self::TypeII(config) => config.training().validate(),
            Self::GlobalLoss(config) => GlobalLoss::new(*config).map(drop),
        }
    }

    /// Floating-point operations of the attack's own training on `records` records, in units of 1e9.
    pub(crate) fn training_gflop(&self, records: usize, size: [usize; 2]) -> f64 {
        let config = match self {
            Self::TypeI(config) | Self::TypeII(config) => config,
            Self::GlobalLoss(_) => return 0.0,
        };
        let pixels = (size[0] * size[1]) as f64;
        let forward = if config.paper_compat {
            PUBLISHED_FLOP_A_PIXEL
        } else {
            SMALL_FLOP_A_PIXEL
        };
        3.0 * forward * pixels * records as f64 * f64::from(config.training().epochs) / 1e9
    }

    /// Whether this is the published form rather than the corrected one.
    pub fn paper_compat(&self) -> bool {
        match self {
            Self::TypeI(config) | Self::TypeII(config) => config.paper_compat,
            Self::GlobalLoss(config) => config.paper_compat,
        }
    }
}

/// ResNet-34: 7.3 GFLOP over 224 x 224 pixels.
const PUBLISHED_FLOP_A_PIXEL: f64 = 7.3e9 / (224.0 * 224.0);
/// The default classifier, counted from its layers.
const SMALL_FLOP_A_PIXEL: f64 = 2.0e4;
