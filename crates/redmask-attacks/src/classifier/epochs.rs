//! Every epoch of the attack classifier, as seen on one target.

use redmask_core::Result;
use redmask_metrics::{BinaryCounts, Roc};
use redmask_train::ClassifierOutcome;

use crate::membership::EpochScores;

/// The measurements of evaluation set `set`, whose first `members` records are members, after every epoch.
pub(super) fn of_target(
    trained: &ClassifierOutcome,
    set: usize,
    members: usize,
) -> Result<Vec<EpochScores>> {
    trained
        .history
        .iter()
        .map(|record| {
            let scores: Vec<f64> = record.report.scores[set]
                .iter()
                .map(|&s| f64::from(s))
                .collect();
            let (inside, outside) = scores.split_at(members);
            let counts = BinaryCounts::at_threshold(inside, outside, 0.0)?;
            Ok(EpochScores {
                epoch: record.epoch,
                train_loss: record.train_loss,
                held_out_auc: record.report.held_out.as_ref().and_then(|h| h.auc),
                auc: Roc::new(inside, outside)?.auc(),
                // Both sides have records, so neither ratio is 0/0.
                accuracy: counts.accuracy().unwrap_or_default(),
                f1: counts.f1().unwrap_or_default(),
            })
        })
        .collect()
}
