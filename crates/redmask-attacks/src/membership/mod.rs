//! The vocabulary of membership inference: what the adversary has, what an attack returns.
//!
//! One convention holds everywhere: **a higher score means "more likely a member"**, and a record is called a member
//! iff its score is at or above the threshold.
//!
//! The threshold never comes from the audited records. Attacks calibrate it on shadow records; an oracle choice may be
//! shown, but carries its own [`ThresholdSource`].

mod input;
mod outcome;
mod statistics;
mod threshold;

use std::fmt::Debug;

use redmask_core::{Result, Session, ThreatModel};

pub use input::{MembershipInput, Shadow, Target, TargetRole};
pub use outcome::{
    Decision, Diagnostics, EpochScores, EpochSpread, MembershipOutcome, RecordScore, Spread,
    ThresholdSource,
};
pub use statistics::{MembershipStatistics, PpvAtPrior, RateAtFpr, StatisticsConfig};
pub use threshold::best_balanced_threshold;

/// An attack that tells members from non-members.
///
/// Implement [`MembershipAttack::infer`]; call [`MembershipAttack::run`], which refuses a threat model that the input
/// cannot serve before any compute.
pub trait MembershipAttack: Debug + Send + Sync {
    /// The name in results, in `snake_case`: `membership.<name>.auc`.
    fn name(&self) -> &str;

    /// The least this adversary must see and know.
    fn threat_model(&self) -> ThreatModel;

    /// Fits on the shadows and scores every record of every target, in the order of the targets.
    ///
    /// # Errors
    /// As [`MembershipAttack::run`]; the input is valid when this is called.
    fn infer(
        &self,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<MembershipOutcome>>;

    /// Validates the input against the threat model, then infers. One outcome per target.
    ///
    /// # Errors
    /// If the input does not serve this adversary (see [`MembershipInput::validate`]), a record cannot be decoded, a
    /// model fails, or the session is cancelled.
    fn run(
        &self,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<MembershipOutcome>> {
        let warnings = input.validate(self.name(), &self.threat_model())?;
        let mut outcomes = self.infer(input, session)?;
        for (outcome, target_warnings) in outcomes.iter_mut().zip(warnings) {
            outcome.threat_model = input.effective_threat_model(&self.threat_model());
            outcome.diagnostics.warnings.splice(0..0, target_warnings);
        }
        Ok(outcomes)
    }
}
