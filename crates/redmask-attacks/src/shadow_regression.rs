//! Attacks that weigh several numbers of a record by a logistic regression fitted on the shadows' records.

use rand::RngExt;
use redmask_core::{Predictor, Result, Seed, SegDataset};

use crate::linear::Logistic;
use crate::membership::{
    Decision, MembershipAttack, MembershipInput, MembershipOutcome, ThresholdSource,
    best_balanced_threshold,
};

/// Fits on `rows(predictor, data)` of every shadow, takes the threshold from held-out folds, and scores every target by
/// its log-odds. Records of one group share a fold.
pub(crate) fn run(
    attack: &dyn MembershipAttack,
    input: &MembershipInput<'_>,
    rows: impl Fn(&dyn Predictor, &dyn SegDataset) -> Result<Vec<Vec<f64>>>,
) -> Result<Vec<MembershipOutcome>> {
    let (mut known, mut labels, mut folds) = (Vec::new(), Vec::new(), Vec::new());
    for shadow in &input.shadows {
        for (data, member) in [(shadow.members, true), (shadow.non_members, false)] {
            known.extend(rows(shadow.predictor, data)?);
            labels.resize(known.len(), member);
            folds.extend(folds_by_group(data, input.seed));
        }
    }
    let fitted = Logistic::validated(&known, &labels, &folds)?;
    let side = |member: bool| -> Vec<f64> {
        let scores = fitted.held_out.iter().zip(&labels);
        scores
            .filter(|(_, l)| **l == member)
            .map(|(&s, _)| s)
            .collect()
    };
    let decision = Decision {
        threshold: best_balanced_threshold(&side(true), &side(false))?,
        source: ThresholdSource::ShadowRecords,
    };
    input
        .targets
        .iter()
        .map(|target| {
            let scores = |data| -> Result<Vec<f64>> {
                let rows = rows(target.predictor, data)?;
                Ok(rows.iter().map(|row| fitted.model.log_odds(row)).collect())
            };
            MembershipOutcome::new(
                attack.name(),
                attack.threat_model(),
                target,
                &scores(target.members)?,
                &scores(target.non_members)?,
                decision,
            )
        })
        .collect()
}

/// A random number for each record, equal for records of one group.
pub(crate) fn folds_by_group(data: &dyn SegDataset, seed: Seed) -> Vec<usize> {
    let seed = seed.child("folds");
    (0..data.len())
        .map(|i| seed.child(&data.group(i).0).rng().random_range(0..1 << 16))
        .collect()
}
