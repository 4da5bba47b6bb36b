//! The attacks a recipe can name.

use std::path::Path;

use burn::tensor::Device;
use redmask_attacks::classifier::{ClassifierAttack, ClassifierAttackConfig};
use redmask_attacks::combination::{Combination, CombinationConfig};
use redmask_attacks::global_loss::{GlobalLoss, GlobalLossConfig};
use redmask_attacks::label_only::{LabelOnly, LabelOnlyConfig};
use redmask_attacks::membership::MembershipAttack;
use redmask_attacks::patch::{PatchAttack, PatchConfig};
use redmask_attacks::signals::{Signal, SignalConfig};
use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::recipe::{
    AttackRConfig, DifficultyConfig, LiraConfig, RmiaConfig, ScalarConfig, ScoreConfig,
};

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
    /// A threshold on the loss of the record, or on any other signal.
    GlobalLoss(GlobalLossConfig),
    /// A regression on how right and how steady the labels are.
    LabelOnly(LabelOnlyConfig),
    /// A regression on all signals.
    Combination(CombinationConfig),
    /// A classifier of patches of the loss map.
    Patch(PatchConfig),
    /// The likelihood-ratio attack across models.
    Lira(LiraConfig),
    /// The robust membership attack across models.
    Rmia(RmiaConfig),
    /// The target's signals on a population.
    AttackP(ScalarConfig),
    /// The record's signals under models that did not see it.
    AttackR(AttackRConfig),
    /// What signal a record like this should have.
    QuantileRegression(ScalarConfig),
    /// The signal minus what it is without the record.
    Difficulty(DifficultyConfig),
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
            Self::LabelOnly(config) => Box::new(LabelOnly::new(*config)),
            Self::Combination(config) => Box::new(Combination::new(config.clone())?),
            Self::Patch(config) => {
                Box::new(PatchAttack::new(config.clone(), Device::flex(), folder)?)
            }
            Self::Lira(_)
            | Self::Rmia(_)
            | Self::AttackP(_)
            | Self::AttackR(_)
            | Self::QuantileRegression(_)
            | Self::Difficulty(_) => {
                return Err(Error::Internal(
                    "an attack across models outside of a pool".into(),
                ));
            }
        })
    }

    /// Whether the attack compares models that a pool trains.
    pub fn needs_pool(&self) -> bool {
        if let Self::GlobalLoss(config) = self {
            return config.signal == Signal::GradientNorm;
        }
        matches!(
            self,
            Self::Lira(_)
                | Self::Rmia(_)
                | Self::AttackP(_)
                | Self::AttackR(_)
                | Self::QuantileRegression(_)
                | Self::Difficulty(_)
        )
    }

    /// The attack on signals at hand, for pools; `None` for attacks that query models themselves.
    pub fn score(&self) -> Option<ScoreConfig> {
        Some(match self {
            Self::Lira(config) => ScoreConfig::Lira(config.clone()),
            Self::Rmia(config) => ScoreConfig::Rmia(config.clone()),
            Self::AttackP(config) => ScoreConfig::AttackP(config.clone()),
            Self::AttackR(config) => ScoreConfig::AttackR(config.clone()),
            Self::QuantileRegression(config) => ScoreConfig::QuantileRegression(config.clone()),
            Self::Difficulty(config) => ScoreConfig::Difficulty(config.clone()),
            Self::GlobalLoss(config)
                if !config.paper_compat && config.signals == SignalConfig::default() =>
            {
                ScoreConfig::Threshold(ScalarConfig {
                    signal: config.signal,
                    mirror: false,
                })
            }
            Self::Combination(config)
                if config.mirror && config.signals == SignalConfig::default() =>
            {
                ScoreConfig::Combination {
                    vector: config.vector.clone(),
                }
            }
            _ => return None,
        })
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::TypeI(config) | Self::TypeII(config) => config.training().validate(),
            // Pools collect it; everything else is refused it by the attack itself.
            Self::GlobalLoss(config)
                if config.signal == Signal::GradientNorm && self.score().is_some() =>
            {
                Ok(())
            }
            Self::GlobalLoss(config) => GlobalLoss::new(*config).map(drop),
            Self::LabelOnly(_) => Ok(()),
            Self::Combination(config) => Combination::new(config.clone()).map(drop),
            Self::Patch(config) => config.validate(),
            Self::Lira(_)
            | Self::Rmia(_)
            | Self::AttackP(_)
            | Self::AttackR(_)
            | Self::QuantileRegression(_)
            | Self::Difficulty(_) => match self.score() {
                Some(score) => score.validate(),
                None => Ok(()),
            },
        }
    }

    /// Floating-point operations of the attack's own training on `records` records, in units of 1e9.
    pub(crate) fn training_gflop(&self, records: usize, size: [usize; 2]) -> f64 {
        let config = match self {
            Self::TypeI(config) | Self::TypeII(config) => config,
            Self::Patch(config) => {
                let pixels = (config.patches * config.size * config.size) as f64;
                let epochs = f64::from(config.training.epochs);
                return 3.0 * SMALL_FLOP_A_PIXEL * pixels * records as f64 * epochs / 1e9;
            }
            _ => return 0.0,
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
            _ => false,
        }
    }
}

/// ResNet-34: 7.3 GFLOP over 224 x 224 pixels.
const PUBLISHED_FLOP_A_PIXEL: f64 = 7.3e9 / (224.0 * 224.0);
/// The default classifier, counted from its layers.
const SMALL_FLOP_A_PIXEL: f64 = 2.0e4;
