//! The work of each kind of stage: read inputs from the store, write outputs into a slot.

mod attack;
mod backdoor;
mod blind;
mod model;
mod poison;
mod predict;
mod score;
pub(crate) mod signal;
mod split;
mod tabulate;
mod train;

use redmask_core::{Error, Result, Session};

use crate::plan::{Plan, Stage, Task};
use crate::records::Records;
use crate::results::{Outcomes, Setting};
use crate::store::{Slot, Store, Stored};

pub(crate) use model::load as load_model;
pub(crate) use tabulate::{REPORT_DATA, RESULTS};
pub(crate) use train::read_log;

/// Images per query of a model. Large enough to keep two cores busy, small enough for 256 x 256 at full width.
pub(crate) const QUERY_BATCH: usize = 8;

/// What every stage may use.
pub(crate) struct Workshop<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) store: &'a Store,
    pub(crate) records: &'a Records,
    pub(crate) setting: &'a Setting<'a>,
    pub(crate) session: &'a Session,
}

impl Workshop<'_> {
    /// The output of an earlier stage.
    pub(crate) fn input(&self, index: usize) -> Result<Stored> {
        let stage = &self.plan.stages[index];
        self.store
            .find(stage.key)?
            .ok_or_else(|| Error::Internal(format!("stage {} is needed and not there", stage.key)))
    }

    pub(crate) fn outcomes(&self) -> Outcomes<'_> {
        Outcomes {
            plan: self.plan,
            store: self.store,
        }
    }
}

/// Does the work of one stage. Returns what the record shows as its configuration.
pub(crate) fn run(
    workshop: &Workshop<'_>,
    stage: &Stage,
    slot: &Slot,
) -> Result<serde_json::Value> {
    match &stage.task {
        Task::Split(task) => split::run(workshop, task, slot),
        Task::PoolSplit(task) => split::run_pool(workshop, task, slot),
        Task::Signal(task) => signal::run(workshop, task, slot),
        Task::Score(task) => score::run(workshop, task, slot),
        Task::Train(task) => train::run(workshop, task, slot),
        Task::Predict(task) => predict::run(workshop, task, slot),
        Task::Attack(task) => attack::run(workshop, task, slot),
        Task::Backdoor(task) => backdoor::run(workshop, task, slot),
        Task::Blind(task) => blind::run(workshop, task, slot),
        Task::Tabulate => tabulate::run(workshop, slot),
    }
}
