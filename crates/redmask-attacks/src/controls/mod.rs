//! Controls: what an audit must show beside every attack before its number means anything.
//!
//! - [`blind`]: can members be told from non-members *without the model*? If so, the two sets differ by themselves, and
//!   every attack's number is at least partly that difference.
//! - [`null_victim`]: the same attack against a model that saw neither set. It should be at chance.

mod blind;
mod describe;
mod null_victim;
mod permutation;

pub use blind::{BlindConfig, BlindOutcome, blind};
pub use describe::descriptors;
pub use null_victim::null_victim;
