//! Early stopping.

use redmask_core::{Error, Result};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;
use redmask_nn::weights::{StateDict, restore, state_dict};
use serde::{Deserialize, Serialize};

use crate::loss::Loss;
use crate::sampler::Batch;
use crate::segmentation::{Records, SegmentationObjective, SegmentationReport, evaluate};
use crate::trainer::{EpochRecord, Objective};

/// Training ends when the loss on watched records has not improved for a while, and the network of the best epoch is kept.
/// The reference records are watched where there are any, else the held-out ones; the latter are the non-members of an
/// audit, and a choice made on them makes them a little like members.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    /// Epochs without improvement before the end.
    pub patience: u32,
    /// What counts as an improvement of the loss.
    #[serde(default)]
    pub least_gain: f64,
}

impl EarlyStoppingConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if self.patience == 0 {
            return Err(Error::config(
                "early-stopping.patience",
                "must be at least 1",
            ));
        }
        if !(self.least_gain.is_finite() && self.least_gain >= 0.0) {
            return Err(Error::config(
                "early-stopping.least_gain",
                format!("{} is not a finite number of at least 0", self.least_gain),
            ));
        }
        Ok(())
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Best {
    epoch: u32,
    loss: f64,
    /// Epochs since.
    since: u32,
}

pub(super) struct EarlyStoppingObjective<'a> {
    inner: SegmentationObjective<'a>,
    watched: Records<'a>,
    config: EarlyStoppingConfig,
    best: Option<(Best, StateDict)>,
}

impl<'a> EarlyStoppingObjective<'a> {
    pub(super) fn new(
        inner: SegmentationObjective<'a>,
        watched: Records<'a>,
        config: EarlyStoppingConfig,
    ) -> Self {
        Self {
            inner,
            watched,
            config,
            best: None,
        }
    }
}

impl Objective for EarlyStoppingObjective<'_> {
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

    fn end_epoch(
        &mut self,
        network: &SegmentationNetwork,
        epoch: u32,
    ) -> Result<SegmentationReport> {
        let loss = evaluate(&self.inner, network, &self.watched)?.loss;
        match &mut self.best {
            Some((best, _)) if loss >= best.loss - self.config.least_gain => best.since += 1,
            _ => {
                let best = Best {
                    epoch,
                    loss,
                    since: 0,
                };
                self.best = Some((best, state_dict(network)));
            }
        }
        self.inner.end_epoch(network, epoch)
    }

    fn memory(&self) -> (StateDict, serde_json::Value) {
        match &self.best {
            Some((best, weights)) => (weights.clone(), serde_json::json!(best)),
            None => (StateDict::new(), serde_json::Value::Null),
        }
    }

    fn recall(&mut self, tensors: StateDict, rest: serde_json::Value) -> Result<()> {
        let best: Option<Best> = serde_json::from_value(rest)
            .map_err(|e| Error::input(self.inner.run.folder, format!("not our checkpoint: {e}")))?;
        self.best = best.map(|best| (best, tensors));
        Ok(())
    }

    fn stop(&self, _: &[EpochRecord<SegmentationReport>]) -> bool {
        self.best
            .as_ref()
            .is_some_and(|(best, _)| best.since >= self.config.patience)
    }

    fn finish(&mut self, network: SegmentationNetwork) -> Result<SegmentationNetwork> {
        match self.best.take() {
            Some((_, weights)) => restore(network, weights),
            None => Ok(network),
        }
    }
}
