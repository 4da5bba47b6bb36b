//! Runs what the store does not have, on this machine. Processes that share a store share the work: a stage that another
//! one computes is left to it, and the next that is ready is taken.

use std::thread;
use std::time::Instant;

use redmask_core::Result;

use crate::plan::Stage;
use crate::provenance::{StageLog, peak_memory};
use crate::stages::{self, Workshop};
use crate::store::{Begin, POLL, Slot, StageCost, Stored};

/// Runs a plan. What an earlier run left is used; an interrupted stage goes on at its last checkpoint. The order of the stages
/// changes no result.
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
    let mut logs: Vec<Option<StageLog>> = Vec::new();
    logs.resize_with(total, || None);
    let mut done = 0;
    let mut announced = false;
    while done < total {
        let before = done;
        for (i, stage) in plan.stages.iter().enumerate() {
            if logs[i].is_some() || stage.inputs.iter().any(|&input| logs[input].is_none()) {
                continue;
            }
            session.cancel.check()?;
            let Some(begin) = store.try_begin(stage.key)? else {
                continue;
            };
            let (stored, cached) = match begin {
                Begin::Done(stored) => (stored, true),
                Begin::Todo(slot) => {
                    task.message(&stage.label);
                    (compute(workshop, stage, slot, i + 1)?, false)
                }
            };
            task.advance(1);
            done += 1;
            logs[i] = Some(StageLog {
                record: stored.record().clone(),
                cached,
            });
        }
        if done == before {
            if !announced {
                let busy = plan.stages.iter().zip(&logs).find(|(_, log)| log.is_none());
                let label = busy.map_or("", |(stage, _)| &stage.label);
                session
                    .progress
                    .line(&format!("waiting for another run that computes `{label}`"));
                announced = true;
            }
            thread::sleep(POLL);
        }
    }
    Ok(logs.into_iter().flatten().collect())
}

fn compute(workshop: &Workshop<'_>, stage: &Stage, slot: Slot, position: usize) -> Result<Stored> {
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
    workshop.session.progress.line(&format!(
        "[{position}/{}] {}: {seconds:.1} s",
        workshop.plan.stages.len(),
        stage.label
    ));
    Ok(stored)
}
