//! Training stages: one for each network, training set and seed, shared by everything that needs it.

use redmask_core::{Result, Seed};
use serde_json::json;

use super::{Builder, Repetition};
use crate::deal::{Dealt, Side};
use crate::plan::{ModelUse, Stage, Task, TrainTask, Trained, Work};
use crate::replicas::Replicas;
use crate::store::{StageKey, StageKind};

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
        let trained = self.train_on(repetition.seed, model, side, dealt.clone(), None)?;
        Ok((trained, dealt))
    }

    /// The training of a model on given records, with mislabelled copies behind them, under a root seed.
    pub(super) fn train_on(
        &mut self,
        root: u64,
        model: &ModelUse,
        side: Side,
        dealt: Dealt,
        replicas: Option<Replicas>,
    ) -> Result<Trained> {
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
        let seed = side.seed(&Seed::root(root)).child("train");
        let initial = self.weights.get(&model.model.network).cloned();
        let mut config = json!({
            "network": network,
            "training": training,
            "size": self.data.size,
            "initial": initial.as_ref().map(|w| w.hash),
        });
        let mut inputs = self.inputs_of(&dealt)?.to_vec();
        let mut records = dealt.members.len();
        if let Some(replicas) = &replicas {
            config["replicas"] = json!(replicas);
            inputs.push(self.fingerprint(&replicas.records)?);
            records += replicas.records.len() * replicas.config.copies;
        }
        let key = StageKey::derive(StageKind::Train, &config, &inputs, Some(&seed))?;
        let stage = self.intern(Stage {
            key,
            label: format!(
                "train {} on {records} records, {}, seed {root}",
                model.model.network,
                side.describe(),
            ),
            work: Work::training(&network, self.data.size, records, &training),
            task: Task::Train(Box::new(TrainTask {
                network_name: model.model.network.clone(),
                network,
                training,
                initial,
                side,
                dealt,
                replicas,
                root,
                seed,
            })),
            inputs: Vec::new(),
        });
        Ok(Trained {
            stage,
            epoch: model.epoch,
        })
    }
}
