//! Training of segmentation networks.

mod config;
mod evaluation;
mod objective;
mod records;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use redmask_core::{Error, Fingerprint, FingerprintBuilder, Result, SegDataset};
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::weights::{ModelCard, load_model, save_model};
use serde::{Deserialize, Serialize};

pub use config::TrainConfig;
pub use evaluation::Evaluation;
pub use objective::SegmentationReport;

use self::objective::SegmentationObjective;
use self::records::Records;
use crate::checkpoint;
use crate::optim::Optimizer;
use crate::parameters::Parameters;
use crate::trainer::{EpochRecord, Plan, TrainRun, train};

/// A trained segmentation network and how it came about.
#[derive(Debug)]
pub struct TrainOutcome {
    /// The network with its final weights, where the given one was.
    pub network: SegmentationNetwork,
    /// One entry per epoch.
    pub history: Vec<EpochRecord<SegmentationReport>>,
    /// Steps taken.
    pub steps: u64,
    /// Wall time over all runs, for provenance.
    pub seconds: f64,
    /// Folder of the final model.
    pub model: PathBuf,
    /// Folders of the weights of `keep_epochs`, by epoch.
    pub kept: BTreeMap<u32, PathBuf>,
}

const MODEL: &str = "model";
const SUMMARY: &str = "training.json";

/// What a finished training leaves beside its model.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    identity: Fingerprint,
    steps: u64,
    seconds: f64,
    history: Vec<EpochRecord<SegmentationReport>>,
}

/// Trains `network`, built from `architecture` on a device with autodiff, on `train`.
///
/// The run's folder receives `epochs.jsonl` (one line per epoch), `epoch-NNNN/` for each of `keep_epochs`, `model/`
/// and `training.json`. A killed or cancelled training goes on from its last checkpoint when called again with the same
/// arguments, and ends bit-equal to an unbroken one on the CPU device; a finished one is read back.
///
/// # Errors
/// If the configuration is invalid, a record cannot be read or does not fit the network, the folder holds another
/// training, the loss becomes NaN or infinite (the records of the batch are named), a file cannot be written, or the
/// session is cancelled ([`Error::Interrupted`], after writing a checkpoint).
pub fn train_segmentation(
    architecture: &NetworkConfig,
    network: SegmentationNetwork,
    train_set: &dyn SegDataset,
    validation_set: Option<&dyn SegDataset>,
    config: &TrainConfig,
    run: &TrainRun<'_>,
) -> Result<TrainOutcome> {
    config.validate()?;
    let card = model_card(architecture, train_set, config)?;
    let identity = identity(
        architecture,
        &network,
        train_set,
        validation_set,
        config,
        run,
    )?;
    let folder = Folder(run.folder);
    if let Some(summary) = folder.summary(identity)? {
        return folder.outcome(summary, network, config);
    }
    let classes = architecture.class_count();
    let device = network
        .devices()
        .into_iter()
        .next()
        .ok_or_else(|| Error::Internal("a network without parameters".into()))?;
    if !device.is_autodiff() {
        return Err(Error::Internal(
            "a network to be trained must be on a device with autodiff".into(),
        ));
    }
    let open = |set| Records::open(set, classes, run.memory_budget, run.session);
    let mut objective = SegmentationObjective {
        config,
        run,
        records: open(train_set)?,
        validation: validation_set.map(open).transpose()?,
        card: &card,
        channels: architecture.in_channels(),
        outputs: architecture.outputs(),
        device: device.inner(),
    };
    let plan = Plan {
        epochs: config.epochs,
        batch_size: config.batch_size,
        drop_last: config.drop_last,
        schedule: config.schedule,
    };
    let optimizer = Optimizer::new(config.optimizer, config.rate_groups.clone());
    let trained = train(&mut objective, network, optimizer, plan, identity, run)?;
    save_model(&run.folder.join(MODEL), &card, &trained.network)?;
    let summary = Summary {
        identity,
        steps: trained.steps,
        seconds: trained.seconds,
        history: trained.history,
    };
    folder.finish(&summary)?;
    Ok(TrainOutcome {
        network: trained.network,
        history: summary.history,
        steps: summary.steps,
        seconds: summary.seconds,
        model: run.folder.join(MODEL),
        kept: folder.kept(config),
    })
}

