//! Runs what the store does not have, one stage after the other, on this machine.

use std::time::Instant;

use redmask_core::Result;

use crate::provenance::{StageLog, peak_memory};
use crate::stages::{self, Workshop};
use crate::store::{Begin, StageCost};

/// Runs a plan. What an earlier run left is used; an interrupted stage goes on at its last checkpoint.
///
/// # Errors
/// The first stage's error. What was finished stays in the store.
pub(crate) fn execute(workshop: &Workshop<'_>) -> Result<Vec<StageLog>> {
    let Workshop {
        plan,
        store,
        session,
        ..
    } = *workshop;
    let total = plan.stages.len();
    let mut task = session.progress.start("run", total as u64, "stage");
    let mut logs = Vec::with_capacity(total);
    for (i, stage) in plan.stages.iter().enumerate() {
        session.cancel.check()?;
        task.message(&stage.label);
        let (stored, cached) = match store.begin(stage.key, session)? {
            Begin::Done(stored) => (stored, true),
            Begin::Todo(slot) => {
                let clock = Instant::now();
                let config = stages::run(workshop, stage, &slot)?;
                let seconds = clock.elapsed().as_secs_f64();
                let cost = StageCost {
                    seconds,
                    peak_bytes: peak_memory(),
                    threads: rayon::current_num_threads(),
                    work: stage.work.gflop,
                };
                let stored = slot.commit(&stage.label, config, cost)?;
                session.progress.line(&format!(
                    "[{}/{total}] {}: {seconds:.1} s",
                    i + 1,
                    stage.label
                ));
                (stored, false)
            }
        };
        task.advance(1);
        logs.push(StageLog {
            record: stored.record().clone(),
            cached,
        });
    }
    Ok(logs)
}
