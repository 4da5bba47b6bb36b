//! The adversary inside the training.

use std::borrow::Cow;
use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Device, Tensor};
use rand::seq::SliceRandom;
use redmask_core::{Error, Result, Sample, Seed};
use redmask_nn::classifier::Classifier;
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::pass::Pass;
use redmask_nn::weights::{StateDict, StateTensor, restore, state_dict};
use serde::{Deserialize, Serialize};

use super::MinMaxConfig;
use super::sight::{channels, mask_planes, output_planes};
use crate::loss::binary_cross_entropy;
use crate::optim::{Optimizer, OptimizerState, SlotState};
use crate::segmentation::{Records, SegmentationObjective};

/// A classifier of output and mask, with its optimizer.
pub(in crate::defence) struct Attacker<'a> {
    config: &'a MinMaxConfig,
    classifier: Classifier,
    optimizer: Optimizer,
    outputs: usize,
}

/// What does not fit into tensors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Counters(BTreeMap<String, (u64, f64)>);

impl<'a> Attacker<'a> {
    pub(in crate::defence) fn new(
        config: &'a MinMaxConfig,
        architecture: &NetworkConfig,
        seed: Seed,
        device: &Device,
    ) -> Result<Self> {
        let outputs = architecture.outputs();
        let device = device.clone().autodiff();
        let seed = seed.child("attacker");
        Ok(Self {
            config,
            classifier: config
                .architecture
                .init(channels(outputs), seed.child("init"), &device)?,
            optimizer: Optimizer::new(config.optimizer, Vec::new()),
            outputs,
        })
    }

    /// One epoch against `network` as it is: as many members as there are non-members, or the other way round, drawn anew,
    /// in shuffled batches.
    pub(super) fn learn(
        &mut self,
        network: &SegmentationNetwork,
        objective: &SegmentationObjective<'_>,
        non_members: &Records<'_>,
        epoch: u32,
    ) -> Result<()> {
        if self.config.paper_compat {
            self.optimizer = Optimizer::new(self.config.optimizer, Vec::new());
        }
        let node = objective.run.seed.child("attacker").index(u64::from(epoch));
        let count = objective.records.len().min(non_members.len());
        let mut order: Vec<(bool, usize)> = Vec::with_capacity(2 * count);
        for (member, len) in [(true, objective.records.len()), (false, non_members.len())] {
            let mut all: Vec<usize> = (0..len).collect();
            let side = if member { "members" } else { "non-members" };
            all.shuffle(&mut node.child(side).rng());
            order.extend(all.into_iter().take(count).map(|i| (member, i)));
        }
        order.shuffle(&mut node.child("order").rng());
        let victim = network.valid();
        for (position, part) in order.chunks(self.config.batch_size).enumerate() {
            objective.run.session.cancel.check()?;
            let samples = part
                .iter()
                .map(|&(member, i)| {
                    let records = if member {
                        &objective.records
                    } else {
                        non_members
                    };
                    records.get(&[i]).map(|mut one| one.remove(0))
                })
                .collect::<Result<Vec<Cow<'_, Sample>>>>()?;
            let (x, _) = objective.stacked(&samples)?;
            let logits = victim.forward(x, &Pass::eval());
            let seen = self.sight(logits, &samples);
            let targets: Vec<f32> = part.iter().map(|&(member, _)| f32::from(member)).collect();
            let pass = Pass::train(node.child("pass").index(position as u64));
            let loss = binary_cross_entropy(self.classifier.forward(seen, &pass), &targets);
            if loss.values.iter().any(|v| !v.is_finite()) {
                return Err(Error::numeric(
                    "the loss of the adversary inside the training",
                    format!("is not finite in epoch {}", epoch + 1),
                ));
            }
            let gradients = loss.mean().backward();
            let mut gradients = GradientsParams::from_grads(gradients, &self.classifier);
            let classifier = self.classifier.clone();
            self.classifier = self.optimizer.step(classifier, &mut gradients, 1.0);
            self.classifier = pass.commit(self.classifier.clone());
        }
        Ok(())
    }

    /// The penalty on the logits of a batch of members, a scalar `[1]` of the graph, before its weight.
    pub(super) fn gain(&self, logits: Tensor<4>, samples: &[Cow<'_, Sample>]) -> Tensor<1> {
        let seen = self.sight(logits, samples);
        let frozen = self.classifier.clone().no_grad();
        let member = frozen.forward(seen, &Pass::eval());
        if self.config.paper_compat {
            sigmoid(member).sum()
        } else {
            log_sigmoid(member).mean()
        }
    }

    /// The weight of the penalty.
    pub(super) fn weight(&self) -> f64 {
        self.config.weight
    }

    fn sight(&self, logits: Tensor<4>, samples: &[Cow<'_, Sample>]) -> Tensor<4> {
        let samples: Vec<&Sample> = samples.iter().map(AsRef::as_ref).collect();
        let masks = mask_planes(&samples, self.outputs, &logits.device());
        Tensor::cat(
            vec![output_planes(logits, self.config.paper_compat), masks],
            1,
        )
    }

    /// Everything that a resumed training needs.
    pub(super) fn memory(&self) -> (StateDict, Counters) {
        let mut tensors: StateDict = state_dict(&self.classifier)
            .into_iter()
            .map(|(path, tensor)| (format!("classifier/{path}"), tensor))
            .collect();
        let mut counters = BTreeMap::new();
        for (path, slot) in self.optimizer.state() {
            for (name, values) in [("first", slot.first), ("second", slot.second)] {
                if !values.is_empty() {
                    let shape = vec![values.len()];
                    tensors.insert(format!("{name}/{path}"), StateTensor { shape, values });
                }
            }
            counters.insert(path, (slot.step, slot.mu_product));
        }
        (tensors, Counters(counters))
    }

    /// Takes back what [`Attacker::memory`] gave.
    pub(super) fn recall(&mut self, tensors: StateDict, counters: Counters) -> Result<()> {
        let mut weights = StateDict::new();
        let mut state: OptimizerState = counters
            .0
            .into_iter()
            .map(|(path, (step, mu_product))| {
                let slot = SlotState {
                    step,
                    mu_product,
                    first: Vec::new(),
                    second: Vec::new(),
                };
                (path, slot)
            })
            .collect();
        for (name, tensor) in tensors {
            match name.split_once('/') {
                Some(("classifier", path)) => _ = weights.insert(path.to_owned(), tensor),
                Some(("first", path)) => {
                    if let Some(slot) = state.get_mut(path) {
                        slot.first = tensor.values;
                    }
                }
                Some(("second", path)) => {
                    if let Some(slot) = state.get_mut(path) {
                        slot.second = tensor.values;
                    }
                }
                _ => {}
            }
        }
        self.classifier = restore(self.classifier.clone(), weights)?;
        self.optimizer.restore(state);
        Ok(())
    }
}
