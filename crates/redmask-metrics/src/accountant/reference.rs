//! The reference table: Opacus 1.5.4 (RDP, noise search) and dp-accounting 0.6.0 (PLD, interval 1e-4, pessimistic).

use super::*;

struct Row {
    q: f64,
    sigma: f64,
    steps: u64,
    delta: f64,
    rdp: f64,
    order: f64,
    pld: f64,
    gdp: f64,
}

#[rustfmt::skip]
const TABLE: [Row; 14] = [
    Row { q: 0.01, sigma: 1.0, steps: 1000, delta: 1e-5, rdp: 2.101365, order: 7.8, pld: 1.828244, gdp: 1.617712 },
    Row { q: 0.01, sigma: 1.1, steps: 1000, delta: 1e-5, rdp: 1.711770, order: 9.6, pld: 1.515370, gdp: 1.377429 },
    Row { q: 0.01, sigma: 2.0, steps: 1000, delta: 1e-5, rdp: 0.686185, order: 24.0, pld: 0.622049, gdp: 0.601759 },
    Row { q: 256.0 / 60000.0, sigma: 1.1, steps: 14063, delta: 1e-5, rdp: 2.596656, order: 8.1, pld: 2.381779, gdp: 2.324362 },
    Row { q: 0.01, sigma: 1.3, steps: 6000, delta: 1e-5, rdp: 3.227170, order: 6.9, pld: 2.964406, gdp: 2.890328 },
    Row { q: 256.0 / 50000.0, sigma: 0.6, steps: 3920, delta: 1e-5, rdp: 8.177333, order: 2.9, pld: 7.089246, gdp: 5.652713 },
    Row { q: 1.0 / 63.0, sigma: 0.8, steps: 4410, delta: 2e-3, rdp: 8.531487, order: 2.4, pld: 7.452916, gdp: 7.367765 },
    Row { q: 1.0 / 63.0, sigma: 0.7, steps: 4410, delta: 2e-3, rdp: 12.263032, order: 2.0, pld: 10.709430, gdp: 10.894515 },
    Row { q: 8.0 / 2975.0, sigma: 1.0, steps: 29750, delta: 1e-4, rdp: 2.400576, order: 7.0, pld: 2.164267, gdp: 2.126090 },
    Row { q: 0.016, sigma: 1.0, steps: 4375, delta: 2e-3, rdp: 5.154793, order: 3.1, pld: 4.502481, gdp: 4.419543 },
    Row { q: 0.5, sigma: 10.0, steps: 100, delta: 1e-6, rdp: 2.452415, order: 10.3, pld: 2.281990, gdp: 2.260290 },
    Row { q: 0.02, sigma: 5.0, steps: 50, delta: 1e-3, rdp: 0.055663, order: 63.0, pld: 0.041934, gdp: 0.040860 },
    Row { q: 1.0, sigma: 10.0, steps: 1, delta: 1e-5, rdp: 0.375291, order: 41.0, pld: 0.340669, gdp: 0.341599 },
    Row { q: 1.0, sigma: 20.0, steps: 100, delta: 1e-5, rdp: 2.165716, order: 9.6, pld: 1.993091, gdp: 1.994483 },
];

fn history(row: &Row) -> [SampledGaussian; 1] {
    [SampledGaussian::new(row.q, row.sigma, row.steps).unwrap()]
}

/// Half a unit of the table's last digit, on top of the relative tolerance.
const LAST_DIGIT: f64 = 6e-7;

#[test]
fn rdp_agrees_with_opacus() {
    for row in &TABLE {
        let found = spent(&history(row), row.delta, Accountant::Rdp).unwrap();
        let tolerance = 1e-5 * row.rdp + LAST_DIGIT;
        assert!(
            (found.epsilon - row.rdp).abs() < tolerance,
            "{}: {found:?}",
            row.rdp
        );
        assert_eq!(found.order, Some(row.order));
        assert_eq!(found.order_at_edge, row.order == 63.0);
    }
}

#[test]
fn pld_lies_on_the_reference() {
    for row in &TABLE {
        let found = spent(&history(row), row.delta, Accountant::Pld)
            .unwrap()
            .epsilon;
        let above = found - row.pld;
        assert!((-2e-5..=2e-3).contains(&above), "{}: {found}", row.pld);
    }
}

#[test]
fn the_central_limit_agrees_and_is_no_bound() {
    for row in &TABLE {
        let found = spent(&history(row), row.delta, Accountant::GdpApproximation).unwrap();
        assert!(
            (found.epsilon - row.gdp).abs() < 2e-6,
            "{}: {found:?}",
            row.gdp
        );
    }
    assert!(!Accountant::GdpApproximation.is_bound());
    assert!(TABLE.iter().any(|row| row.gdp < row.pld - 1.0));
}

