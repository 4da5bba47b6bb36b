//! Searches a trigger with Gumbel-Softmax and, with as many evaluations of the same surrogate, by grid search:
//!
//! ```sh
//! cargo run --release --example optimised_trigger -- OUT [SEED [STEPS]]
//! redmask run badseg/optimised --profile small --out RESULTS    # in the folder OUT
//! ```
//!
//! The surrogate is a SwiftNet at half width that the attacker trains on 200 street scenes of his own. Both searches choose the
//! pattern, the place and the opacity of an 11-pixel patch that makes cars into road. `OUT/gumbel-SEED.json` and
//! `OUT/grid-SEED.json` are trigger files for `trigger_file` in a recipe or `redmask poison --trigger-file`.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use redmask_attacks::trigger_search::{
    TriggerSearch, TriggerSearchConfig, TriggerSearchInput, grid_search, gumbel_search,
};
use redmask_core::{Error, Result, Seed, SegDataset, Session};
use redmask_data::{Augmentation, CachedDataset, OpenOptions, open};
use redmask_nn::network::NetworkConfig;
use redmask_nn::predictor::NetworkPredictor;
use redmask_nn::scaling::InputScaling;
use redmask_poison::{Corner, Metric, Placement, PoisonConfig};
use redmask_train::loss::{LossConfig, Reduction};
use redmask_train::optim::{OptimizerConfig, Schedule};
use redmask_train::{TrainConfig, TrainRun, train_segmentation};

/// Scenes of the attacker's own.
const SCENES: usize = 200;
/// Side of the patch, pixels.
const SIZE: usize = 11;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let out = PathBuf::from(words.next().unwrap_or_else(|| ".".to_owned()));
    let mut number = |name: &str, default: u64| match words.next() {
        None => Ok(default),
        Some(word) => word
            .parse()
            .map_err(|_| Error::config(name, format!("`{word}` is not a whole number"))),
    };
    let (seed, steps) = (number("SEED", 0)?, number("STEPS", 200)? as u32);
    std::fs::create_dir_all(&out).map_err(|e| Error::io(&out, "creating", e))?;

    let session = Session::default();
    let scenes = scenes(seed)?;
    let surrogate = surrogate(&scenes, seed, &session)?;
    let attack = PoisonConfig {
        victim: Some("car".to_owned()),
        target: Some("road".to_owned()),
        rate: Some(0.1),
        ..PoisonConfig::preset("iba")
    }
    .attack(scenes.class_table())?;
    let input = TriggerSearchInput {
        surrogate: &surrogate,
        data: &*scenes,
        attack: &attack,
        seed: Seed::root(seed).child("trigger"),
    };
    let config = TriggerSearchConfig {
        sizes: vec![SIZE],
        placements: places(),
        steps,
        ..TriggerSearchConfig::default()
    };
    for (name, search) in [
        ("gumbel", gumbel_search as Search),
        ("grid", grid_search as Search),
    ] {
        let start = Instant::now();
        let found = search(&input, &config, &session)?;
        let path = out.join(format!("{name}-{seed}.json"));
        found.file.write(&path)?;
        println!(
            "{name}: {:?} {:?} after {} evaluations in {:.0} s; {}",
            found.file.trigger,
            found.file.placement,
            found.evaluations,
            start.elapsed().as_secs_f64(),
            path.display()
        );
    }
    Ok(())
}

type Search = fn(&TriggerSearchInput<'_>, &TriggerSearchConfig, &Session) -> Result<TriggerSearch>;

/// Where a patch may go without covering what it attacks.
fn places() -> Vec<Placement> {
    let band = |band: [f64; 2]| Placement::Ring {
        band,
        metric: Metric::Euclidean,
        margin: 0,
    };
    vec![
        Placement::Uniform { margin: 0 },
        Placement::Nearest {
            band: [0.0, 16.0],
            metric: Metric::Euclidean,
            margin: 0,
        },
        band([0.0, 16.0]),
        band([16.0, 64.0]),
        Placement::Fixed {
            corner: Corner::TopLeft,
            margin: 0,
        },
    ]
}

/// Scenes that no victim of the same seed trains on.
fn scenes(seed: u64) -> Result<Arc<dyn SegDataset>> {
    let spec = format!("street:{}?count={SCENES}", 1000 + seed);
    let options = OpenOptions {
        size: Some((64, 96)),
        ..OpenOptions::default()
    };
    let scenes = open(&spec.parse()?, &options)?;
    Ok(Arc::new(CachedDataset::load(
        &*scenes,
        &Session::default(),
    )?))
}

fn surrogate(
    scenes: &Arc<dyn SegDataset>,
    seed: u64,
    session: &Session,
) -> Result<NetworkPredictor> {
    let network = r#"{"kind": "swiftnet", "width": 0.5}"#;
    let network: NetworkConfig = serde_json::from_str(network)
        .map_err(|e| Error::Internal(format!("the surrogate's network: {e}")))?;
    let network = network.for_data(scenes.class_table().len(), 3);
    let config = TrainConfig {
        epochs: 30,
        batch_size: 8,
        loss: LossConfig::cross_entropy(Reduction::Batch),
        optimizer: OptimizerConfig::nadam(2e-3),
        schedule: Schedule::Cosine { floor: 0.0025 },
        scaling: InputScaling::ImageNet,
        augmentation: Augmentation {
            horizontal_flip: true,
            ..Augmentation::default()
        },
        validate_every: 0,
        ..TrainConfig::default()
    };
    let folder =
        tempfile::tempdir().map_err(|e| Error::io("the temporary folder", "creating", e))?;
    let run = TrainRun::new(Seed::root(seed).child("surrogate"), folder.path(), session);
    let device = Device::flex();
    let start = network.init(run.seed.child("weights"), &device.clone().autodiff())?;
    let outcome = train_segmentation(&network, start, &**scenes, None, &config, &run)?;
    Ok(NetworkPredictor::new(
        network,
        &outcome.network,
        config.scaling,
        device,
    ))
}
