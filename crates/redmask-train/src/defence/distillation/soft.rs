//! Training on a teacher's probabilities.

use redmask_core::Result;
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;

use crate::loss::{Loss, Targets};
use crate::sampler::Batch;
use crate::segmentation::{SegmentationObjective, SegmentationReport};
use crate::trainer::Objective;

pub(super) struct SoftObjective<'a> {
    pub(super) inner: SegmentationObjective<'a>,
    /// `[outputs, h, w]` of each record.
    pub(super) probabilities: &'a [Vec<f32>],
}

impl Objective for SoftObjective<'_> {
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
        let (x, _) = self.inner.stacked(&samples)?;
        let logits = network.forward(x, pass);
        let targets = Targets::Soft {
            shape: logits.dims(),
            probabilities: batch
                .indices
                .iter()
                .flat_map(|&i| self.probabilities[i].iter().copied())
                .collect(),
        };
        Ok(self.inner.config.loss.apply(logits, &targets))
    }

    fn end_epoch(
        &mut self,
        network: &SegmentationNetwork,
        epoch: u32,
    ) -> Result<SegmentationReport> {
        self.inner.end_epoch(network, epoch)
    }
}
