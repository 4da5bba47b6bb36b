//! Batches of inputs, their loss, and the scores after each epoch.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rayon::prelude::*;
use redmask_core::{Error, Result};
use redmask_metrics::Roc;
use redmask_nn::classifier::Classifier;
use redmask_nn::pass::Pass;
use redmask_nn::weights::{StateDict, state_dict};
use serde::{Deserialize, Serialize};

use super::config::ClassifierTrainConfig;
use super::holdout::Holdout;
use super::inputs::ClassifierInputs;
use crate::loss::{Loss, binary_cross_entropy, binary_cross_entropy_rows};
use crate::sampler::{Batch, shuffled_batches};
use crate::trainer::{Objective, TrainRun, values};

/// Inputs in flight when scoring; memory depends on it, results do not.
const SCORING_BATCH: usize = 16;

/// What a classifier's training measures after an epoch. Scores are logits: above 0 means "true".
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassifierReport {
    /// The held-out records, where there are any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out: Option<HeldOut>,
    /// For each evaluation set, the score of each of its records, in their order.
    pub scores: Vec<Vec<f32>>,
}

/// How the held-out records are classified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Mean binary cross-entropy.
    pub loss: f64,
    /// Share of the records on the right side of 0.
    pub accuracy: f64,
    /// Area under the ROC curve, where both targets are held out.
    pub auc: Option<f64>,
    /// Scores in the order of [`ClassifierOutcome::held_out`](super::ClassifierOutcome::held_out).
    pub scores: Vec<f32>,
}

impl HeldOut {
    fn of(scores: Vec<f32>, targets: &[bool]) -> Result<Self> {
        let as_numbers: Vec<f32> = targets.iter().map(|&t| f32::from(t)).collect();
        let (losses, _) = binary_cross_entropy_rows(&scores, &as_numbers);
        let right = scores
            .iter()
            .zip(targets)
            .filter(|&(&s, &t)| (s > 0.0) == t)
            .count();
        let side = |wanted: bool| -> Vec<f64> {
            scores
                .iter()
                .zip(targets)
                .filter(|(_, t)| **t == wanted)
                .map(|(s, _)| f64::from(*s))
                .collect()
        };
        let (positive, negative) = (side(true), side(false));
        let auc = if positive.is_empty() || negative.is_empty() {
            None
        } else {
            let roc = Roc::new(&positive, &negative)
                .map_err(|e| Error::numeric("held-out scores", e.to_string()))?;
            Some(roc.auc())
        };
        let n = targets.len().max(1) as f64;
        Ok(Self {
            loss: losses.iter().sum::<f64>() / n,
            accuracy: right as f64 / n,
            auc,
            scores,
        })
    }

    /// Whether this epoch ranks the held-out records better than `other` did: by AUC, then by loss.
    pub fn beats(&self, other: &Self) -> bool {
        match (self.auc, other.auc) {
            (Some(a), Some(b)) if a != b => a > b,
            _ => self.loss < other.loss,
        }
    }
}

pub(super) struct ClassifierObjective<'a> {
    pub(super) config: &'a ClassifierTrainConfig,
    pub(super) run: &'a TrainRun<'a>,
    pub(super) inputs: &'a dyn ClassifierInputs,
    pub(super) evaluation: &'a [&'a dyn ClassifierInputs],
    pub(super) split: &'a Holdout,
    /// Names of the training records, in the order of `split.train`.
    pub(super) ids: Vec<String>,
    /// Where inputs are created, without autodiff.
    pub(super) device: Device,
    pub(super) best: Option<Best>,
}

/// The epoch that the held-out records prefer.
#[derive(Debug, Clone)]
pub(super) struct Best {
    pub(super) epoch: u32,
    pub(super) held_out: HeldOut,
    pub(super) weights: StateDict,
}

#[derive(Serialize, Deserialize)]
struct BestMemory {
    epoch: u32,
    held_out: HeldOut,
}

