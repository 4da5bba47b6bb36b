//! What a defence adds to a model's training and puts in front of its answers.

use std::collections::BTreeSet;

use redmask_core::Result;
use redmask_nn::network::NetworkConfig;
use redmask_train::defence::{DpSgdConfig, TrainingDefence};
use redmask_train::private::PrivacyUnit;
use serde_json::{Value, json};

use super::{Builder, Repetition};
use crate::deal::{Dealt, Side};
use crate::plan::{Front, ModelUse, Trained, Work};
use crate::recipe::ModelRef;

/// The part of a training that is its defence's.
pub(super) struct Hooks {
    pub(super) defence: Option<TrainingDefence>,
    pub(super) reference: Vec<usize>,
    pub(super) teacher: Option<Trained>,
}

impl Builder<'_> {
    /// Reference records and a teacher, where the training of `model` has a defence that uses them.
    pub(super) fn hooks(
        &mut self,
        repetition: &Repetition,
        model: &ModelUse,
        side: Side,
    ) -> Result<Hooks> {
        let defence = model
            .defence
            .as_ref()
            .and_then(|d| d.config.training().cloned());
        let split = &self.recipe.split;
        let uses_reference = matches!(
            defence,
            Some(
                TrainingDefence::MinMax(_)
                    | TrainingDefence::Distillation(_)
                    | TrainingDefence::EarlyStopping(_)
            )
        );
        let published = defence.as_ref().is_some_and(|d| !d.needs_reference());
        let watches = matches!(defence, Some(TrainingDefence::EarlyStopping(_)));
        let reference = if uses_reference && split.reference > 0 && (watches || !published) {
            repetition
                .deal
                .reference(side, model.train_records, split.held_out, split.reference)?
        } else {
            Vec::new()
        };
        let teacher = match &defence {
            Some(defence) if defence.needs_teacher() => {
                let undefended = self.model_use(&ModelRef {
                    model: model.model.network.clone(),
                    epoch: None,
                })?;
                let undefended = ModelUse {
                    train_records: model.train_records,
                    ..undefended
                };
                Some(self.train(repetition, &undefended, side)?.0)
            }
            _ => None,
        };
        Ok(Hooks {
            defence,
            reference,
            teacher,
        })
    }

    /// What stands in front of `model` when it answers. The victim's and the shadow's noise have secrets of their own.
    pub(super) fn front(
        &mut self,
        repetition: &Repetition,
        model: &ModelUse,
        side: Side,
    ) -> Option<usize> {
        let named = model.defence.as_ref()?;
        let front = Front {
            defence: named.config.answers()?,
            seed: side
                .seed(&repetition.root)
                .child("front")
                .child(&named.name),
        };
        let known = self.fronts.iter().position(|f| *f == front);
        Some(known.unwrap_or_else(|| {
            self.fronts.push(front);
            self.fronts.len() - 1
        }))
    }

    /// How many units a private training on these records protects.
    pub(super) fn units(&self, private: &DpSgdConfig, dealt: &Dealt) -> usize {
        match private.privacy.unit {
            PrivacyUnit::Record => dealt.members.len(),
            PrivacyUnit::Group => {
                let groups = dealt.members.iter().map(|&i| self.data.dataset.group(i));
                groups.collect::<BTreeSet<_>>().len()
            }
        }
    }

    /// Adds what stands in front of a model to the configuration of a stage that asks it. Without a defence nothing is added,
    /// so that the stage keeps the key it had before there were defences.
    pub(super) fn describe_front(&self, model: Trained, config: &mut Value) {
        if let Some(front) = model.front.map(|at| self.fronts[at]) {
            config["front"] = json!({ "defence": front.defence, "seed": front.seed });
        }
    }
}

impl Hooks {
    /// A training without a defence.
    pub(super) fn none() -> Self {
        Self {
            defence: None,
            reference: Vec::new(),
            teacher: None,
        }
    }

    /// For labels: the defence's name, if the training has one.
    pub(super) fn named(&self, model: &ModelUse) -> String {
        match (&self.defence, &model.defence) {
            (Some(_), Some(named)) => format!(" ({})", named.name),
            _ => String::new(),
        }
    }

    /// The estimate of the training's work with what the defence adds or takes.
    pub(super) fn weigh(
        &self,
        work: Work,
        network: &NetworkConfig,
        size: [usize; 2],
        dealt: &Dealt,
        epochs: u32,
    ) -> Work {
        let members = dealt.members.len() as f64;
        match &self.defence {
            Some(TrainingDefence::Crop(crop)) => {
                let share = (crop.size[0] * crop.size[1]) as f64 / (size[0] * size[1]) as f64;
                Work {
                    gflop: work.gflop * share,
                    ..work
                }
            }
            Some(TrainingDefence::MinMax(_)) => {
                let shown = 2.0 * members.min(self.reference.len().max(1) as f64);
                work.with_lessons(network, size, shown * f64::from(epochs))
            }
            Some(TrainingDefence::EarlyStopping(_)) => work.with_lessons(
                network,
                size,
                self.reference.len() as f64 * f64::from(epochs),
            ),
            Some(TrainingDefence::Distillation(_)) => {
                let share = self.reference.len() as f64 / members.max(1.0);
                Work {
                    gflop: work.gflop * share,
                    ..work
                }
            }
            _ => work,
        }
    }
}
