//! What the adversary or the defender sees and knows.

use serde::{Deserialize, Serialize};

use crate::{Capability, Error, Result};

/// What the adversary queries.
pub type Access = Capability;

/// What the adversary knows besides the model's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// The true mask of each audited record.
    GroundTruth,
    /// Records of the same distribution, enough to train shadow models.
    ShadowData,
    /// The victim's architecture.
    Architecture,
    /// The victim's training procedure, defences included.
    Training,
    /// Non-members of the victim's distribution.
    Population,
}

/// A typed threat model: validated before any compute, printed in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatModel {
    /// The least the model must offer.
    pub access: Access,
    /// What else must be known, sorted.
    pub knowledge: Vec<Knowledge>,
}

impl ThreatModel {
    /// # Errors
    /// If a model with `offered` cannot serve this adversary.
    pub fn admit(&self, attack: &str, offered: Capability) -> Result<()> {
        if offered >= self.access {
            return Ok(());
        }
        Err(Error::unsupported(
            format!("the {attack} attack on this model"),
            format!("it needs {:?}, the model offers {offered:?}", self.access),
        ))
    }
}
