//! Privacy defences that change what a model answers, and the statement of what any defence needs and promises.
//!
//! An output defence wraps a [`Predictor`](redmask_core::Predictor): see [`output::OutputDefence`]. Defences that change
//! the training are hooks of `redmask-train`; [`Statement`] covers both kinds.

pub mod output;
mod statement;
mod tiled;

#[cfg(test)]
mod testing;

pub use statement::{Guarantee, Need, Statement};
pub use tiled::{TiledConfig, TiledPredictor};
