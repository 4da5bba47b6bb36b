//! Recipes, plans, the run store and the executor.
//!
//! A [`recipe::Recipe`] names data by role, models, attacks, controls, tables. [`bind::bind`] opens its data,
//! [`plan::plan`] expands it to a graph of pure stages, [`run::run`] executes what the [`store::Store`] does not have and
//! writes the files of a run.

pub mod audit;
pub mod backdoor;
pub mod bind;
pub mod deal;
mod executor;
pub mod out;
pub mod plan;
pub mod pool;
pub mod provenance;
pub mod quality;
pub mod recipe;
mod records;
pub mod replicas;
pub mod results;
pub mod run;
mod stages;
pub mod store;
pub mod weights;

pub use bind::{Binding, BoundData, bind};
pub use out::{OutDir, RunIdentity};
pub use recipe::{Recipe, RecipeSource};
pub use run::{Destination, Experiment, RunOutcome, run};
pub use weights::{InitialWeights, WeightsArg, initial_weights};
