//! What an attack's success says about differential privacy, and what differential privacy says about an attack.
//!
//! A lower bound here contradicts any claim of a smaller epsilon, at the stated confidence. It assumes independent
//! trials: records scored by *one* model share its randomness, so a bound from one model is heuristic unless it comes
//! from [`one_run`], which was made for that case.

mod bound;
pub mod ceiling;
pub mod gaussian;
pub mod one_run;
mod selection;

pub use bound::{EpsilonBound, epsilon_lower_bound};
pub use gaussian::GaussianDp;
pub use one_run::OneRunAudit;
pub use selection::{SelectedBound, ThresholdSelection, select_epsilon_bound};
