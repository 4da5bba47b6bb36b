//! scikit-learn and scipy on random scores.

use redmask_core::Seed;
use redmask_metrics::interval::{BootstrapMethod, clopper_pearson};
use redmask_metrics::{BinaryCounts, GroupedBootstrap, GroupedScores, Roc};

use crate::{assert_close, fixture, number, numbers};

const CURVES: &str = include_str!("../fixtures/curves/curves.json");

#[test]
fn curves_agree_with_scikit_learn() {
    let curves = fixture(CURVES);
    for case in curves["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (members, non_members) = (numbers(&case["members"]), numbers(&case["non_members"]));
        let roc = Roc::new(&members, &non_members).unwrap();
        assert_close(roc.auc(), number(&case["auc"]), name);
        assert_close(roc.advantage(), number(&case["advantage"]), name);
        assert_eq!(
            roc.points().len() as f64,
            number(&case["corners"]),
            "{name}"
        );
        for pair in case["tpr_at_fpr"].as_array().unwrap() {
            let pair = numbers(pair);
            assert_close(roc.tpr_at_fpr(pair[0]).unwrap(), pair[1], name);
        }
        let threshold = number(&case["threshold"]);
        let counts = BinaryCounts::at_threshold(&members, &non_members, threshold).unwrap();
        for (key, found) in [
            ("accuracy", counts.accuracy()),
            ("balanced_accuracy", counts.balanced_accuracy()),
            ("f1", counts.f1()),
            ("precision", counts.precision()),
        ] {
            assert_close(found.unwrap(), number(&case[key]), &format!("{name} {key}"));
        }
    }
}

#[test]
fn exact_intervals_agree_with_scipy() {
    let curves = fixture(CURVES);
    for case in curves["clopper_pearson"].as_array().unwrap() {
        let (k, n) = (case["k"].as_u64().unwrap(), case["n"].as_u64().unwrap());
        let interval = clopper_pearson(k, n, number(&case["alpha"])).unwrap();
        assert_close(interval.low, number(&case["low"]), &case.to_string());
        assert_close(interval.high, number(&case["high"]), &case.to_string());
    }
}

#[test]
fn bca_ends_agree_with_scipy_up_to_the_noise_of_resampling() {
    let curves = fixture(CURVES);
    let case = &curves["bca"];
    let members = GroupedScores::ungrouped(numbers(&case["members"])).unwrap();
    let non_members = GroupedScores::ungrouped(numbers(&case["non_members"])).unwrap();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let bootstrap = GroupedBootstrap {
        replicates: 20_000,
        ..GroupedBootstrap::new(Seed::root(3))
    };
    let difference = |m: &[f64], n: &[f64]| mean(m) - mean(n);
    let bca = bootstrap
        .interval(&members, &non_members, difference)
        .unwrap();
    let expected = numbers(&case["difference_of_means"]);
    // An end of 20,000 replicates has a standard error of about 1.5 % of the width.
    let noise = 0.05 * (expected[1] - expected[0]);
    assert!(
        (bca.low - expected[0]).abs() < noise,
        "{bca:?} {expected:?}"
    );
    assert!(
        (bca.high - expected[1]).abs() < noise,
        "{bca:?} {expected:?}"
    );
    // The scores are skewed: the plain percentile ends lie elsewhere, so the comparison above has teeth.
    let percentile = GroupedBootstrap {
        method: BootstrapMethod::Percentile,
        ..bootstrap
    }
    .interval(&members, &non_members, difference)
    .unwrap();
    assert!(
        (percentile.high - expected[1]).abs() > noise,
        "{percentile:?} {expected:?}"
    );
}
