use super::*;
use redmask_core::GroupId;

use crate::roc::{BinaryCounts, Roc};

/// Overlapping, skewed, tied scores.
fn scores(n: u32, shift: f64, seed: u64) -> Vec<f64> {
    let mut rng = Seed::root(seed).child("scores").rng();
    (0..n)
        .map(|_| ((rng.random::<f64>() * 8.0).powi(2) + shift).round())
        .collect()
}

fn bootstrap(method: BootstrapMethod) -> GroupedBootstrap {
    GroupedBootstrap {
        replicates: 300,
        method,
        ..GroupedBootstrap::new(Seed::root(11))
    }
}

fn in_groups(scores: Vec<f64>, size: usize) -> GroupedScores {
    let ids: Vec<GroupId> = (0..scores.len())
        .map(|i| GroupId(format!("g{}", i / size)))
        .collect();
    GroupedScores::new(scores, &ids).unwrap()
}

#[test]
fn the_fast_statistics_equal_the_slow_ones_on_the_same_resamples() {
    let (members, non_members) = (
        in_groups(scores(90, 9.0, 1), 3),
        in_groups(scores(80, 0.0, 2), 4),
    );
    let at = |m: &[f64], n: &[f64]| BinaryCounts::at_threshold(m, n, 20.0).unwrap();
    let roc = |m: &[f64], n: &[f64]| Roc::new(m, n).unwrap();
    type Slow<'a> = Box<dyn Fn(&[f64], &[f64]) -> f64 + Sync + 'a>;
    let threshold = 20.0;
    let pairs: Vec<(RocStatistic, Slow)> = vec![
        (RocStatistic::Auc, Box::new(|m, n| roc(m, n).auc())),
        (
            RocStatistic::TprAtFpr { fpr: 0.1 },
            Box::new(|m, n| roc(m, n).tpr_at_fpr(0.1).unwrap()),
        ),
        (
            RocStatistic::Advantage,
            Box::new(|m, n| roc(m, n).advantage()),
        ),
        (
            RocStatistic::Accuracy { threshold },
            Box::new(|m, n| at(m, n).accuracy().unwrap()),
        ),
        (
            RocStatistic::BalancedAccuracy { threshold },
            Box::new(|m, n| at(m, n).balanced_accuracy().unwrap()),
        ),
        (
            RocStatistic::F1 { threshold },
            Box::new(|m, n| at(m, n).f1().unwrap()),
        ),
        (
            RocStatistic::Tpr { threshold },
            Box::new(|m, n| at(m, n).tpr().unwrap()),
        ),
        (
            RocStatistic::Fpr { threshold },
            Box::new(|m, n| at(m, n).fpr().unwrap()),
        ),
    ];
    let fast: Vec<RocStatistic> = pairs.iter().map(|p| p.0).collect();
    for method in [BootstrapMethod::Percentile, BootstrapMethod::Bca] {
        let bootstrap = bootstrap(method);
        let together = bootstrap.roc(&members, &non_members, &fast).unwrap();
        for (k, (_, slow)) in pairs.iter().enumerate() {
            let alone = bootstrap.interval(&members, &non_members, slow).unwrap();
            for (a, b) in [
                (together[k].value, alone.value),
                (together[k].low, alone.low),
                (together[k].high, alone.high),
            ] {
                assert!(
                    (a - b).abs() < 1e-12,
                    "{:?} {method:?}: {a} against {b}",
                    fast[k]
                );
            }
        }
    }
}

#[test]
fn the_thread_count_does_not_change_a_bit() {
    let (members, non_members) = (
        in_groups(scores(50, 9.0, 1), 2),
        in_groups(scores(50, 0.0, 2), 5),
    );
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            bootstrap(BootstrapMethod::Bca)
                .roc(&members, &non_members, &[RocStatistic::Auc])
                .unwrap()
        })
    };
    assert_eq!(run(1), run(7));
}