struct Folder<'a>(&'a Path);

impl Folder<'_> {
    /// The summary of a training that was finished here before.
    fn summary(&self, identity: Fingerprint) -> Result<Option<Summary>> {
        let path = self.0.join(SUMMARY);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, "reading", e)),
        };
        let summary: Summary = serde_json::from_slice(&text)
            .map_err(|e| Error::input(&path, format!("not a training summary: {e}")))?;
        if summary.identity != identity {
            return Err(Error::input(
                self.0,
                "holds another training (other records, configuration, seed or initial weights)",
            )
            .with_hint("use another folder, or delete this one"));
        }
        Ok(Some(summary))
    }

    fn outcome(
        &self,
        summary: Summary,
        network: SegmentationNetwork,
        config: &TrainConfig,
    ) -> Result<TrainOutcome> {
        let device = network.devices().into_iter().next().unwrap_or_default();
        let model = self.0.join(MODEL);
        Ok(TrainOutcome {
            network: load_model(&model, &device)?.1,
            history: summary.history,
            steps: summary.steps,
            seconds: summary.seconds,
            model,
            kept: self.kept(config),
        })
    }

    fn kept(&self, config: &TrainConfig) -> BTreeMap<u32, PathBuf> {
        config
            .keep_epochs
            .iter()
            .map(|&e| (e, self.0.join(format!("epoch-{e:04}"))))
            .collect()
    }

    /// Writes the summary, which makes the training finished, and drops its checkpoints.
    fn finish(&self, summary: &Summary) -> Result<()> {
        let text = serde_json::to_vec_pretty(summary)
            .map_err(|e| Error::Internal(format!("a training summary: {e}")))?;
        checkpoint::write_file(&self.0.join(SUMMARY), &text)?;
        checkpoint::clear(self.0)
    }
}

fn model_card(
    architecture: &NetworkConfig,
    data: &dyn SegDataset,
    config: &TrainConfig,
) -> Result<ModelCard> {
    let table = data.class_table();
    if table.len() > architecture.class_count() {
        return Err(Error::config(
            "network",
            format!(
                "has {} classes, the data set {}",
                architecture.class_count(),
                table.len()
            ),
        ));
    }
    if data.channels() != architecture.in_channels() {
        return Err(Error::config(
            "network",
            format!(
                "takes {} channels, the data set has {}",
                architecture.in_channels(),
                data.channels()
            ),
        ));
    }
    // A network may have more outputs than the data set names.
    let classes = (0..architecture.class_count())
        .map(|c| {
            table
                .get(c as u8)
                .map_or_else(|| format!("class {c}"), |info| info.name.clone())
        })
        .collect();
    Ok(ModelCard {
        classes,
        scaling: config.scaling,
        network: architecture.clone(),
    })
}

/// A hash of everything that the result follows from.
fn identity(
    architecture: &NetworkConfig,
    network: &SegmentationNetwork,
    train_set: &dyn SegDataset,
    validation_set: Option<&dyn SegDataset>,
    config: &TrainConfig,
    run: &TrainRun<'_>,
) -> Result<Fingerprint> {
    let text = serde_json::to_vec(&(architecture, config))
        .map_err(|e| Error::Internal(format!("a training configuration: {e}")))?;
    let mut builder = FingerprintBuilder::new();
    builder
        .part("config", &text)
        .part("seed", run.seed.as_bytes())
        .part("train", train_set.fingerprint().to_hex().as_bytes())
        .part(
            "initial",
            Parameters::of(network).fingerprint().to_hex().as_bytes(),
        );
    if let Some(set) = validation_set {
        builder.part("validation", set.fingerprint().to_hex().as_bytes());
    }
    Ok(builder.finish())
}
