//! Training stages: one for each network, training set and seed, shared by everything that needs it.

use redmask_core::Result;
use redmask_train::defence::TrainingDefence;
use serde_json::json;

use super::{Builder, Repetition};
use crate::deal::{Dealt, Side};
use crate::plan::{ModelUse, Stage, Task, TrainTask, Trained, Work};
use crate::store::{StageKey, StageKind};

impl Builder<'_> {
    pub(super) fn train(
        &mut self,
        repetition: &Repetition,
        model: &ModelUse,
        side: Side,
    ) -> Result<(Trained, Dealt)> {
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
        let dealt =
            repetition
                .deal
                .records(side, model.train_records, self.recipe.split.held_out)?;
        let seed = side.seed(&repetition.root).child("train");
        let initial = self.weights.get(&model.model.network).cloned();
        let hooks = self.hooks(repetition, model, side)?;
        if let Some(TrainingDefence::DpSgd(private)) = &hooks.defence {
            private.check(&network, &training, self.units(private, &dealt))?;
        }
        if let Some(defence) = &hooks.defence {
            network = defence.architecture(&network)?;
            training = defence.training(&training);
        }
        let mut config = json!({
            "network": network,
            "training": training,
            "size": self.data.size,
            "initial": initial.as_ref().map(|w| w.hash),
        });
        let mut inputs = self.inputs_of(&dealt)?.to_vec();
        // Undefended trainings keep the key they had before there were defences.
        if let Some(defence) = &hooks.defence {
            config["defence"] = json!(defence);
            inputs.push(self.fingerprint(&hooks.reference)?);
            inputs.extend(hooks.teacher.map(|t| self.stages[t.stage].key.hash));
        }
        let key = StageKey::derive(StageKind::Train, &config, &inputs, Some(&seed))?;
        let work = Work::training(&network, self.data.size, model.train_records, &training);
        let work = hooks.weigh(work, &network, self.data.size, &dealt, training.epochs);
        let front = self.front(repetition, model, side);
        let stage = self.intern(Stage {
            key,
            label: format!(
                "train {}{} on {} records, {}, seed {}",
                model.model.network,
                hooks.named(model),
                model.train_records,
                side.describe(),
                repetition.seed
            ),
            work,
            inputs: hooks.teacher.iter().map(|t| t.stage).collect(),
            task: Task::Train(Box::new(TrainTask {
                network_name: model.model.network.clone(),
                network,
                training,
                initial,
                side,
                dealt: dealt.clone(),
                defence: hooks.defence,
                reference: hooks.reference,
                teacher: hooks.teacher,
                root: repetition.seed,
                seed,
            })),
        });
        let trained = Trained {
            stage,
            epoch: model.epoch,
            front,
        };
        Ok((trained, dealt))
    }
}