#[test]
fn repeating_each_record_inside_its_group_changes_nothing() {
    let (members, non_members) = (scores(40, 9.0, 1), scores(40, 0.0, 2));
    let thrice = |s: &[f64]| -> Vec<f64> { s.iter().flat_map(|&v| [v; 3]).collect() };
    let once = bootstrap(BootstrapMethod::Bca)
        .roc(
            &in_groups(members.clone(), 1),
            &in_groups(non_members.clone(), 1),
            &[RocStatistic::Auc],
        )
        .unwrap()[0];
    let grouped = bootstrap(BootstrapMethod::Bca)
        .roc(
            &in_groups(thrice(&members), 3),
            &in_groups(thrice(&non_members), 3),
            &[RocStatistic::Auc],
        )
        .unwrap()[0];
    // Groups are numbered by name, so the draws of the two differ; the widths do not, up to the noise of 300 draws.
    let width = |i: Interval| i.high - i.low;
    assert!((width(once) / width(grouped) - 1.0).abs() < 0.15);
    let torn = bootstrap(BootstrapMethod::Bca)
        .roc(
            &in_groups(thrice(&members), 1),
            &in_groups(thrice(&non_members), 1),
            &[RocStatistic::Auc],
        )
        .unwrap()[0];
    assert!(
        width(torn) < 0.7 * width(grouped),
        "torn groups look surer than they are"
    );
}

#[test]
fn a_null_auc_is_covered_about_as_often_as_promised() {
    let covered = (0..200u64)
        .filter(|&i| {
            let side = |name: &str, n: u32| {
                let mut rng = Seed::root(i).child(name).rng();
                GroupedScores::ungrouped((0..n).map(|_| rng.random::<f64>()).collect()).unwrap()
            };
            bootstrap(BootstrapMethod::Bca)
                .roc(&side("in", 60), &side("out", 60), &[RocStatistic::Auc])
                .unwrap()[0]
                .covers(0.5)
        })
        .count();
    // Binomial(200, 0.95) lies in 180..=198 with a chance above 0.998.
    assert!((180..=199).contains(&covered), "{covered} of 200");
}

#[test]
fn the_acceleration_is_the_third_moment_of_the_influence() {
    // The mean of one stratum: influence values are the deviations, so a = sum d^3 / (6 (sum d^2)^1.5).
    let values = [0.0, 1.0, 2.0, 9.0];
    let groups = Groups::singletons(4);
    let mean = |weights: &[Vec<u32>]| {
        let total: u32 = weights[0].iter().sum();
        let sum: f64 = values
            .iter()
            .zip(&weights[0])
            .map(|(v, &w)| v * f64::from(w))
            .sum();
        vec![sum / f64::from(total)]
    };
    let found = accelerations(&[&groups], 1, &[vec![1; 4]], &mean)[0];
    let deviations = values.map(|v| v - 3.0);
    let cube: f64 = deviations.iter().map(|d| d.powi(3)).sum();
    let square: f64 = deviations.iter().map(|d| d.powi(2)).sum();
    assert!((found - cube / (6.0 * square.powf(1.5))).abs() < 1e-12);
}

#[test]
fn a_perfect_attack_has_a_point_interval_and_no_nan() {
    let (members, non_members) = (
        GroupedScores::ungrouped(vec![1.0; 5]).unwrap(),
        GroupedScores::ungrouped(vec![0.0; 5]).unwrap(),
    );
    let interval = bootstrap(BootstrapMethod::Bca)
        .roc(&members, &non_members, &[RocStatistic::Auc])
        .unwrap()[0];
    assert_eq!((interval.low, interval.high), (1.0, 1.0));
}

#[test]
fn what_cannot_be_bootstrapped_is_refused() {
    let (one, two) = (in_groups(vec![0.0, 1.0], 2), in_groups(vec![0.0, 1.0], 1));
    let bootstrap = bootstrap(BootstrapMethod::Bca);
    assert!(bootstrap.roc(&one, &two, &[RocStatistic::Auc]).is_err());
    let fine = [RocStatistic::TprAtFpr { fpr: 0.01 }];
    assert!(matches!(
        bootstrap.roc(&two, &two, &fine),
        Err(MetricError::Unmeasurable { .. })
    ));
    assert!(bootstrap.interval(&two, &two, |_, _| f64::NAN).is_err());
    let all = GroupedBootstrap {
        confidence: 1.0,
        ..bootstrap
    };
    assert!(all.roc(&two, &two, &[RocStatistic::Auc]).is_err());
}

#[test]
fn quantiles_interpolate_as_numpy_does() {
    let sorted = [1.0, 2.0, 4.0];
    assert_eq!(quantile(&sorted, 0.0), 1.0);
    assert_eq!(quantile(&sorted, 0.75), 3.0);
    assert_eq!(quantile(&sorted, 1.0), 4.0);
    assert_eq!(quantile(&[f64::INFINITY; 2], 0.5), f64::INFINITY);
}
