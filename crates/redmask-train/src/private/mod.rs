//! Training with differential privacy (DP-SGD, Abadi et al., arXiv 1607.00133).
//!
//! The loop itself draws Poisson batches, bounds the influence of each unit, adds Gaussian noise to the sum and divides by
//! the expected batch size; any optimizer may follow, it only post-processes. A linter refuses what would make the stated
//! epsilon untrue.

mod book_keeping;
mod canary;
mod clip;
mod clipped_sum;
mod config;
mod layout;
mod lint;
mod objective;
mod one_by_one;
mod report;
mod secret;
mod unit_loss;
mod white_box;

use std::collections::BTreeMap;

use redmask_core::{Error, Result, SegDataset};
use redmask_metrics::accountant::{NoiseTarget, noise_for};
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};

pub use canary::AuditReport;
pub use clip::Clipping;
pub use clipped_sum::{ClippedSum, UnitInput, clipped_sum, clipped_sum_one_by_one};
pub use config::{Budget, PrivacyConfig, PrivacyUnit, PrivateSampling, SecretSource};
pub use layout::{GradientLayout, Parts};
pub use lint::{Finding, Rule, Severity};
pub use report::PrivacyReport;
pub use secret::Secret;
pub use unit_loss::UnitLoss;
pub use white_box::{GradientAccess, GradientNorms, gradient_norms};

use self::canary::Canaries;
use self::lint::{Facts, admit, lint, module_kinds};
use self::objective::{PrivateObjective, Units};
use crate::optim::RateGroup;
use crate::segmentation::{Sets, TrainConfig, TrainOutcome, train_with};
use crate::trainer::TrainRun;

/// A private training's network and its guarantee.
#[derive(Debug)]
pub struct PrivateOutcome {
    /// The training.
    pub training: TrainOutcome,
    /// What is guaranteed, and what was found.
    pub privacy: PrivacyReport,
}

/// Trains like [`train_segmentation`](crate::train_segmentation), privately. `config.batch_size` is the expected batch
/// size and `config.drop_last` has no meaning. The run's folder also receives `privacy.json`.
///
/// # Errors
/// As `train_segmentation`; if the linter refuses; if no noise meets the target epsilon.
pub fn train_privately(
    architecture: &NetworkConfig,
    network: SegmentationNetwork,
    train_set: &dyn SegDataset,
    validation_set: Option<&dyn SegDataset>,
    config: &TrainConfig,
    privacy: &PrivacyConfig,
    run: &TrainRun<'_>,
) -> Result<PrivateOutcome> {
    config.validate()?;
    privacy.validate()?;
    let (units, largest_group) = units(train_set, privacy.unit);
    let findings = lint(&Facts {
        training: config,
        privacy,
        modules: module_kinds(&network),
        units: units.names.len(),
        largest_group,
        validates_on_private: validation_set.is_some_and(|set| overlap(train_set, set)),
    });
    admit(&findings, privacy.paper_compat)?;
    let steps_per_epoch = units.names.len().div_ceil(config.batch_size);
    let steps = steps_per_epoch as u64 * u64::from(config.epochs);
    let rate = 1.0 / steps_per_epoch.max(1) as f64;
    let noise_multiplier = match privacy.budget {
        Budget::Noise { multiplier } => multiplier,
        Budget::Epsilon { target, accountant } => {
            let target = NoiseTarget::new(target, privacy.delta, rate, steps);
            noise_for(&target, accountant)
                .map_err(|e| Error::config("privacy.budget", e.to_string()))?
        }
    };
    let count = units.names.len();
    let layout = GradientLayout::of(&network, |path| {
        RateGroup::factor_for(&config.rate_groups, path) != 0.0
    });
    let sets = Sets {
        train: train_set,
        validation: validation_set,
    };
    let secret = match privacy.secret {
        SecretSource::Entropy => Secret::from_entropy()?,
        SecretSource::Seed => Secret::from_seed(run.seed),
    };
    let canaries = Canaries::new(privacy.canaries, &secret, &privacy.clipping, &layout)?;
    let training = train_with(
        architecture,
        network,
        sets,
        config,
        privacy,
        steps_per_epoch,
        run,
        |inner| {
            Ok(PrivateObjective {
                inner,
                privacy,
                units,
                layout,
                secret,
                canaries,
                noise_multiplier,
                steps_per_epoch,
                steps: 0,
            })
        },
    )?;
    let privacy = PrivacyReport::new(
        privacy,
        findings,
        noise_multiplier,
        rate,
        training.steps,
        count,
        training.history.last().and_then(|e| e.report.audit),
    )?;
    privacy.write(run.folder)?;
    Ok(PrivateOutcome { training, privacy })
}

/// The units of `data`, and the size of its largest group.
fn units(data: &dyn SegDataset, unit: PrivacyUnit) -> (Units, usize) {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for i in 0..data.len() {
        groups.entry(data.group(i).to_string()).or_default().push(i);
    }
    let largest = groups.values().map(Vec::len).max().unwrap_or(0);
    let units = match unit {
        PrivacyUnit::Record => Units {
            names: (0..data.len()).map(|i| data.id(i).to_string()).collect(),
            records: (0..data.len()).map(|i| vec![i]).collect(),
        },
        PrivacyUnit::Group => {
            let (names, records) = groups.into_iter().unzip();
            Units { names, records }
        }
    };
    (units, largest)
}

/// Whether the sets share a record or a group.
fn overlap(a: &dyn SegDataset, b: &dyn SegDataset) -> bool {
    let known: std::collections::BTreeSet<_> = (0..a.len()).map(|i| a.group(i)).collect();
    let ids: std::collections::BTreeSet<_> = (0..a.len()).map(|i| a.id(i)).collect();
    (0..b.len()).any(|i| known.contains(&b.group(i)) || ids.contains(&b.id(i)))
}
