//! Recipes, plans, the run store and the executor.

pub mod out;
pub mod store;

pub use out::{OutDir, RunIdentity};
