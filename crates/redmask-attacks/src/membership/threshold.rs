//! Choosing a decision threshold from records whose membership is known: shadow records, never audited ones.

/// The threshold with the highest balanced accuracy `(TPR + TNR) / 2` for the rule "member iff score >= threshold".
///
/// Between two neighbouring scores every threshold decides alike, so their midpoint is returned. Of equally good
/// thresholds the highest wins: it calls fewer records members. With no score above which members prevail, the result
/// is above every score, and nothing is called a member.
///
/// ```
/// use redmask_attacks::membership::best_balanced_threshold;
/// assert_eq!(best_balanced_threshold(&[0.9, 0.8, 0.4], &[0.5, 0.2, 0.1]), 0.65);
/// ```
///
/// # Panics
/// If either side is empty or a score is NaN; attacks check both.
pub fn best_balanced_threshold(members: &[f64], non_members: &[f64]) -> f64 {
    assert!(
        !members.is_empty() && !non_members.is_empty(),
        "a threshold needs members and non-members"
    );
    // Advantages TPR - FPR are compared over their common denominator, so that ties are exact.
    let (p, n) = (members.len() as i64, non_members.len() as i64);
    let mut scores: Vec<(f64, bool)> = members
        .iter()
        .map(|&s| (s, true))
        .chain(non_members.iter().map(|&s| (s, false)))
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert!(scores.iter().all(|s| !s.0.is_nan()), "scores are numbers");
    let mut best = (0, f64::next_up(scores[0].0));
    let (mut tp, mut fp) = (0, 0);
    for i in 0..scores.len() {
        let (score, member) = scores[i];
        if member {
            tp += 1;
        } else {
            fp += 1;
        }
        let next = scores.get(i + 1).map(|s| s.0);
        if next == Some(score) {
            continue;
        }
        let advantage = tp * n - fp * p;
        if advantage > best.0 {
            best = (advantage, next.map_or(score, |next| midpoint(next, score)));
        }
    }
    best.1
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
        let threshold = best_balanced_threshold(&[0.1, 0.2], &[0.8, 0.9]);
        assert!(threshold > 0.9);
    }

    #[test]
    fn infinite_scores_are_ordinary() {
        let threshold = best_balanced_threshold(&[f64::INFINITY, 1.0], &[f64::NEG_INFINITY, 0.0]);
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
            let chosen = best_balanced_threshold(&members, &others);
            let reached = balanced_accuracy(&members, &others, chosen);
            for candidate in (-8..10).map(|i| f64::from(i) / 2.0) {
                prop_assert!(reached >= balanced_accuracy(&members, &others, candidate) - 1e-12);
            }
        }
    }
}
