//! Batches of records and their loss.

use std::borrow::Cow;

use burn::tensor::Device;
use rayon::prelude::*;
use redmask_core::{Result, Sample};
use redmask_data::Augmentation;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;
use redmask_nn::weights::{ModelCard, save_model};
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::epoch_folder;
use super::evaluation::{Evaluation, evaluate};
use super::records::Records;
use crate::loss::{Loss, Targets};
use crate::sampler::Batch;
use crate::trainer::{Objective, TrainRun};

/// What a segmentation training measures after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SegmentationReport {
    /// Held-out records, in the epochs in which they are measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub validation: Option<Evaluation>,
}

pub(super) struct SegmentationObjective<'a> {
    pub(super) config: &'a TrainConfig,
    pub(super) run: &'a TrainRun<'a>,
    pub(super) records: Records<'a>,
    pub(super) validation: Option<Records<'a>>,
    pub(super) card: &'a ModelCard,
    pub(super) channels: usize,
    pub(super) outputs: usize,
    /// Where inputs are created, without autodiff: they are constants of the graph.
    pub(super) device: Device,
}

impl SegmentationObjective<'_> {
    fn augmented<'s>(&self, sample: Cow<'s, Sample>, epoch: u32) -> Cow<'s, Sample> {
        if self.config.augmentation == Augmentation::default() {
            return sample;
        }
        let node = self.run.seed.child("augment").index(u64::from(epoch));
        let mut rng = node.child(sample.id.as_str()).rng();
        Cow::Owned(self.config.augmentation.draw(&mut rng).apply(&sample))
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

    fn loss(&mut self, network: &SegmentationNetwork, pass: &Pass, batch: &Batch) -> Result<Loss> {
        let samples: Vec<_> = self
            .records
            .get(&batch.indices)?
            .into_par_iter()
            .map(|s| self.augmented(s, batch.epoch))
            .collect();
        let samples: Vec<&Sample> = samples.iter().map(AsRef::as_ref).collect();
        let x = self
            .config
            .scaling
            .tensor(&samples, self.channels, &self.device)?;
        let targets = Targets::from_maps(samples.iter().map(|s| &s.labels))?;
        Ok(self.config.loss.apply(network.forward(x, pass), &targets))
    }

    fn end_epoch(
        &mut self,
        network: &SegmentationNetwork,
        epoch: u32,
    ) -> Result<SegmentationReport> {
        if self.config.keep_epochs.contains(&epoch) {
            save_model(&epoch_folder(self.run.folder, epoch), self.card, network)?;
        }
        let validation = match &self.validation {
            Some(records) if self.config.validates(epoch) => {
                Some(evaluate(self, network, records)?)
            }
            _ => None,
        };
        Ok(SegmentationReport { validation })
    }
}
