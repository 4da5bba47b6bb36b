//! The segmentation loss with the adversary's gain as a penalty.

use burn::optim::GradientsParams;
use redmask_core::{Error, Result};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;
use redmask_nn::weights::StateDict;

use super::attacker::{Attacker, Counters};
use crate::loss::Loss;
use crate::sampler::Batch;
use crate::segmentation::{Records, SegmentationObjective, SegmentationReport};
use crate::trainer::{Objective, StepGradients, check_finite};

pub(in crate::defence) struct MinMaxObjective<'a> {
    pub(in crate::defence) inner: SegmentationObjective<'a>,
    pub(in crate::defence) non_members: Records<'a>,
    pub(in crate::defence) attacker: Attacker<'a>,
}

impl Objective for MinMaxObjective<'_> {
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
        self.inner.loss(network, pass, batch)
    }

    fn gradients(
        &mut self,
        network: &SegmentationNetwork,
        pass: &Pass,
        batch: &Batch,
    ) -> Result<StepGradients> {
        // A checkpoint lies before this or behind the step, never between: a resumed epoch has one epoch of the adversary.
        if batch.position == 0 {
            self.attacker
                .learn(network, &self.inner, &self.non_members, batch.epoch)?;
        }
        let seed = self.inner.augmentation_seed(batch.epoch);
        let samples = self.inner.prepared(&batch.indices, seed)?;
        let (x, targets) = self.inner.stacked(&samples)?;
        let logits = network.forward(x, pass);
        let loss = self.inner.config.loss.apply(logits.clone(), &targets);
        check_finite(&loss.values, batch, self.ids())?;
        let mean_loss = Some(loss.mean_value());
        let gain = self.attacker.gain(logits, &samples);
        let total = loss.mean() + gain.mul_scalar(self.attacker.weight());
        Ok(StepGradients {
            gradients: GradientsParams::from_grads(total.backward(), network),
            mean_loss,
        })
    }

    fn end_epoch(
        &mut self,
        network: &SegmentationNetwork,
        epoch: u32,
    ) -> Result<SegmentationReport> {
        self.inner.end_epoch(network, epoch)
    }

    fn memory(&self) -> (StateDict, serde_json::Value) {
        let (tensors, counters) = self.attacker.memory();
        (tensors, serde_json::json!(counters))
    }

    fn recall(&mut self, tensors: StateDict, rest: serde_json::Value) -> Result<()> {
        let counters: Counters = serde_json::from_value(rest)
            .map_err(|e| Error::input(self.inner.run.folder, format!("not our checkpoint: {e}")))?;
        self.attacker.recall(tensors, counters)
    }
}
