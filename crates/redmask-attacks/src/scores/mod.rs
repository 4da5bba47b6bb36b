//! Attacks on signals across models: pure functions of matrices, whatever made the numbers.
//!
//! A record's signal under the target is judged against the same record's signals under shadow models that did and did
//! not see it ([`Lira`], [`Rmia`], [`AttackR`], [`Difficulty`]), or against other records under the same target
//! ([`AttackP`], [`QuantileRegression`]), or weighed with other signals ([`SignalCombination`]). Reduce an image to a signal first ([`crate::signals`]); statistics then run
//! over models, never over pixels.
//!
//! Signals are oriented: higher means more likely a member. [`Rmia`] reads its signal as a log-likelihood and so wants
//! [`crate::signals::Signal::Loss`]; the Gaussian attacks want one on the logit scale, such as
//! [`crate::signals::Signal::Margin`] or [`crate::signals::Signal::Confidence`].

mod attack_p;
mod attack_r;
mod calibrate;
mod combination;
mod difficulty;
mod lira;
mod matrix;
mod quantile_regression;
mod rmia;
mod threshold;

use std::fmt::Debug;

use redmask_core::{Result, ThreatModel};

pub use attack_p::AttackP;
pub use attack_r::{AttackR, Tail};
pub use calibrate::calibrate;
pub use combination::SignalCombination;
pub use difficulty::Difficulty;
pub use lira::{Centre, Lira, Side, Variance, offline_probability};
pub use matrix::{Population, ScoreInput, ShadowScores};
pub use quantile_regression::QuantileRegression;
pub use rmia::{PopulationPrior, Rmia, choose_offline_a};
pub use threshold::SignalThreshold;

/// An attack that turns signals into membership scores.
pub trait ScoreAttack: Debug + Send + Sync {
    /// The name in results, in `snake_case`.
    fn name(&self) -> String;

    /// The least this adversary must see and know.
    fn threat_model(&self) -> ThreatModel;

    /// One finite score for each audited record; higher means more likely a member.
    ///
    /// # Errors
    /// [`redmask_core::Error::Config`] if the attack needs shadows or a population that the input does not have, or is
    /// configured out of range; [`redmask_core::Error::Numeric`] if the numbers are degenerate.
    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>>;
}
