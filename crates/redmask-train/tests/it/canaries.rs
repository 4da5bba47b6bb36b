//! A private training audited in one run with canaries (Steinke, Nasr and Jagielski, arXiv 2305.08846): what the audit finds stays
//! below what the accountant promises, and an audit of a training without its noise finds more than that.

use std::collections::BTreeMap;

use burn::tensor::Device;
use rand::RngExt;
use redmask_core::{
    ClassKind, ClassTable, Fingerprint, GroupId, Image, LabelMap, Result, Sample, SampleId, Seed,
    SegDataset, Session,
};
use redmask_metrics::epsilon::OneRunAudit;
use redmask_nn::block::NormKind;
use redmask_nn::network::{NetworkConfig, SegmentationNetwork, UnetConfig};
use redmask_nn::pass::Pass;
use redmask_nn::scaling::InputScaling;
use redmask_train::loss::{LossConfig, Reduction, Targets};
use redmask_train::optim::OptimizerConfig;
use redmask_train::private::{
    Budget, Clipping, PrivacyConfig, PrivacyReport, SecretSource, train_privately,
};
use redmask_train::{TrainConfig, TrainRun};

const CANARIES: usize = 60;
const SIDE: usize = 32;
const DELTA: f64 = 1e-3;
/// Steps: each epoch is one, because every canary joins every step.
const EPOCHS: u32 = 12;
const NOISE: f64 = 20.0;

/// Noise images with noise masks: nothing but memory tells their masks. A coin decides which of them take part.
struct Canaries {
    chosen: Vec<usize>,
    table: ClassTable,
}

impl Canaries {
    fn new(chosen: Vec<usize>) -> Self {
        let rows = [
            ("off", [0; 3], ClassKind::Stuff),
            ("on", [255; 3], ClassKind::Thing),
        ];
        Self {
            chosen,
            table: ClassTable::from_rows(&rows),
        }
    }

    fn tossed(seed: Seed) -> (Vec<bool>, Self) {
        let mut rng = seed.child("coin").rng();
        let inside: Vec<bool> = (0..CANARIES).map(|_| rng.random::<bool>()).collect();
        let chosen = (0..CANARIES).filter(|&i| inside[i]).collect();
        (inside, Self::new(chosen))
    }
}

impl SegDataset for Canaries {
    fn len(&self) -> usize {
        self.chosen.len()
    }

    fn class_table(&self) -> &ClassTable {
        &self.table
    }

    fn channels(&self) -> usize {
        3
    }

    fn id(&self, index: usize) -> SampleId {
        SampleId::new("canary", &self.chosen[index].to_string())
    }

    fn group(&self, index: usize) -> GroupId {
        GroupId(self.id(index).to_string())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let mut rng = Seed::root(77).index(self.chosen[index] as u64).rng();
        let block = SIDE / 4;
        // Blocks of one colour and one label each.
        let colours: Vec<[u8; 3]> = (0..16).map(|_| rng.random()).collect();
        let on: Vec<bool> = (0..16).map(|_| rng.random()).collect();
        let place = |i: usize| i / SIDE / block * 4 + i % SIDE / block;
        let pixels = (0..3)
            .flat_map(|c| (0..SIDE * SIDE).map(move |i| (c, i)))
            .map(|(c, i)| colours[place(i)][c])
            .collect();
        let labels = (0..SIDE * SIDE).map(|i| u8::from(on[place(i)])).collect();
        Ok(Sample {
            id: self.id(index),
            group: self.group(index),
            image: Image::new(3, SIDE, SIDE, pixels),
            labels: LabelMap::new(SIDE, SIDE, labels),
            instances: None,
            attributes: BTreeMap::new(),
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?}", self.chosen).as_bytes())
    }
}

fn architecture() -> NetworkConfig {
    NetworkConfig::Unet(UnetConfig {
        width: 0.125,
        norm: NormKind::Group,
        ..UnetConfig::default()
    })
}

fn losses(network: &SegmentationNetwork) -> Vec<f64> {
    let all = Canaries::new((0..CANARIES).collect());
    let loss = LossConfig::cross_entropy(Reduction::PerImage);
    (0..CANARIES)
        .map(|i| {
            let sample = all.sample(i).unwrap();
            let x = InputScaling::Unit
                .tensor(&[&sample], 3, &Device::flex())
                .unwrap();
            let logits = network.forward(x, &Pass::eval());
            let shape = logits.dims();
            let logits: Vec<f32> = logits.into_data().try_into_vec().unwrap();
            let targets = Targets::from_maps([&sample.labels]).unwrap();
            loss.evaluate(&logits, shape, &targets).rows[0]
        })
        .collect()
}

/// Trains on the canaries that the coin chose, and guesses all of them by how far their loss fell.
fn audit(noise: f64, seed: u64) -> (OneRunAudit, PrivacyReport) {
    let seed = Seed::root(seed);
    let (inside, data) = Canaries::tossed(seed);
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        epochs: EPOCHS,
        batch_size: CANARIES,
        loss: LossConfig::cross_entropy(Reduction::PerImage),
        optimizer: OptimizerConfig::adam(3e-3),
        ..TrainConfig::default()
    };
    let privacy = PrivacyConfig {
        secret: SecretSource::Seed,
        clipping: Clipping::Flat { norm: 1.0 },
        ..PrivacyConfig::new(Budget::Noise { multiplier: noise }, DELTA)
    };
    let network = architecture()
        .init(seed.child("init"), &Device::flex().autodiff())
        .unwrap();
    let before = {
        use burn::module::Module;
        losses(&network.valid())
    };
    let session = Session::default();
    let run = TrainRun::new(seed, folder.path(), &session);
    let outcome = train_privately(
        &architecture(),
        network,
        &data,
        None,
        &config,
        &privacy,
        &run,
    )
    .unwrap();
    let after = {
        use burn::module::Module;
        losses(&outcome.training.network.valid())
    };
    let mut order: Vec<usize> = (0..CANARIES).collect();
    let fall = |i: usize| before[i] - after[i];
    order.sort_by(|&a, &b| fall(b).total_cmp(&fall(a)));
    // Half "in", half "out", fixed before any score is seen.
    let correct = order
        .iter()
        .enumerate()
        .filter(|(rank, i)| (*rank < CANARIES / 2) == inside[**i])
        .count();
    let audit = OneRunAudit {
        canaries: CANARIES as u64,
        guesses: CANARIES as u64,
        correct: correct as u64,
        delta: DELTA,
    };
    (audit, outcome.privacy)
}

#[test]
fn an_audit_stays_below_the_promise_and_notices_when_the_noise_is_gone() {
    let (private, report) = audit(NOISE, 5);
    let promised = report.pld.expect("there is noise").epsilon;
    assert!(report.guarantee);
    let found = private.epsilon(0.05).unwrap();
    assert!(found <= promised, "{found} above {promised}");

    let (bare, report) = audit(0.0, 5);
    assert!(!report.guarantee);
    let found = bare.epsilon(0.05).unwrap();
    assert!(
        found > promised,
        "without noise the audit finds {found} ({} of {}), the promise was {promised}",
        bare.correct,
        bare.guesses
    );
}
