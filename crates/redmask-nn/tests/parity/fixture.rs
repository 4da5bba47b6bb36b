//! Comparison of a module with what PyTorch computed.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::Seed;
use redmask_nn::network::NetworkConfig;
use redmask_nn::pass::Pass;
use redmask_nn::weights::{self, StateDict, StateTensor};
use safetensors::SafeTensors;

use crate::formula;

/// The stored tensors of a case.
pub(crate) struct Fixture {
    case: String,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Fixture {
    pub(crate) fn open(case: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/parity")
            .join(format!("{case}.safetensors"));
        let bytes = std::fs::read(&path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes)
            .unwrap()
            .iter()
            .map(|(name, view)| {
                let values = view
                    .data()
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f32::from_le_bytes(*b))
                    .collect();
                (name.to_owned(), (view.shape().to_vec(), values))
            })
            .collect();
        Self {
            case: case.to_owned(),
            tensors,
        }
    }

    /// Asserts that the largest difference is below `tolerance` times the largest value of PyTorch's. Of maps, the
    /// fixture has every third pixel.
    pub(crate) fn agrees<const D: usize>(&self, name: &str, ours: Tensor<D>, tolerance: f32) {
        let (shape, theirs) = &self.tensors[name];
        let dims = ours.dims();
        let ours: Vec<f32> = ours.inner().into_data().try_into_vec().unwrap();
        let ours = if D == 4 { thin(&ours, &dims) } else { ours };
        let thinned: Vec<usize> = (0..D)
            .map(|d| if d < 2 { dims[d] } else { (dims[d] + 1) / 3 })
            .collect();
        assert_eq!(thinned, *shape, "{}: shape of {name}", self.case);
        let scale = theirs.iter().fold(0f32, |m, v| m.max(v.abs()));
        let error = ours
            .iter()
            .zip(theirs)
            .fold(0f32, |m, (a, b)| m.max((a - b).abs()))
            / scale;
        eprintln!(
            "{}: {name} differs by {error:.1e} of its largest value",
            self.case
        );
        assert!(
            error < tolerance,
            "{}: {name} differs by {error}",
            self.case
        );
    }

    /// Asserts that norm and random projection of every tensor whose fixture name starts with `kind` agree, and that
    /// both sides have the same tensors.
    pub(crate) fn digests_agree(&self, kind: &str, ours: &StateDict, tolerance: f64) {
        let theirs: Vec<&str> = self
            .tensors
            .keys()
            .filter_map(|name| name.strip_prefix(kind))
            .collect();
        assert!(!theirs.is_empty(), "{}: nothing under {kind}", self.case);
        let mine: Vec<&str> = ours.keys().map(String::as_str).collect();
        assert_eq!(mine, theirs, "{}: names under {kind}", self.case);
        let mut worst = (0.0, "");
        for name in theirs {
            let (_, expected) = &self.tensors[&format!("{kind}{name}")];
            let (norm, projection) = digest(name, &ours[name]);
            let scale = f64::from(expected[0]).max(1e-12);
            let error = (norm - f64::from(expected[0]))
                .abs()
                .max((projection - f64::from(expected[1])).abs())
                / scale;
            if error > worst.0 {
                worst = (error, name);
            }
        }
        eprintln!(
            "{}: {kind} differs by {:.1e} at {}",
            self.case, worst.0, worst.1
        );
        assert!(
            worst.0 < tolerance,
            "{}: {kind}{} differs by {} of its norm",
            self.case,
            worst.1,
            worst.0
        );
    }
}

fn thin(values: &[f32], dims: &[usize]) -> Vec<f32> {
    let (h, w) = (dims[2], dims[3]);
    values
        .chunks_exact(h * w)
        .flat_map(|plane| {
            (1..h)
                .step_by(3)
                .flat_map(move |y| (1..w).step_by(3).map(move |x| plane[y * w + x]))
        })
        .collect()
}

fn digest(name: &str, tensor: &StateTensor) -> (f64, f64) {
    let noise = formula::noise(&format!("digest.{name}"), tensor.values.len());
    let norm = tensor
        .values
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>();
    let projection = tensor
        .values
        .iter()
        .zip(noise)
        .map(|(v, u)| f64::from(*v) * u)
        .sum();
    (norm.sqrt(), projection)
}

pub(crate) fn tensor<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = formula::image(name, shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Which parts of a case to compare, and how closely.
#[derive(Clone, Copy)]
pub(crate) struct Demand {
    pub(crate) eval: f32,
    pub(crate) train: f32,
    pub(crate) statistics: Option<f64>,
    pub(crate) gradients: Option<f64>,
}

/// Everything but gradients, to 1e-4.
pub(crate) const EXACT: Demand = Demand {
    eval: 1e-4,
    train: 1e-4,
    statistics: Some(1e-4),
    gradients: None,
};

/// The outputs of a module: the logits, and those of an auxiliary head.
pub(crate) type Outputs<const D: usize> = (Tensor<D>, Option<Tensor<D>>);

/// Runs a module through a case: evaluation, training, running statistics, gradients.
pub(crate) fn compare<M: Module, const D: usize>(
    case: &str,
    module: M,
    shape: [usize; 4],
    demand: Demand,
    forward: impl Fn(&M, Tensor<4>, &Pass) -> Outputs<D>,
) {
    let fixture = Fixture::open(case);
    let module =
        weights::restore(module.clone(), formula::state(weights::shapes(&module))).unwrap();
    let device = Device::flex();
    let x = tensor("input", shape, &device);

    let (y, none) = forward(&module.valid(), x.clone(), &Pass::eval());
    assert!(none.is_none(), "an auxiliary head ran in evaluation");
    fixture.agrees("eval", y, demand.eval);

    let pass = Pass::train(Seed::root(0));
    let (y, auxiliary) = forward(&module, x, &pass);
    fixture.agrees("train", y.clone(), demand.train);
    if let Some(auxiliary) = auxiliary {
        fixture.agrees("auxiliary", auxiliary, demand.train);
    }
    if let Some(tolerance) = demand.gradients {
        let loss_weights = tensor("loss", y.dims(), &device);
        let count = y.dims().iter().product::<usize>() as f64;
        let gradients = (y * loss_weights).sum().div_scalar(count).backward();
        let gradients = weights::gradient_dict(&module, &gradients);
        fixture.digests_agree("grad:", &gradients, tolerance);
    }
    if let Some(tolerance) = demand.statistics {
        let mut after = weights::state_dict(&pass.commit(module));
        after.retain(|name, _| name.contains("running_"));
        fixture.digests_agree("stat:", &after, tolerance);
    }
}

/// [`compare`] for a segmentation network.
pub(crate) fn compare_network(
    case: &str,
    config: &NetworkConfig,
    shape: [usize; 4],
    demand: Demand,
) {
    let network = config
        .init(Seed::root(0), &Device::flex().autodiff())
        .unwrap();
    compare(case, network, shape, demand, |network, x, pass| {
        let logits = network.forward_all(x, pass);
        (logits.main, logits.auxiliary)
    });
}
