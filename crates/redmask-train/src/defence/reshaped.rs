//! Ordinary training on records that are changed batch by batch.

use std::borrow::Cow;

use redmask_core::{Result, Sample};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;

use super::crop::CropConfig;
use super::mix_up::MixUpConfig;
use crate::loss::Loss;
use crate::sampler::Batch;
use crate::segmentation::{SegmentationObjective, SegmentationReport};
use crate::trainer::Objective;

/// What becomes of the records of a batch before they are stacked, after augmentation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reshape {
    Crop(CropConfig),
    MixUp(MixUpConfig),
}

pub(super) struct ReshapedObjective<'a> {
    inner: SegmentationObjective<'a>,
    reshape: Reshape,
}

impl<'a> ReshapedObjective<'a> {
    pub(super) fn new(inner: SegmentationObjective<'a>, reshape: Reshape) -> Self {
        Self { inner, reshape }
    }

    fn reshaped<'b>(
        &self,
        samples: Vec<Cow<'b, Sample>>,
        batch: &Batch,
    ) -> Result<Vec<Cow<'b, Sample>>> {
        let seed = self.inner.run.seed;
        match &self.reshape {
            Reshape::Crop(config) => config.apply(samples, batch, seed),
            Reshape::MixUp(config) => config.apply(samples, batch, seed),
        }
    }
}

impl Objective for ReshapedObjective<'_> {
    type Network = SegmentationNetwork;
    type Report = SegmentationReport;

    fn label(&self) -> String {
        self.inner.label()
    }

    fn ids(&self) -> &[String] {
        self.inner.ids()
    }

    fn batches(&self, epoch: u32) -> Vec<Vec<usize>> {
        self.inner.batches(epoch)
    }

    fn loss(&mut self, network: &SegmentationNetwork, pass: &Pass, batch: &Batch) -> Result<Loss> {
        let seed = self.inner.augmentation_seed(batch.epoch);
        let samples = self.inner.prepared(&batch.indices, seed)?;
        let (x, targets) = self.inner.stacked(&self.reshaped(samples, batch)?)?;
        Ok(self
            .inner
            .config
            .loss
            .apply(network.forward(x, pass), &targets))
    }

    fn end_epoch(
        &mut self,
        network: &SegmentationNetwork,
        epoch: u32,
    ) -> Result<SegmentationReport> {
        self.inner.end_epoch(network, epoch)
    }
}
