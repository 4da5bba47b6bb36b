//! Training stages: one for each network, training set and seed, shared by everything that needs it.

use redmask_core::{Result, Seed};
use redmask_train::defence::TrainingDefence;
use serde_json::json;

use super::defended::Hooks;
use super::{Builder, Repetition};
use crate::backdoor::bind;
use crate::deal::{Dealt, Side};
use crate::plan::{ModelUse, Stage, Task, TrainTask, Trained, Work};
use crate::replicas::Replicas;
use crate::store::{StageKey, StageKind};

/// What a model is trained on besides what the recipe says of its training.
pub(super) struct Lessons {
    /// Its records.
    pub(super) dealt: Dealt,
    /// Mislabelled copies behind its training records.
    pub(super) replicas: Option<Replicas>,
    /// What its defence adds.
    pub(super) hooks: Hooks,
}

impl Builder<'_> {
    pub(super) fn train(
        &mut self,
        repetition: &Repetition,
        model: &ModelUse,
        side: Side,
    ) -> Result<(Trained, Dealt)> {
        let dealt =
            repetition
                .deal
                .records(side, model.train_records, self.recipe.split.held_out)?;
        let lessons = Lessons {
            dealt: dealt.clone(),
            replicas: None,
            hooks: self.hooks(repetition, model, side)?,
        };
        let trained = Trained {
            front: self.front(repetition, model, side),
            ..self.train_on(repetition.seed, model, side, lessons)?
        };
        Ok((trained, dealt))
    }

    /// The training of a model on given records under a root seed.
    pub(super) fn train_on(
        &mut self,
        root: u64,
        model: &ModelUse,
        side: Side,
        lessons: Lessons,
    ) -> Result<Trained> {
        let Lessons {
            dealt,
            replicas,
            hooks,
        } = lessons;
        let table = self.data.dataset.class_table();
        let mut network = self.recipe.network[&model.model.network]
            .clone()
            .for_data(table.len(), self.data.dataset.channels());
        let epochs = self.recipe.epochs(&model.model);
        let mut training = self.recipe.training.clone();
        training.epochs = epochs;
        training.keep_epochs = self
            .kept_epochs
            .get(&format!("{:?}", model.model))
            .into_iter()
            .flatten()
            .copied()
            .filter(|&epoch| epoch < epochs)
            .collect();
        let seed = side.seed(&Seed::root(root)).child("train");
        let initial = self.weights.get(&model.model.network).cloned();
        if let Some(TrainingDefence::DpSgd(private)) = &hooks.defence {
            private.check(&network, &training, self.units(private, &dealt))?;
        }
        if let Some(defence) = &hooks.defence {
            network = defence.architecture(&network)?;
            training = defence.training(&training);
        }
        let poison = self.poison_of(&model.model, root)?;
        if let Some(poison) = &poison {
            // What is wrong with the attack is known before anything is trained.
            bind(poison, table, &seed)?;
        }
        let mut config = json!({
            "network": network,
            "training": training,
            "size": self.data.size,
            "initial": initial.as_ref().map(|w| w.hash),
        });
        let mut inputs = self.inputs_of(&dealt)?.to_vec();
        let mut records = dealt.members.len();
        // What a plain training lacks is not in its key, so that every recipe shares it.
        if let Some(replicas) = &replicas {
            config["replicas"] = json!(replicas);
            inputs.push(self.fingerprint(&replicas.records)?);
            records += replicas.records.len() * replicas.config.copies;
        }
        if let Some(defence) = &hooks.defence {
            config["defence"] = json!(defence);
            inputs.push(self.fingerprint(&hooks.reference)?);
            inputs.extend(hooks.teacher.map(|t| self.stages[t.stage].key.hash));
        }
        if let Some(poison) = &poison {
            config["poison"] = json!(poison);
        }
        let key = StageKey::derive(StageKind::Train, &config, &inputs, Some(&seed))?;
        let work = Work::training(&network, self.data.size, records, &training);
        let work = hooks.weigh(work, &network, self.data.size, &dealt, training.epochs);
        let stage = self.intern(Stage {
            key,
            label: format!(
                "train {}{}{} on {records} records, {}, seed {root}",
                model.model.network,
                hooks.named(model),
                match &model.model.poison {
                    Some(name) => format!(" under poison {name}"),
                    None => String::new(),
                },
                side.describe(),
            ),
            work,
            inputs: hooks.teacher.iter().map(|t| t.stage).collect(),
            task: Task::Train(Box::new(TrainTask {
                network_name: model.model.network.clone(),
                network,
                training,
                initial,
                poison,
                side,
                dealt,
                replicas,
                defence: hooks.defence,
                reference: hooks.reference,
                teacher: hooks.teacher,
                root,
                seed,
            })),
        });
        Ok(Trained {
            stage,
            epoch: model.epoch,
            front: None,
        })
    }
}
