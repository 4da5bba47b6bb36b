//! Batches of records and their loss.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use redmask_core::{Result, Sample, Seed};
use redmask_data::Augmentation;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::ops::Precision;
use redmask_nn::pass::Pass;
use redmask_nn::weights::{ModelCard, save_model};
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::epoch_folder;
use super::evaluation::{Evaluation, evaluate};
use super::records::Records;
use super::rewrite::EpochRewrite;
use crate::loss::{Loss, Targets};
use crate::private::AuditReport;
use crate::sampler::{Batch, shuffled_batches};
use crate::trainer::{Objective, TrainRun};

/// What a segmentation training measures after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SegmentationReport {
    /// Held-out records, in the epochs in which they are measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub validation: Option<Evaluation>,
    /// What the canaries of a private training revealed, after its last epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audit: Option<AuditReport>,
}

pub(crate) struct SegmentationObjective<'a> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) run: &'a TrainRun<'a>,
    pub(crate) records: Records<'a>,
    pub(crate) validation: Option<Records<'a>>,
    pub(crate) card: ModelCard,
    pub(crate) channels: usize,
    pub(crate) outputs: usize,
    /// Where inputs are created, without autodiff: they are constants of the graph.
    pub(crate) device: Device,
    /// What changes records as they are loaded.
    pub(crate) rewrite: Option<&'a dyn EpochRewrite>,
}

impl SegmentationObjective<'_> {
    /// Root of the transforms of the records in `epoch`.
    pub(crate) fn augmentation_seed(&self, epoch: u32) -> Seed {
        self.run.seed.child("augment").index(u64::from(epoch))
    }

    /// The records at `indices`, each transformed by a draw from `seed` and its id.
    pub(crate) fn prepared(&self, indices: &[usize], seed: Seed) -> Result<Vec<Cow<'_, Sample>>> {
        Ok(self.augmented(self.records.get(indices)?, seed))
    }

    fn augmented<'s>(&self, samples: Vec<Cow<'s, Sample>>, seed: Seed) -> Vec<Cow<'s, Sample>> {
        if self.config.augmentation == Augmentation::default() {
            return samples;
        }
        samples
            .into_par_iter()
            .map(|sample| {
                let mut rng = seed.child(sample.id.as_str()).rng();
                Cow::Owned(self.config.augmentation.draw(&mut rng).apply(&sample))
            })
            .collect()
    }

    /// The records as a rewriting loader hands them out in this epoch.
    fn rewritten<'s>(&self, samples: Vec<Cow<'s, Sample>>, epoch: u32) -> Vec<Cow<'s, Sample>> {
        let Some(rewrite) = self.rewrite else {
            return samples;
        };
        samples
            .into_par_iter()
            .map(|sample| rewrite.rewrite(&sample, epoch).map_or(sample, Cow::Owned))
            .collect()
    }

    /// Records as inputs `[n, channels, h, w]` and targets.
    pub(crate) fn stacked(&self, samples: &[Cow<'_, Sample>]) -> Result<(Tensor<4>, Targets)> {
        let samples: Vec<&Sample> = samples.iter().map(AsRef::as_ref).collect();
        let x = self
            .config
            .scaling
            .tensor(&samples, self.channels, &self.device)?;
        let targets = Targets::from_maps(samples.iter().map(|s| &s.labels))?;
        Ok((x, targets))
    }
}

impl Objective for SegmentationObjective<'_> {
    type Network = SegmentationNetwork;
    type Report = SegmentationReport;

    fn label(&self) -> String {
        "train segmentation".to_owned()
    }

    fn ids(&self) -> &[String] {
        self.records.ids()
    }

    fn precision(&self) -> Precision {
        self.config.precision
    }

    fn batches(&self, epoch: u32) -> Vec<Vec<usize>> {
        let config = self.config;
        shuffled_batches(
            self.ids(),
            self.run.seed,
            epoch,
            config.batch_size,
            config.drop_last,
        )
    }

    fn loss(&mut self, network: &SegmentationNetwork, pass: &Pass, batch: &Batch) -> Result<Loss> {
        let seed = self.augmentation_seed(batch.epoch);
        let samples = self.rewritten(self.records.get(&batch.indices)?, batch.epoch);
        let (x, targets) = self.stacked(&self.augmented(samples, seed))?;
        let logits = network.forward_all(x, pass);
        let loss = self.config.loss.apply(logits.main, &targets);
        Ok(match logits.auxiliary {
            Some(auxiliary) => {
                let auxiliary = self.config.loss.apply(auxiliary, &targets);
                loss.plus(auxiliary, self.config.auxiliary_weight)
            }
            None => loss,
        })
    }

    fn end_epoch(
        &mut self,
        network: &SegmentationNetwork,
        epoch: u32,
    ) -> Result<SegmentationReport> {
        if self.config.keep_epochs.contains(&epoch) {
            save_model(&epoch_folder(self.run.folder, epoch), &self.card, network)?;
        }
        let validation = match &self.validation {
            Some(records) if self.config.validates(epoch) => {
                Some(evaluate(self, network, records)?)
            }
            _ => None,
        };
        Ok(SegmentationReport {
            validation,
            audit: None,
        })
    }
}
