//! Reading what the stages left.

use redmask_attacks::controls::BlindOutcome;
use redmask_attacks::membership::MembershipOutcome;
use redmask_core::{Error, Result};

use crate::backdoor::BackdoorOutcome;
use crate::plan::{OutcomeAt, Plan};
use crate::quality::Quality;
use crate::store::{Store, Stored};

/// The file of an attack stage: one outcome for each target.
pub(crate) const OUTCOMES: &str = "outcomes.json";
/// The file of a predict stage.
pub(crate) const QUALITY: &str = "quality.json";
/// The file of a backdoor stage.
pub(crate) const BACKDOOR: &str = "backdoor.json";
/// The file of a blind control.
pub(crate) const BLIND: &str = "blind.json";

/// The finished stages of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Outcomes<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Where the stages are.
    pub store: &'a Store,
}

/// An attack's outcome on a victim and on its null victim.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackPair {
    /// On the victim.
    pub victim: MembershipOutcome,
    /// On the model that saw neither set.
    pub null: Option<MembershipOutcome>,
}

impl Outcomes<'_> {
    /// The output of a stage.
    ///
    /// # Errors
    /// If it is not finished or damaged.
    pub fn stage(&self, index: usize) -> Result<Stored> {
        let stage = &self.plan.stages[index];
        self.store
            .find(stage.key)?
            .ok_or_else(|| Error::Internal(format!("stage {} is not finished", stage.key)))
    }

    /// The outcome of a cell under one seed.
    ///
    /// # Errors
    /// As [`Outcomes::stage`].
    pub fn attack(&self, at: OutcomeAt) -> Result<AttackPair> {
        let outcomes: Vec<MembershipOutcome> = self.stage(at.stage)?.read_json(OUTCOMES)?;
        let take = |position: usize| {
            outcomes.get(position).cloned().ok_or_else(|| {
                Error::Internal(format!(
                    "attack stage {} has no target {position}",
                    at.stage
                ))
            })
        };
        Ok(AttackPair {
            victim: take(at.target)?,
            null: at.null.map(take).transpose()?,
        })
    }

    /// The quality that a predict stage measured.
    ///
    /// # Errors
    /// As [`Outcomes::stage`].
    pub fn quality(&self, index: usize) -> Result<Quality> {
        self.stage(index)?.read_json(QUALITY)
    }

    /// What a backdoor stage measured.
    ///
    /// # Errors
    /// As [`Outcomes::stage`].
    pub fn backdoor(&self, index: usize) -> Result<BackdoorOutcome> {
        self.stage(index)?.read_json(BACKDOOR)
    }

    /// The outcome of a blind control.
    ///
    /// # Errors
    /// As [`Outcomes::stage`].
    pub fn blind(&self, index: usize) -> Result<BlindOutcome> {
        self.stage(index)?.read_json(BLIND)
    }
}
