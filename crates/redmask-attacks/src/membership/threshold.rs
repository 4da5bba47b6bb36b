//! Choosing a decision threshold from records whose membership is known: shadow records, never audited ones.

use redmask_core::Result;
use redmask_metrics::Roc;

/// The threshold with the highest balanced accuracy `(TPR + TNR) / 2` for the rule "member iff score >= threshold".
///
/// Between two neighbouring scores every threshold decides alike, so their midpoint is returned. Of equally good
/// thresholds the highest wins: it calls fewer records members. With no score above which members prevail, the result
/// is above every score, and nothing is called a member.
///
/// ```
/// use redmask_attacks::membership::best_balanced_threshold;
/// assert_eq!(best_balanced_threshold(&[0.9, 0.8, 0.4], &[0.5, 0.2, 0.1])?, 0.65);
/// # Ok::<(), redmask_core::Error>(())
/// ```
///
/// # Errors
/// If either side is empty or a score is NaN.
pub fn best_balanced_threshold(members: &[f64], non_members: &[f64]) -> Result<f64> {
    let roc = Roc::new(members, non_members)?;
    let best = roc.best_point();
    let following = roc
        .points()
        .iter()
        .find(|point| point.tp + point.fp > best.tp + best.fp);
    Ok(match following {
        // The first corner accuses nobody; the next one holds the highest score.
        Some(next) if best.tp + best.fp == 0 => next.threshold.next_up(),
        Some(next) => midpoint(next.threshold, best.threshold),
        None => best.threshold,
    })
}

/// A number in `(below, above]`, so that the rule `>=` keeps `above` and drops `below` whatever the rounding.
fn midpoint(below: f64, above: f64) -> f64 {
    let middle = below / 2.0 + above / 2.0;
    if middle > below && middle <= above {
        middle
    } else {
        above
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn balanced_accuracy(members: &[f64], others: &[f64], threshold: f64) -> f64 {
        let share = |scores: &[f64]| {
            scores.iter().filter(|&&s| s >= threshold).count() as f64 / scores.len() as f64
        };
        f64::midpoint(share(members), 1.0 - share(others))
    }

    #[test]
    fn nothing_is_a_member_when_members_score_lowest() {
        let threshold = best_balanced_threshold(&[0.1, 0.2], &[0.8, 0.9]).expect("scores");
        assert!(threshold > 0.9);
    }

    #[test]
    fn infinite_scores_are_ordinary() {
        let threshold = best_balanced_threshold(&[f64::INFINITY, 1.0], &[f64::NEG_INFINITY, 0.0])
            .expect("scores");
        assert_eq!(threshold, 0.5);
    }

    proptest! {
        #[test]
        fn no_other_threshold_does_better(
            members in prop::collection::vec(-3i8..4, 1..20),
            others in prop::collection::vec(-3i8..4, 1..20),
        ) {
            let members: Vec<f64> = members.into_iter().map(f64::from).collect();
            let others: Vec<f64> = others.into_iter().map(f64::from).collect();
            let chosen = best_balanced_threshold(&members, &others).expect("scores");
            let reached = balanced_accuracy(&members, &others, chosen);
            for candidate in (-8..10).map(|i| f64::from(i) / 2.0) {
                prop_assert!(reached >= balanced_accuracy(&members, &others, candidate) - 1e-12);
            }
        }
    }
}
