//! What holds for any scores.

use proptest::prelude::*;
use redmask_core::Seed;
use redmask_metrics::interval::clopper_pearson;
use redmask_metrics::{BinaryCounts, GroupedBootstrap, GroupedScores, Roc, RocStatistic};

/// Few distinct values, so that ties are common.
fn scores() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-6i32..6).prop_map(f64::from), 1..40)
}

fn mapped(scores: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
    scores.iter().map(|&s| f(s)).collect()
}

proptest! {
    #[test]
    fn auc_is_the_share_of_pairs_won(members in scores(), non_members in scores()) {
        let wins: f64 = members
            .iter()
            .flat_map(|m| non_members.iter().map(move |n| match m.total_cmp(n) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            }))
            .sum();
        let auc = Roc::new(&members, &non_members).unwrap().auc();
        prop_assert!((auc - wins / (members.len() * non_members.len()) as f64).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&auc));
    }

    #[test]
    fn turning_scores_round_turns_the_area_round(members in scores(), non_members in scores()) {
        let auc = Roc::new(&members, &non_members).unwrap().auc();
        let negated = Roc::new(&mapped(&members, |s| -s), &mapped(&non_members, |s| -s)).unwrap();
        let swapped = Roc::new(&non_members, &members).unwrap();
        prop_assert!((negated.auc() - (1.0 - auc)).abs() < 1e-12);
        prop_assert!((swapped.auc() - (1.0 - auc)).abs() < 1e-12);
    }

    #[test]
    fn only_the_order_of_scores_matters(members in scores(), non_members in scores()) {
        let curve = |f: fn(f64) -> f64| Roc::new(&mapped(&members, f), &mapped(&non_members, f)).unwrap();
        let (plain, bent) = (curve(|s| s), curve(|s| (s / 3.0).exp() - 4.0));
        prop_assert_eq!(plain.auc(), bent.auc());
        let counts = |roc: &Roc| roc.points().iter().map(|p| (p.tp, p.fp)).collect::<Vec<_>>();
        prop_assert_eq!(counts(&plain), counts(&bent));
    }

    #[test]
    fn the_curve_rises_from_nobody_to_everybody(members in scores(), non_members in scores()) {
        let roc = Roc::new(&members, &non_members).unwrap();
        let points = roc.points();
        prop_assert_eq!((points[0].tp, points[0].fp), (0, 0));
        let last = points.last().unwrap();
        prop_assert_eq!((last.tp, last.fp), (members.len() as u64, non_members.len() as u64));
        for pair in points.windows(2) {
            prop_assert!(pair[0].threshold > pair[1].threshold);
            prop_assert!(pair[0].tp <= pair[1].tp && pair[0].fp <= pair[1].fp);
            prop_assert!(pair[0].tp + pair[0].fp < pair[1].tp + pair[1].fp);
        }
        for point in &points[1..] {
            let counts = BinaryCounts::at_threshold(&members, &non_members, point.threshold).unwrap();
            prop_assert_eq!(counts, roc.counts(point));
        }
    }

    #[test]
    fn more_false_positives_never_find_fewer_members(
        members in scores(),
        non_members in scores(),
        a in 0.0f64..=1.0,
        b in 0.0f64..=1.0,
    ) {
        let roc = Roc::new(&members, &non_members).unwrap();
        let (low, high) = (a.min(b), a.max(b));
        match (roc.tpr_at_fpr(low), roc.tpr_at_fpr(high)) {
            (Ok(fewer), Ok(more)) => prop_assert!(fewer <= more),
            (Err(_), _) => prop_assert!(low < roc.smallest_fpr()),
            (Ok(_), Err(e)) => prop_assert!(false, "the coarser rate was refused: {e}"),
        }
        prop_assert_eq!(roc.tpr_at_fpr(1.0).unwrap(), 1.0);
    }

    #[test]
    fn advantage_lies_between_the_diagonal_and_the_area_bound(members in scores(), non_members in scores()) {
        let roc = Roc::new(&members, &non_members).unwrap();
        let advantage = roc.advantage();
        prop_assert!((0.0..=1.0).contains(&advantage));
        // The best corner's triangle lies below the curve, whose area cannot be smaller.
        let (fpr, tpr) = roc.rates(&roc.best_point());
        prop_assert!(roc.auc() + 1e-12 >= tpr * (1.0 - fpr));
        prop_assert_eq!(roc.max_balanced_accuracy(), f64::midpoint(1.0, advantage));
    }

    #[test]
    fn an_exact_interval_holds_its_value_and_narrows_with_alpha(n in 1u64..400, share in 0.0f64..=1.0) {
        let k = (share * n as f64).round() as u64;
        let (wide, narrow) = (clopper_pearson(k, n, 0.01).unwrap(), clopper_pearson(k, n, 0.2).unwrap());
        prop_assert!(0.0 <= wide.low && wide.low <= narrow.low && narrow.low <= narrow.value);
        prop_assert!(narrow.value <= narrow.high && narrow.high <= wide.high && wide.high <= 1.0);
        let mirrored = clopper_pearson(n - k, n, 0.2).unwrap();
        prop_assert!((mirrored.low - (1.0 - narrow.high)).abs() < 1e-12);
    }

    #[test]
    fn bootstrap_ends_are_ordered_and_inside_the_range(members in scores(), non_members in scores(), seed: u64) {
        prop_assume!(members.len() > 1 && non_members.len() > 1);
        let bootstrap = GroupedBootstrap { replicates: 60, ..GroupedBootstrap::new(Seed::root(seed)) };
        let side = |scores: &[f64]| GroupedScores::ungrouped(scores.to_vec()).unwrap();
        let (members, non_members) = (side(&members), side(&non_members));
        let found = bootstrap
            .roc(&members, &non_members, &[RocStatistic::Auc, RocStatistic::Advantage])
            .unwrap();
        for interval in &found {
            prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
        }
        let again = bootstrap.roc(&members, &non_members, &[RocStatistic::Auc]).unwrap();
        prop_assert_eq!(found[0], again[0]);
    }

    #[test]
    fn rarer_members_make_accusations_worth_less(tp in 1u64..50, fn_ in 0u64..50, fp in 1u64..50, tn in 0u64..50) {
        let counts = BinaryCounts { tp, fp, tn, fn_ };
        let ppv = |prior| counts.ppv_at_prior(prior).unwrap().unwrap();
        prop_assert!(ppv(0.01) <= ppv(0.1) && ppv(0.1) <= ppv(0.5));
        let share = (tp + fn_) as f64 / (tp + fn_ + fp + tn) as f64;
        prop_assert!((ppv(share) - counts.precision().unwrap()).abs() < 1e-9);
    }
}
