//! What holds for any audit.

use proptest::prelude::*;
use redmask_metrics::BinaryCounts;
use redmask_metrics::epsilon::ceiling::{audit_ceiling, max_balanced_accuracy, max_tpr};
use redmask_metrics::epsilon::{GaussianDp, OneRunAudit, epsilon_lower_bound};

fn counts() -> impl Strategy<Value = BinaryCounts> {
    (1u64..300, 1u64..300, 0.0f64..=1.0, 0.0f64..=1.0).prop_map(|(p, n, tpr, fpr)| {
        let (tp, fp) = ((tpr * p as f64) as u64, (fpr * n as f64) as u64);
        BinaryCounts {
            tp,
            fp,
            tn: n - fp,
            fn_: p - tp,
        }
    })
}

proptest! {
    #[test]
    fn no_attack_beats_the_ceiling(counts in counts(), delta in 0.0f64..0.2) {
        let bound = epsilon_lower_bound(&counts, delta, 0.05).unwrap();
        let ceiling = audit_ceiling(counts.tp + counts.fn_, counts.fp + counts.tn, delta, 0.05).unwrap();
        prop_assert!(0.0 <= bound.epsilon && bound.epsilon <= ceiling.epsilon);
    }

    #[test]
    fn more_confidence_and_more_delta_prove_less(counts in counts(), delta in 0.0f64..0.2) {
        let bound = |delta, alpha| epsilon_lower_bound(&counts, delta, alpha).unwrap().epsilon;
        prop_assert!(bound(delta, 0.01) <= bound(delta, 0.05));
        prop_assert!(bound(delta + 0.05, 0.05) <= bound(delta, 0.05));
    }

    #[test]
    fn swapping_the_roles_of_yes_and_no_swaps_the_ratios(counts in counts()) {
        let mirrored = BinaryCounts { tp: counts.tn, fp: counts.fn_, tn: counts.tp, fn_: counts.fp };
        let (a, b) = (
            epsilon_lower_bound(&counts, 0.0, 0.05).unwrap(),
            epsilon_lower_bound(&mirrored, 0.0, 0.05).unwrap(),
        );
        // One of the two sides computes a rate as the complement of the other's.
        let ratio = a.from_accusations.exp() / b.from_acquittals.exp();
        prop_assert!(ratio.is_nan() || (ratio - 1.0).abs() < 1e-9);
        prop_assert!((a.epsilon - b.epsilon).abs() < 1e-9);
    }

    #[test]
    fn one_right_guess_more_proves_no_less(m in 2u64..400, guessed in 0.0f64..=1.0, right in 0.0f64..1.0, delta in prop_oneof![Just(0.0), 0.0f64..1e-3]) {
        let guesses = ((guessed * m as f64) as u64).max(1);
        let correct = ((right * guesses as f64) as u64).min(guesses - 1);
        let audit = OneRunAudit { canaries: m, guesses, correct, delta };
        let better = OneRunAudit { correct: correct + 1, ..audit };
        // The delta term is a bound that need not fall with each guess; without it the order is strict.
        if delta == 0.0 {
            prop_assert!(audit.epsilon(0.05).unwrap() <= better.epsilon(0.05).unwrap());
        }
        let strict = OneRunAudit { delta: 0.0, ..audit };
        prop_assert!(audit.epsilon(0.05).unwrap() <= strict.epsilon(0.05).unwrap());
    }

    #[test]
    fn a_larger_claim_is_harder_to_rule_out(m in 1u64..300, right in 0.0f64..=1.0, delta in prop_oneof![Just(0.0), 0.0f64..1e-4], a in 0.0f64..4.0, b in 0.0f64..4.0) {
        let audit = OneRunAudit { canaries: m, guesses: m, correct: (right * m as f64) as u64, delta: 0.0 };
        prop_assert!(audit.p_value(a.min(b)).unwrap() <= audit.p_value(a.max(b)).unwrap() + 1e-12);
        let with_delta = OneRunAudit { delta, ..audit };
        prop_assert!(audit.p_value(a).unwrap() <= with_delta.p_value(a).unwrap());
    }

    #[test]
    fn gaussian_privacy_orders_its_two_numbers(mu in 0.0f64..6.0, wider in 0.0f64..2.0, a in 0.0f64..8.0, b in 0.0f64..8.0) {
        let (gdp, looser) = (GaussianDp::new(mu).unwrap(), GaussianDp::new(mu + wider).unwrap());
        prop_assert!(gdp.delta(a.max(b)) <= gdp.delta(a.min(b)) + 1e-12);
        prop_assert!(gdp.delta(a) <= looser.delta(a) + 1e-12);
        prop_assert!(gdp.epsilon(1e-5).unwrap() <= looser.epsilon(1e-5).unwrap());
        let epsilon = gdp.epsilon(1e-5).unwrap();
        prop_assert!(gdp.delta(epsilon) <= 1e-5 + 1e-15);
    }

    #[test]
    fn the_ceiling_of_an_attack_lies_above_the_diagonal_and_rises(fpr in 0.0f64..=1.0, epsilon in 0.0f64..12.0, more in 0.0f64..3.0, delta in 0.0f64..0.1) {
        let tpr = max_tpr(fpr, epsilon, delta).unwrap();
        prop_assert!(fpr <= tpr && tpr <= 1.0);
        prop_assert!(tpr <= max_tpr(fpr, epsilon + more, delta).unwrap() + 1e-12);
        // No point under the ceiling has a better balanced accuracy than its bound.
        let best = max_balanced_accuracy(epsilon, delta).unwrap();
        prop_assert!(f64::midpoint(tpr, 1.0 - fpr) <= best + 1e-12);
        prop_assert!((0.5..=1.0).contains(&best));
    }
}
