//! The attacks a recipe can name.

use redmask_attacks::global_loss::{GlobalLoss, GlobalLossConfig};
use redmask_attacks::membership::MembershipAttack;
use redmask_core::Result;
use serde::{Deserialize, Serialize};

/// A membership attack, tagged by `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AttackConfig {
    /// A threshold on the loss of the record.
    GlobalLoss(GlobalLossConfig),
}

impl AttackConfig {
    /// The attack, ready to run.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    pub fn build(&self) -> Result<Box<dyn MembershipAttack>> {
        Ok(match self {
            Self::GlobalLoss(config) => Box::new(GlobalLoss::new(*config)?),
        })
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// As [`AttackConfig::build`].
    pub fn validate(&self) -> Result<()> {
        self.build().map(drop)
    }

    /// Floating-point operations of the attack's own training on `records` records, in units of 1e9.
    pub(crate) fn training_gflop(&self, _records: usize, _size: [usize; 2]) -> f64 {
        match self {
            Self::GlobalLoss(_) => 0.0,
        }
    }

    /// Whether this is the published form rather than the corrected one.
    pub fn paper_compat(&self) -> bool {
        match self {
            Self::GlobalLoss(config) => config.paper_compat,
        }
    }
}
