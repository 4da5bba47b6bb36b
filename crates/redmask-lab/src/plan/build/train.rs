//! Training stages: one for each network, training set and seed, shared by everything that needs it.

use redmask_core::Result;
use serde_json::json;

use super::{Builder, Repetition};
use crate::backdoor::bind;
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
        let network = self.recipe.network[&model.model.network]
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
        let poison = self.recipe.poison_of(&model.model).cloned();
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
        // Left out where there is none, so that clean trainings keep their keys.
        if let (Some(poison), Some(config)) = (&poison, config.as_object_mut()) {
            config.insert("poison".to_owned(), json!(poison));
        }
        let key = StageKey::derive(
            StageKind::Train,
            &config,
            &self.inputs_of(&dealt)?,
            Some(&seed),
        )?;
        let stage = self.intern(Stage {
            key,
            label: format!(
                "train {}{} on {} records, {}, seed {}",
                model.model.network,
                match &model.model.poison {
                    Some(name) => format!(" under poison {name}"),
                    None => String::new(),
                },
                model.train_records,
                side.describe(),
                repetition.seed
            ),
            work: Work::training(&network, self.data.size, model.train_records, &training),
            task: Task::Train(Box::new(TrainTask {
                network_name: model.model.network.clone(),
                network,
                training,
                initial,
                poison,
                side,
                dealt: dealt.clone(),
                root: repetition.seed,
                seed,
            })),
            inputs: Vec::new(),
        });
        let trained = Trained {
            stage,
            epoch: model.epoch,
        };
        Ok((trained, dealt))
    }
}