#[test]
fn a_history_may_change_its_noise_and_rate() {
    let history = [
        SampledGaussian::new(0.01, 1.0, 500).unwrap(),
        SampledGaussian::new(0.02, 2.0, 300).unwrap(),
    ];
    let rdp = spent(&history, 1e-5, Accountant::Rdp).unwrap();
    assert!((rdp.epsilon - 1.798150).abs() < 2e-5, "{rdp:?}");
    assert_eq!(rdp.order, Some(8.2));
    let pld = spent(&history, 1e-5, Accountant::Pld).unwrap().epsilon;
    assert!((-2e-5..=2e-3).contains(&(pld - 1.502259)), "{pld}");
}

#[test]
fn the_noise_search_agrees_with_opacus() {
    for (target, rdp, prv) in [
        (1.0, 1.523438, 1.425781),
        (3.0, 0.865479, 0.815430),
        (8.0, 0.615845, 0.586548),
    ] {
        let target = NoiseTarget::new(target, 1e-5, 0.01, 1000);
        let found = noise_for(&target, Accountant::Rdp).unwrap();
        assert!((found - rdp).abs() < 1e-6, "{found}");
        // Opacus' PRV adds its error bound of 0.01 to epsilon; without it a little less noise does.
        let found = noise_for(&target, Accountant::Pld).unwrap();
        assert!(found <= prv && prv - found < 0.02, "{found} against {prv}");
    }
    let target = NoiseTarget::new(8.0, 1e-5, 256.0 / 50000.0, 3920);
    let found = noise_for(&target, Accountant::Rdp).unwrap();
    assert!((found - 0.604248).abs() < 1e-6, "{found}");
    let found = noise_for(&target, Accountant::Pld).unwrap();
    assert!(found <= 0.579681 && found > 0.575, "{found}");
}

#[test]
fn the_published_run_is_reconstructed() {
    // Chobola et al. (2022): epsilon 8.5 at delta 1/500, 63 batches an epoch, 70 epochs, by Opacus' RDP.
    let target = NoiseTarget::new(8.5, 2e-3, 1.0 / 63.0, 4410);
    let sigma = noise_for(&target, Accountant::Rdp).unwrap();
    assert!((sigma - 0.80139).abs() < 1e-5, "{sigma}");
    let history = [SampledGaussian::new(1.0 / 63.0, sigma, 4410).unwrap()];
    let spent_at = |delta, accountant| spent(&history, delta, accountant).unwrap().epsilon;
    assert!((spent_at(2e-3, Accountant::Rdp) - 8.4934).abs() < 1e-4);
    assert!((spent_at(2e-3, Accountant::Pld) - 7.420).abs() < 1e-3);
    assert!((spent_at(1e-5, Accountant::Pld) - 10.80).abs() < 1e-2);
}

#[test]
fn no_noise_and_no_steps_are_the_extremes() {
    let steps = |q, sigma, n| [SampledGaussian::new(q, sigma, n).unwrap()];
    for accountant in [
        Accountant::Rdp,
        Accountant::Pld,
        Accountant::GdpApproximation,
    ] {
        let at = |history: &[SampledGaussian]| spent(history, 1e-5, accountant).unwrap().epsilon;
        assert_eq!(at(&[]), 0.0);
        assert_eq!(at(&steps(0.1, 1.0, 0)), 0.0);
        assert_eq!(at(&steps(0.0, 0.0, 9)), 0.0);
        assert_eq!(at(&steps(0.1, 0.0, 1)), f64::INFINITY);
    }
}

#[test]
fn impossible_budgets_and_bad_parameters_are_refused() {
    assert!(SampledGaussian::new(1.1, 1.0, 1).is_err());
    assert!(SampledGaussian::new(0.1, -1.0, 1).is_err());
    assert!(SampledGaussian::new(0.1, f64::NAN, 1).is_err());
    assert!(spent(&[], 0.0, Accountant::Rdp).is_err());
    let target = |epsilon| NoiseTarget::new(epsilon, 1e-5, 0.5, 1_000_000);
    assert!(noise_for(&target(0.0), Accountant::Rdp).is_err());
    assert!(noise_for(&target(f64::NAN), Accountant::Rdp).is_err());
    assert!(noise_for(&target(1.0), Accountant::GdpApproximation).is_err());
    let error = noise_for(
        &NoiseTarget::new(1e-9, 1e-12, 1.0, 1_000_000),
        Accountant::Rdp,
    );
    assert!(error.unwrap_err().to_string().contains("out of reach"));
}
