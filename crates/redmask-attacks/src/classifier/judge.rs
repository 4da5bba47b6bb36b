//! From a trained attack classifier to an outcome.

use redmask_core::Result;
use redmask_metrics::{BinaryCounts, Roc};
use redmask_train::ClassifierOutcome;

use crate::membership::{
    Decision, EpochScores, EpochSpread, MembershipAttack, MembershipOutcome, Target,
    ThresholdSource,
};

/// Below this area on held-out shadow records a classifier has hardly learnt.
const LEARNT: f64 = 0.55;

/// One evaluation set of a trained classifier.
pub(crate) struct Verdict<'a> {
    pub(crate) trained: &'a ClassifierOutcome,
    /// Position of the set among those evaluated.
    pub(crate) set: usize,
    /// Take the last epoch instead of the best one.
    pub(crate) last_epoch: bool,
    /// From the set's scores to one score for each record, members first.
    pub(crate) per_record: &'a dyn Fn(&[f32]) -> Vec<f64>,
}

impl Verdict<'_> {
    fn chosen_epoch(&self) -> u32 {
        if self.last_epoch {
            self.trained.history.len() as u32
        } else {
            self.trained.best_epoch
        }
    }

    /// The outcome of `attack` on the set's target. Scores are logits, so the cut at zero is a probability of one half.
    pub(crate) fn outcome(
        &self,
        attack: &dyn MembershipAttack,
        target: &Target<'_>,
    ) -> Result<MembershipOutcome> {
        let chosen = self.chosen_epoch();
        let scores = (self.per_record)(self.trained.scores(chosen, self.set));
        let (members, others) = scores.split_at(target.members.len());
        let mut outcome = MembershipOutcome::new(
            attack.name(),
            attack.threat_model(),
            target,
            members,
            others,
            Decision {
                threshold: 0.0,
                source: ThresholdSource::Half,
            },
        )?;
        let epochs = self.epochs(members.len())?;
        let diagnostics = &mut outcome.diagnostics;
        diagnostics.last_epochs = EpochSpread::of_last_ten(&epochs);
        diagnostics.chosen_epoch = Some(chosen);
        if let Some(auc) = epochs[chosen as usize - 1].held_out_auc {
            diagnostics.values.insert("held_out_auc".to_owned(), auc);
            if auc < LEARNT {
                diagnostics.warnings.push(format!(
                    "the attack classifier hardly learnt to tell the shadows' own held-out records apart (AUC {auc:.2}); \
                     a low figure says little about the victim"
                ));
            }
        }
        diagnostics.epochs = epochs;
        Ok(outcome)
    }

    /// The measurements of the set after every epoch.
    fn epochs(&self, members: usize) -> Result<Vec<EpochScores>> {
        self.trained
            .history
            .iter()
            .map(|record| {
                let scores = (self.per_record)(&record.report.scores[self.set]);
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
}
