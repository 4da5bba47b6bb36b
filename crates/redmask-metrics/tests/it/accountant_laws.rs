//! What holds for any training.

use proptest::prelude::*;
use redmask_metrics::accountant::pld::{Direction, one_sided_epsilon};
use redmask_metrics::accountant::{
    Accountant, NoiseTarget, SampledGaussian, noise_for, rdp, spent,
};

/// The error of a discretised loss at the default grid, as a share of `1 + epsilon`.
const GRID_ERROR: f64 = 1e-4;

#[derive(Debug, Clone, Copy)]
struct Training {
    q: f64,
    sigma: f64,
    steps: u64,
    delta: f64,
}

impl Training {
    fn epsilon(&self, accountant: Accountant) -> f64 {
        let steps =
            SampledGaussian::new(self.q, self.sigma, self.steps).expect("parameters in range");
        let spent = spent(&[steps], self.delta, accountant).expect("enough noise for a grid");
        spent.epsilon
    }
}

fn training() -> impl Strategy<Value = Training> {
    (0.003f64..0.1, 0.9f64..4.0, 1u64..1000, 3.0f64..7.0).prop_map(|(q, sigma, steps, digits)| {
        Training {
            q,
            sigma,
            steps,
            delta: 10f64.powf(-digits),
        }
    })
}

const BOUNDS: [Accountant; 2] = [Accountant::Rdp, Accountant::Pld];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn exposure_costs_and_noise_and_delta_save(t in training(), more in 1.05f64..2.0) {
        for accountant in BOUNDS {
            let at = t.epsilon(accountant);
            let slack = GRID_ERROR * (1.0 + at);
            let dearer = [
                Training { q: (t.q * more).min(1.0), ..t },
                Training { steps: t.steps + 1 + t.steps / 4, ..t },
                Training { sigma: t.sigma / more, ..t },
                Training { delta: t.delta / 10.0, ..t },
            ];
            for other in dearer {
                let epsilon = other.epsilon(accountant);
                prop_assert!(epsilon >= at - slack, "{accountant:?}: {t:?} {at}, {other:?} {epsilon}");
            }
        }
    }

    #[test]
    fn the_tight_bound_is_no_larger_than_the_loose_one(t in training()) {
        let (rdp, pld) = (t.epsilon(Accountant::Rdp), t.epsilon(Accountant::Pld));
        prop_assert!(0.0 <= pld && pld <= rdp + GRID_ERROR * (1.0 + rdp), "{t:?}: {pld} above {rdp}");
    }

    #[test]
    fn splitting_a_phase_changes_nothing(t in training(), share in 0.0f64..=1.0) {
        let first = (share * t.steps as f64) as u64;
        let parts = [first, t.steps - first].map(|n| SampledGaussian::new(t.q, t.sigma, n).unwrap());
        for accountant in BOUNDS {
            let (whole, split) = (t.epsilon(accountant), spent(&parts, t.delta, accountant).unwrap().epsilon);
            prop_assert!((whole - split).abs() < 1e-8 * (1.0 + whole), "{accountant:?}: {whole} {split}");
        }
    }

    #[test]
    fn both_directions_stay_under_the_reported_epsilon(t in training()) {
        let history = [SampledGaussian::new(t.q, t.sigma, t.steps).unwrap()];
        let both = t.epsilon(Accountant::Pld);
        for direction in [Direction::Remove, Direction::Add] {
            prop_assert!(one_sided_epsilon(&history, t.delta, direction).unwrap() <= both);
        }
    }

    #[test]
    fn found_noise_meets_its_budget_and_wastes_little(q in 0.005f64..0.1, steps in 10u64..1000, epsilon in 0.3f64..10.0) {
        let target = NoiseTarget::new(epsilon, 1e-5, q, steps);
        for accountant in BOUNDS {
            let sigma = noise_for(&target, accountant).unwrap();
            let at = Training { q, sigma, steps, delta: 1e-5 }.epsilon(accountant);
            prop_assert!(at <= epsilon && epsilon - at <= target.tolerance, "{accountant:?} {sigma}: {at}");
        }
    }
}

proptest! {
    #[test]
    fn divergence_grows_with_its_order_and_its_sampling_rate(q in 0.0f64..1.0, sigma in 0.3f64..5.0, a in 1.05f64..40.0, b in 1.05f64..40.0) {
        let at = |q: f64, order| rdp::step(&SampledGaussian::new(q, sigma, 1).unwrap(), order);
        let (low, high) = (at(q, a.min(b)), at(q, a.max(b)));
        prop_assert!(low <= high * (1.0 + 1e-9) + 1e-12, "{low} {high}");
        prop_assert!(at(q / 2.0, a) <= at(q, a) * (1.0 + 1e-9) + 1e-12);
        // Sampling only hides: never more than the plain Gaussian.
        prop_assert!(at(q, a) <= at(1.0, a) * (1.0 + 1e-9));
    }

    #[test]
    fn whole_and_fractional_orders_meet(q in 0.001f64..0.9, sigma in 0.5f64..4.0, order in 2u32..20) {
        let at = |order| rdp::step(&SampledGaussian::new(q, sigma, 1).unwrap(), order);
        let order = f64::from(order);
        let (below, whole, above) = (at(order - 1e-7), at(order), at(order + 1e-7));
        prop_assert!((below / whole - 1.0).abs() < 1e-4 && (above / whole - 1.0).abs() < 1e-4, "{below} {whole} {above}");
    }
}
