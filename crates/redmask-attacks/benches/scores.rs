//! Scoring 10,000 records against 64 models and a population of 10,000. Beside it: benches/scores_numpy.py.
//!
//! `cargo bench -p redmask-attacks --bench scores`

use divan::Bencher;
use rand::RngExt;
use redmask_attacks::scores::{
    AttackR, Lira, Population, Rmia, ScoreAttack, ScoreInput, ShadowScores, Side, Tail, Variance,
};
use redmask_core::Seed;

const RECORDS: usize = 10_000;
const MODELS: usize = 64;

fn main() {
    divan::main();
}

struct Case {
    target: Vec<f64>,
    shadows: ShadowScores,
    population_target: Vec<f64>,
    population: ShadowScores,
}

impl Case {
    fn new() -> Self {
        let mut rng = Seed::root(0).child("bench").rng();
        let mut signals =
            |n: usize| -> Vec<f64> { (0..n).map(|_| -rng.random_range(0.0..1.0)).collect() };
        let inside = (0..RECORDS * MODELS)
            .map(|i| (i / MODELS + i % MODELS).is_multiple_of(2))
            .collect();
        Self {
            target: signals(RECORDS),
            population_target: signals(RECORDS),
            shadows: ShadowScores::new(MODELS, 1, signals(RECORDS * MODELS), inside).expect("fits"),
            population: ShadowScores::new(
                MODELS,
                1,
                signals(RECORDS * MODELS),
                vec![false; RECORDS * MODELS],
            )
            .expect("fits"),
        }
    }

    fn input(&self) -> ScoreInput<'_> {
        ScoreInput {
            target: &self.target,
            shadows: Some(&self.shadows),
            population: Some(Population {
                target: &self.population_target,
                shadows: Some(&self.population),
                descriptors: None,
            }),
            descriptors: None,
        }
    }
}

fn run(bencher: Bencher, attack: impl ScoreAttack) {
    let case = Case::new();
    bencher.bench(|| attack.scores(&case.input()).expect("the case is sound"));
}

#[divan::bench]
fn lira_online_per_record(bencher: Bencher) {
    run(
        bencher,
        Lira {
            variance: Variance::PerRecord,
            ..Lira::online()
        },
    );
}

#[divan::bench]
fn lira_online_fixed(bencher: Bencher) {
    run(
        bencher,
        Lira {
            variance: Variance::Fixed,
            ..Lira::online()
        },
    );
}

#[divan::bench]
fn rmia_offline(bencher: Bencher) {
    run(bencher, Rmia::default());
}

#[divan::bench]
fn rmia_online(bencher: Bencher) {
    run(
        bencher,
        Rmia {
            side: Side::Online,
            ..Rmia::default()
        },
    );
}

#[divan::bench]
fn attack_r_gaussian(bencher: Bencher) {
    run(
        bencher,
        AttackR {
            tail: Tail::Gaussian,
        },
    );
}
