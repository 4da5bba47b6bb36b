//! Attacks across models against a numpy implementation (fixtures/scores/export.py), to 1e-9.

use std::collections::BTreeMap;

use redmask_attacks::scores::{
    AttackP, AttackR, Centre, Lira, Population, PopulationPrior, Rmia, ScoreAttack, ScoreInput,
    ShadowScores, Side, Tail, Variance,
};
use serde::Deserialize;

const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    models: usize,
    dims: usize,
    inside: Vec<bool>,
    vector: Vec<f64>,
    target: Vec<f64>,
    x_target: Vec<f64>,
    x_shadow: Vec<f64>,
    z_target: Vec<f64>,
    z_shadow: Vec<f64>,
    expected: BTreeMap<String, Vec<f64>>,
}

impl Fixture {
    fn load() -> Self {
        serde_json::from_str(include_str!("fixtures/scores/scores.json"))
            .expect("the fixture is JSON")
    }

    fn check(&self, name: &str, attack: &dyn ScoreAttack, input: &ScoreInput<'_>) {
        let scores = attack.scores(input).expect("the fixture is sound");
        let expected = &self.expected[name];
        assert_eq!(scores.len(), expected.len(), "{name}");
        for (record, (found, expected)) in scores.iter().zip(expected).enumerate() {
            assert!(
                (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
                "{name}, record {record}: {found} against {expected}"
            );
        }
    }
}

#[test]
fn gaussian_attacks_agree_with_numpy() {
    let fixture = Fixture::load();
    let first =
        |values: &[f64]| -> Vec<f64> { values.iter().step_by(fixture.dims).copied().collect() };
    let (scalars, target) = (first(&fixture.vector), first(&fixture.target));
    let shadows =
        ShadowScores::new(fixture.models, 1, scalars, fixture.inside.clone()).expect("fits");
    let input = ScoreInput {
        target: &target,
        shadows: Some(&shadows),
        population: None,
        descriptors: None,
    };
    for (side, side_name) in [(Side::Online, "online"), (Side::Offline, "offline")] {
        for (variance, name) in [
            (Variance::PerRecord, "per_record"),
            (Variance::Fixed, "fixed"),
        ] {
            let attack = Lira {
                side,
                variance,
                centre: Centre::Median,
            };
            fixture.check(&format!("lira_{side_name}_{name}"), &attack, &input);
        }
    }
    fixture.check("attack_r_linear", &AttackR { tail: Tail::Linear }, &input);
    fixture.check(
        "attack_r_gaussian",
        &AttackR {
            tail: Tail::Gaussian,
        },
        &input,
    );
}

#[test]
fn multivariate_lira_agrees_with_scipy() {
    let fixture = Fixture::load();
    let shadows = ShadowScores::new(
        fixture.models,
        fixture.dims,
        fixture.vector.clone(),
        fixture.inside.clone(),
    )
    .expect("fits");
    let input = ScoreInput {
        target: &fixture.target,
        shadows: Some(&shadows),
        population: None,
        descriptors: None,
    };
    let attack = Lira {
        variance: Variance::Pooled { shrinkage: 0.3 },
        ..Lira::online()
    };
    fixture.check("lira_multivariate", &attack, &input);
}

#[test]
fn population_attacks_agree_with_the_full_matrix_of_pairs() {
    let fixture = Fixture::load();
    let shadows = ShadowScores::new(
        fixture.models,
        1,
        fixture.x_shadow.clone(),
        fixture.inside.clone(),
    )
    .expect("fits");
    let outside = vec![false; fixture.z_shadow.len()];
    let population =
        ShadowScores::new(fixture.models, 1, fixture.z_shadow.clone(), outside).expect("fits");
    let input = ScoreInput {
        target: &fixture.x_target,
        shadows: Some(&shadows),
        population: Some(Population {
            target: &fixture.z_target,
            shadows: Some(&population),
            descriptors: None,
        }),
        descriptors: None,
    };
    let offline = Rmia::default();
    fixture.check("rmia_offline", &offline, &input);
    let raw = Rmia {
        z_prior: PopulationPrior::RawOut,
        ..offline
    };
    fixture.check("rmia_offline_raw", &raw, &input);
    let warm = Rmia {
        gamma: 1.3,
        temperature: 2.0,
        offline_a: 0.7,
        ..offline
    };
    fixture.check("rmia_offline_gamma", &warm, &input);
    let online = Rmia {
        side: Side::Online,
        gamma: 1.1,
        ..offline
    };
    fixture.check("rmia_online", &online, &input);
    fixture.check("attack_p", &AttackP {}, &input);
}
