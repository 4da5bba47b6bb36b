//! The private objective: which units join a step, and the noised gradient they give.

use redmask_core::{Error, Result};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;
use redmask_nn::weights::StateDict;
use serde::{Deserialize, Serialize};

use super::canary::Canaries;
use super::clipped_sum::{UnitInput, clipped_sum};
use super::config::{PrivacyConfig, PrivateSampling};
use super::layout::GradientLayout;
use super::secret::Secret;
use crate::loss::Loss;
use crate::sampler::{Batch, shuffled_batches};
use crate::segmentation::{SegmentationObjective, SegmentationReport};
use crate::trainer::{Objective, StepGradients, check_finite};

/// The units of a private training.
#[derive(Debug, Clone)]
pub(super) struct Units {
    /// Record id or group of each unit.
    pub(super) names: Vec<String>,
    /// Positions of its records.
    pub(super) records: Vec<Vec<usize>>,
}

pub(super) struct PrivateObjective<'a> {
    pub(super) inner: SegmentationObjective<'a>,
    pub(super) privacy: &'a PrivacyConfig,
    pub(super) units: Units,
    pub(super) layout: GradientLayout,
    pub(super) secret: Secret,
    pub(super) canaries: Canaries,
    pub(super) noise_multiplier: f64,
    pub(super) steps_per_epoch: usize,
    /// Steps taken.
    pub(super) steps: u64,
}

#[derive(Serialize, Deserialize)]
struct Memory {
    secret: String,
    /// What the noise of the steps so far adds up to for the accountant: their number, and the two values that are the
    /// same in each.
    accountant: Spending,
    /// The canaries' scores.
    canaries: Vec<f64>,
}

/// The accountant's state. It is checked on resume, so that steps taken under another noise cannot be counted as these.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Spending {
    noise_multiplier: f64,
    sample_rate: f64,
    steps: u64,
}

impl PrivateObjective<'_> {
    fn sample_rate(&self) -> f64 {
        1.0 / self.steps_per_epoch as f64
    }

    fn spending(&self) -> Spending {
        Spending {
            noise_multiplier: self.noise_multiplier,
            sample_rate: self.sample_rate(),
            steps: self.steps,
        }
    }

    /// Everything `unit` brings to a step.
    fn input(&self, unit: usize, batch: &Batch) -> Result<UnitInput> {
        let seed = self.inner.run.seed;
        let augment = seed.child("augment").child("private").index(batch.step);
        let mut samples = Vec::new();
        for copy in 0..self.privacy.augmentations {
            let seed = augment.index(u64::from(copy));
            samples.extend(self.inner.prepared(&self.units.records[unit], seed)?);
        }
        let (input, targets) = self.inner.stacked(&samples)?;
        let dropout = seed.child("pass").index(batch.step);
        Ok(UnitInput {
            input,
            targets,
            dropout: dropout.child(&self.units.names[unit]),
        })
    }
}

impl Objective for PrivateObjective<'_> {
    type Network = SegmentationNetwork;
    type Report = SegmentationReport;

    fn label(&self) -> String {
        "train privately".to_owned()
    }

    fn ids(&self) -> &[String] {
        &self.units.names
    }

    fn batches(&self, epoch: u32) -> Vec<Vec<usize>> {
        let count = self.units.names.len();
        match self.privacy.sampling {
            PrivateSampling::Poisson => {
                let first = u64::from(epoch) * self.steps_per_epoch as u64;
                let rate = self.sample_rate();
                (0..self.steps_per_epoch as u64)
                    .map(|position| self.secret.poisson(first + position, count, rate))
                    .collect()
            }
            PrivateSampling::Shuffled => {
                let batch_size = self.inner.config.batch_size;
                shuffled_batches(
                    &self.units.names,
                    self.inner.run.seed,
                    epoch,
                    batch_size,
                    false,
                )
            }
        }
    }

    fn loss(&mut self, network: &SegmentationNetwork, pass: &Pass, batch: &Batch) -> Result<Loss> {
        self.inner.loss(network, pass, batch)
    }

    fn gradients(
        &mut self,
        network: &SegmentationNetwork,
        _: &Pass,
        batch: &Batch,
    ) -> Result<StepGradients> {
        let inputs = batch
            .indices
            .iter()
            .map(|&unit| self.input(unit, batch))
            .collect::<Result<Vec<_>>>()?;
        let clipping = &self.privacy.clipping;
        let mut clipped = clipped_sum(
            network,
            &inputs,
            self.inner.config,
            clipping,
            &self.layout,
            self.privacy.images_at_once,
        );
        check_finite(&clipped.losses, batch, &self.units.names)?;
        check_finite(&clipped.norms, batch, &self.units.names)?;
        let drawn =
            self.secret
                .poisson_canaries(batch.step, self.canaries.len(), self.sample_rate());
        self.canaries.join(&drawn, &mut clipped.sum);
        let deviation = self.noise_multiplier * clipping.sensitivity();
        // The realised batch size is itself private: divide by the expected one.
        let expected = self.units.names.len() as f64 / self.steps_per_epoch as f64;
        self.secret
            .add_noise(batch.step, deviation, expected.recip(), &mut clipped.sum);
        self.canaries.observe(&clipped.sum);
        self.steps = batch.step + 1;
        let n = clipped.losses.len();
        Ok(StepGradients {
            gradients: self.layout.scatter(network, clipped.sum),
            mean_loss: (n > 0).then(|| clipped.losses.iter().sum::<f64>() / n as f64),
        })
    }

    fn end_epoch(
        &mut self,
        network: &SegmentationNetwork,
        epoch: u32,
    ) -> Result<SegmentationReport> {
        let audit = if epoch == self.inner.config.epochs {
            self.canaries.audit(self.privacy.delta)?
        } else {
            None
        };
        Ok(SegmentationReport {
            audit,
            ..self.inner.end_epoch(network, epoch)?
        })
    }

    fn memory(&self) -> (StateDict, serde_json::Value) {
        let memory = Memory {
            secret: self.secret.to_hex(),
            accountant: self.spending(),
            canaries: self.canaries.scores(),
        };
        (StateDict::new(), serde_json::json!(memory))
    }

    fn recall(&mut self, _: StateDict, rest: serde_json::Value) -> Result<()> {
        let folder = self.inner.run.folder;
        let memory: Memory = serde_json::from_value(rest)
            .map_err(|e| Error::input(folder, format!("not a private checkpoint: {e}")))?;
        self.secret = Secret::from_hex(&memory.secret)
            .ok_or_else(|| Error::input(folder, "the checkpoint's key is damaged"))?;
        self.canaries = Canaries::new(
            self.privacy.canaries,
            &self.secret,
            &self.privacy.clipping,
            &self.layout,
        )?;
        self.canaries
            .restore(&memory.canaries)
            .ok_or_else(|| Error::input(folder, "the checkpoint has other canaries"))?;
        self.steps = memory.accountant.steps;
        if self.spending() != memory.accountant {
            return Err(Error::input(
                folder,
                format!(
                    "the checkpoint's steps were taken with {:?}, these would be with {:?}",
                    memory.accountant,
                    self.spending()
                ),
            ));
        }
        Ok(())
    }
}
