//! Training of segmentation networks.

mod config;
mod evaluation;
mod objective;
mod records;
mod rewrite;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use redmask_core::{Error, Result, SegDataset};
use redmask_nn::block::NormKind;
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::weights::{ModelCard, load_model, save_model};
use serde::Serialize;

pub use config::TrainConfig;
pub use evaluation::Evaluation;
pub use objective::SegmentationReport;
pub use rewrite::EpochRewrite;

pub(crate) use self::evaluation::evaluate;
pub(crate) use self::objective::SegmentationObjective;
pub(crate) use self::records::Records;
use crate::finished::Summary;
use crate::identity::{Identity, device_of, trainable_device};
use crate::optim::Optimizer;
use crate::sampler::batches_per_epoch;
use crate::trainer::{EpochRecord, Objective, Plan, TrainRun, train};

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
    let sets = Sets {
        train: train_set,
        validation: validation_set,
    };
    let steps = batches_per_epoch(train_set.len(), config.batch_size, config.drop_last);
    train_with(architecture, network, sets, config, &(), steps, run, Ok)
}

/// As [`train_segmentation`], with training records changed by `rewrite` as they are loaded.
///
/// # Errors
/// As [`train_segmentation`].
pub fn train_rewritten<'a>(
    architecture: &NetworkConfig,
    network: SegmentationNetwork,
    train_set: &'a dyn SegDataset,
    validation_set: Option<&'a dyn SegDataset>,
    config: &'a TrainConfig,
    rewrite: &'a dyn EpochRewrite,
    run: &'a TrainRun<'a>,
) -> Result<TrainOutcome> {
    let sets = Sets {
        train: train_set,
        validation: validation_set,
    };
    let steps = batches_per_epoch(train_set.len(), config.batch_size, config.drop_last);
    let method = rewrite.fingerprint();
    train_with(
        architecture,
        network,
        sets,
        config,
        &method,
        steps,
        run,
        |mut objective: SegmentationObjective<'a>| {
            objective.rewrite = Some(rewrite);
            Ok(objective)
        },
    )
}

/// Refuses a last batch of one record where a layer has one value a channel, of which there is no variance: in a U-Net
/// behind its encoder's stride of 32, in the others behind their global pooling.
fn check_last_batch(
    architecture: &NetworkConfig,
    train_set: &dyn SegDataset,
    config: &TrainConfig,
) -> Result<()> {
    let alone = config.batch_size == 1 || train_set.len() % config.batch_size == 1;
    if architecture.norm() != NormKind::Batch || config.drop_last || !alone {
        return Ok(());
    }
    let labels = train_set.sample(0)?.labels;
    let deepest = labels.height().div_ceil(32) * labels.width().div_ceil(32);
    if matches!(architecture, NetworkConfig::Unet(_)) && deepest > 1 {
        return Ok(());
    }
    Err(Error::config(
        "batch_size",
        format!(
            "{} records in batches of {} leave one record alone, and batch normalisation has no variance of one value",
            train_set.len(),
            config.batch_size
        ),
    )
    .with_hint("set drop_last = true, another batch_size, larger images, or norm = \"group\" for the network"))
}

/// The records of a training.
#[derive(Clone, Copy)]
pub(crate) struct Sets<'a> {
    pub(crate) train: &'a dyn SegDataset,
    pub(crate) validation: Option<&'a dyn SegDataset>,
}

/// Trains under the objective that `wrap` makes of the plain one. `method` is what the result follows from besides the
/// arguments of [`train_segmentation`].
#[expect(
    clippy::too_many_arguments,
    reason = "the one inside of several entry points"
)]
pub(crate) fn train_with<'a, S: Serialize, O>(
    architecture: &NetworkConfig,
    network: SegmentationNetwork,
    sets: Sets<'a>,
    config: &'a TrainConfig,
    method: &S,
    steps_per_epoch: usize,
    run: &'a TrainRun<'a>,
    wrap: impl FnOnce(SegmentationObjective<'a>) -> Result<O>,
) -> Result<TrainOutcome>
where
    O: Objective<Network = SegmentationNetwork, Report = SegmentationReport>,
{
    config.validate()?;
    check_last_batch(architecture, sets.train, config)?;
    let card = model_card(architecture, sets.train, config)?;
    let identity = Identity::new(&(architecture, config, method), run.seed)?
        .initial(&network)
        .data("train", sets.train.fingerprint())
        .data_if("validation", sets.validation.map(SegDataset::fingerprint))
        .finish();
    let model = run.folder.join(MODEL);
    if let Some(summary) = Summary::read(run.folder, identity)? {
        return Ok(TrainOutcome {
            network: load_model(&model, &device_of(&network)?)?.1,
            history: summary.history,
            steps: summary.steps,
            seconds: summary.seconds,
            model,
            kept: kept(config, run.folder),
        });
    }
    let classes = architecture.class_count();
    let device = trainable_device(&network)?;
    let open = |set| Records::open(set, classes, run.memory_budget, run.session);
    let mut objective = wrap(SegmentationObjective {
        config,
        run,
        records: open(sets.train)?,
        validation: sets.validation.map(open).transpose()?,
        card: card.clone(),
        channels: architecture.in_channels(),
        outputs: architecture.outputs(),
        device: device.inner(),
        rewrite: None,
    })?;
    let plan = Plan {
        epochs: config.epochs,
        steps_per_epoch,
        schedule: config.schedule,
    };
    let optimizer = Optimizer::new(config.optimizer, config.rate_groups.clone());
    let trained = train(&mut objective, network, optimizer, plan, identity, run)?;
    save_model(&model, &card, &trained.network)?;
    let summary = Summary {
        identity,
        steps: trained.steps,
        seconds: trained.seconds,
        history: trained.history,
    };
    summary.write(run.folder)?;
    Ok(TrainOutcome {
        network: trained.network,
        history: summary.history,
        steps: summary.steps,
        seconds: summary.seconds,
        model,
        kept: kept(config, run.folder),
    })
}

fn kept(config: &TrainConfig, folder: &Path) -> BTreeMap<u32, PathBuf> {
    config
        .keep_epochs
        .iter()
        .map(|&epoch| (epoch, epoch_folder(folder, epoch)))
        .collect()
}

/// Where the weights after epoch `epoch`, counted from 1, are kept.
fn epoch_folder(folder: &Path, epoch: u32) -> PathBuf {
    folder.join(format!("epoch-{epoch:04}"))
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