impl ClassifierObjective<'_> {
    /// The scores of `indices` of `inputs`.
    fn score(
        &self,
        network: &Classifier,
        inputs: &dyn ClassifierInputs,
        indices: &[usize],
    ) -> Result<Vec<f32>> {
        let mut scores = Vec::with_capacity(indices.len());
        for part in indices.chunks(SCORING_BATCH) {
            self.run.session.cancel.check()?;
            let x = stack(inputs, part, &self.device, |_, _| {})?;
            scores.extend(values(network.forward(x, &Pass::eval())));
        }
        match scores.iter().position(|s| !s.is_finite()) {
            Some(bad) => Err(Error::numeric(
                "classifier score",
                format!("record {} got {}", inputs.id(indices[bad]), scores[bad]),
            )),
            None => Ok(scores),
        }
    }

    fn flip(&self, epoch: u32, id: &str, input: &mut [f32]) {
        let [_, height, width] = self.inputs.shape();
        let node = self.run.seed.child("augment").index(u64::from(epoch));
        let mut rng = node.child(id).rng();
        let horizontal = rng.random::<bool>() && self.config.horizontal_flip;
        let vertical = rng.random::<bool>() && self.config.vertical_flip;
        if horizontal {
            input.chunks_exact_mut(width).for_each(<[f32]>::reverse);
        }
        if vertical {
            for plane in input.chunks_exact_mut(height * width) {
                for y in 0..height / 2 {
                    let (top, bottom) = plane.split_at_mut((height - 1 - y) * width);
                    top[y * width..(y + 1) * width].swap_with_slice(&mut bottom[..width]);
                }
            }
        }
    }
}

/// The inputs at `indices` as `[n, channels, height, width]`, each changed by `change(record, input)`.
fn stack(
    inputs: &dyn ClassifierInputs,
    indices: &[usize],
    device: &Device,
    change: impl Fn(usize, &mut [f32]) + Sync,
) -> Result<Tensor<4>> {
    let [c, h, w] = inputs.shape();
    let stride = c * h * w;
    let mut data = vec![0f32; indices.len() * stride];
    data.par_chunks_exact_mut(stride)
        .zip(indices)
        .try_for_each(|(out, &i)| {
            inputs.fill(i, out)?;
            change(i, out);
            Ok::<_, Error>(())
        })?;
    let data = TensorData::new(data, [indices.len(), c, h, w]);
    Ok(Tensor::from_data(data, device))
}

impl Objective for ClassifierObjective<'_> {
    type Network = Classifier;
    type Report = ClassifierReport;

    fn label(&self) -> String {
        "train attack".to_owned()
    }

    fn ids(&self) -> &[String] {
        &self.ids
    }

    fn batches(&self, epoch: u32) -> Vec<Vec<usize>> {
        shuffled_batches(
            &self.ids,
            self.run.seed,
            epoch,
            self.config.batch_size,
            false,
        )
    }

    fn loss(&mut self, network: &Classifier, pass: &Pass, batch: &Batch) -> Result<Loss> {
        let indices: Vec<usize> = batch.indices.iter().map(|&i| self.split.train[i]).collect();
        let augments = self.config.horizontal_flip || self.config.vertical_flip;
        let x = stack(self.inputs, &indices, &self.device, |i, input| {
            if augments {
                self.flip(batch.epoch, self.inputs.id(i), input);
            }
        })?;
        let targets: Vec<f32> = indices
            .iter()
            .map(|&i| f32::from(self.inputs.target(i)))
            .collect();
        Ok(binary_cross_entropy(network.forward(x, pass), &targets))
    }

    fn end_epoch(&mut self, network: &Classifier, epoch: u32) -> Result<ClassifierReport> {
        let evaluated = network.valid();
        let held_out = if self.split.held_out.is_empty() {
            None
        } else {
            let scores = self.score(&evaluated, self.inputs, &self.split.held_out)?;
            let targets: Vec<bool> = self
                .split
                .held_out
                .iter()
                .map(|&i| self.inputs.target(i))
                .collect();
            Some(HeldOut::of(scores, &targets)?)
        };
        if let Some(held_out) = &held_out
            && self
                .best
                .as_ref()
                .is_none_or(|b| held_out.beats(&b.held_out))
        {
            self.best = Some(Best {
                epoch,
                held_out: held_out.clone(),
                weights: state_dict(network),
            });
        }
        let scores = self
            .evaluation
            .iter()
            .map(|set| {
                let all: Vec<usize> = (0..set.len()).collect();
                self.score(&evaluated, *set, &all)
            })
            .collect::<Result<_>>()?;
        Ok(ClassifierReport { held_out, scores })
    }

    fn memory(&self) -> (StateDict, serde_json::Value) {
        match &self.best {
            Some(best) => {
                let rest = serde_json::json!(BestMemory {
                    epoch: best.epoch,
                    held_out: best.held_out.clone(),
                });
                (best.weights.clone(), rest)
            }
            None => (StateDict::new(), serde_json::Value::Null),
        }
    }

    fn recall(&mut self, tensors: StateDict, rest: serde_json::Value) -> Result<()> {
        let memory: Option<BestMemory> = serde_json::from_value(rest)
            .map_err(|e| Error::input(self.run.folder, format!("not our checkpoint: {e}")))?;
        self.best = memory.map(|m| Best {
            epoch: m.epoch,
            held_out: m.held_out,
            weights: tensors,
        });
        Ok(())
    }
}
