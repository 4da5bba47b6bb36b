//! How well a backdoor works, what it costs, and what a repair gives back.
//!
//! Three label maps of one image meet here: `truth` (the annotation), `wanted` (the annotation after the attacker's
//! relabelling), and `predicted`. *Attacked* pixels are those where `truth` and `wanted` differ; a pixel that is ignored in
//! either takes part in nothing. For "every `v` becomes `t`" the attacked pixels are those of class `v`, and the rates
//! are those of the Influencer Backdoor Attack (Lan et al., ICLR 2024).
//!
//! No rate means much alone: print with it the clean model under the same trigger, the poisoned model without a trigger and
//! under a wrong trigger of the same size, and how many images were skipped because no legal place existed.

mod benign;
mod collateral;
mod embedded;
mod repair;
mod success;

pub use benign::BenignAccuracy;
pub use collateral::{Collateral, Rings, TriggerBox};
pub use embedded::{AreaPair, Embedded, embedded};
pub use repair::{defence_effectiveness, recovery};
pub use success::{AttackSuccess, SuccessCounts, net_success};

use redmask_core::LabelMap;

use crate::error::{MetricError, Result};

fn same_size(what: &'static str, left: &LabelMap, right: &LabelMap) -> Result<()> {
    if (left.height(), left.width()) == (right.height(), right.width()) {
        return Ok(());
    }
    Err(MetricError::SizeMismatch {
        what,
        left: format!("{}x{}", left.height(), left.width()),
        right: format!("{}x{}", right.height(), right.width()),
    })
}
