//! Optimizers with PyTorch's arithmetic, their learning-rate schedules, and their state by parameter path.
//!
//! Burn's own driver keys the state by random parameter ids and writes it in hash order; a resumed or copied network
//! would lose it. Here the state belongs to the parameter's path (`encoder.layer1.0.conv1.weight`), so it can be
//! saved, compared and restored bit by bit.

mod config;
mod driver;
mod rule;
mod schedule;
mod state;

pub use config::{OptimizerConfig, RateGroup};
pub use driver::Optimizer;
pub use schedule::Schedule;
pub use state::{OptimizerState, SlotState};
