//! Optimizer trajectories against PyTorch (`fixtures/optim/export.py`).

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use redmask_train::optim::{Optimizer, OptimizerConfig, RateGroup};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    start: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

#[derive(Module, Debug)]
struct Toy {
    weight: Param<Tensor<1>>,
}

impl Toy {
    fn new(values: &[f32]) -> Self {
        let weight = Tensor::from_floats(values, &Device::flex().autodiff());
        Self {
            weight: Param::from_tensor(weight),
        }
    }

    fn values(&self) -> Vec<f32> {
        self.weight.val().into_data().try_into_vec().expect("f32")
    }
}

fn gradients(toy: &Toy, values: &[f32]) -> GradientsParams {
    let mut gradients = GradientsParams::new();
    gradients.register(
        toy.weight.id,
        Tensor::<1>::from_floats(values, &Device::flex()),
    );
    gradients
}

fn config(name: &str) -> OptimizerConfig {
    let sgd = |momentum, dampening, nesterov, weight_decay| OptimizerConfig::Sgd {
        rate: 1e-2,
        momentum,
        dampening,
        nesterov,
        weight_decay,
    };
    let mut config = match name {
        "nadam" => OptimizerConfig::nadam(1e-2),
        "nadam-decay" | "nadam-decoupled" => OptimizerConfig::nadam(1e-2).with_weight_decay(0.1),
        "adam" => OptimizerConfig::adam(1e-2),
        "adam-decay" | "adamw" => OptimizerConfig::adam(1e-2).with_weight_decay(0.1),
        "sgd" => sgd(0.0, 0.0, false, 0.0),
        "sgd-momentum" => sgd(0.9, 0.0, false, 1e-2),
        "sgd-nesterov" => sgd(0.9, 0.0, true, 0.0),
        "sgd-dampened" => sgd(0.9, 0.3, false, 0.0),
        other => panic!("no such case: {other}"),
    };
    if let OptimizerConfig::Nadam { decoupled, .. } | OptimizerConfig::Adam { decoupled, .. } =
        &mut config
    {
        *decoupled = name == "nadam-decoupled" || name == "adamw";
    }
    config
}

#[test]
fn trajectories_agree_with_pytorch() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/optim/optim.json")).unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let mut toy = Toy::new(&case.start);
        let mut optimizer = Optimizer::new(config(&case.name), Vec::new());
        for (step, (g, expected)) in case.gradients.iter().zip(&case.values).enumerate() {
            toy = {
                let mut g = gradients(&toy, g);
                optimizer.step(toy, &mut g, 1.0)
            };
            for (ours, theirs) in toy.values().iter().zip(expected) {
                assert!(
                    (ours - theirs).abs() <= 2e-6 * theirs.abs().max(0.1),
                    "{} after step {}: {ours} against {theirs}",
                    case.name,
                    step + 1
                );
            }
        }
    }
}

#[test]
fn a_restored_state_goes_on_bit_equal() {
    let start: Vec<f32> = (0..40_000).map(|i| (i as f32).sin()).collect();
    let gradient = |step: usize| -> Vec<f32> {
        (0..start.len())
            .map(|i| ((i + 7 * step) as f32).cos())
            .collect()
    };
    let mut unbroken = Optimizer::new(OptimizerConfig::default(), Vec::new());
    let mut toy = Toy::new(&start);
    let mut middle = None;
    for step in 0..6 {
        if step == 3 {
            middle = Some((toy.values(), unbroken.state()));
        }
        let mut g = gradients(&toy, &gradient(step));
        toy = unbroken.step(toy, &mut g, 0.5);
    }
    let (values, state) = middle.unwrap();
    assert_eq!(state.keys().collect::<Vec<_>>(), ["weight"]);
    let mut resumed = Optimizer::new(OptimizerConfig::default(), Vec::new());
    resumed.restore(state);
    let mut other = Toy::new(&values);
    for step in 3..6 {
        let mut g = gradients(&other, &gradient(step));
        other = resumed.step(other, &mut g, 0.5);
    }
    let bits = |toy: &Toy| toy.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&toy), bits(&other));
}

#[test]
fn a_frozen_group_does_not_move() {
    let toy = Toy::new(&[1.0, 2.0]);
    let group = RateGroup {
        prefix: "weight".to_owned(),
        factor: 0.0,
    };
    let mut optimizer = Optimizer::new(OptimizerConfig::sgd(1.0, 0.0), vec![group]);
    let mut g = gradients(&toy, &[1.0, 1.0]);
    let toy = optimizer.step(toy, &mut g, 1.0);
    assert_eq!(toy.values(), [1.0, 2.0]);
}

#[test]
fn a_snapshot_of_the_network_keeps_its_weights() {
    let toy = Toy::new(&[1.0, 2.0]);
    let snapshot = toy.clone();
    let mut optimizer = Optimizer::new(OptimizerConfig::sgd(1.0, 0.0), Vec::new());
    let mut g = gradients(&toy, &[1.0, 1.0]);
    let toy = optimizer.step(toy, &mut g, 1.0);
    assert_eq!(toy.values(), [0.0, 1.0]);
    assert_eq!(snapshot.values(), [1.0, 2.0]);
}
