//! Stages that measure how well a victim segments.

use redmask_core::Result;
use serde_json::json;

use super::{Builder, Repetition};
use crate::deal::Side;
use crate::plan::{ModelUse, PredictTask, QualityCell, Stage, Task, Work};
use crate::store::{StageKey, StageKind};

impl Builder<'_> {
    pub(super) fn quality(&mut self, repetition: &Repetition, victim: &ModelUse) -> Result<()> {
        let (model, dealt) = self.train(repetition, victim, Side::Victim)?;
        let mut config = json!({ "epoch": model.epoch });
        self.describe_front(model, &mut config);
        let key = StageKey::derive(
            StageKind::Predict,
            &config,
            &[self.stages[model.stage].key.hash],
            None,
        )?;
        let network = match &self.stages[model.stage].task {
            Task::Train(task) => task.network.clone(),
            _ => {
                return Err(redmask_core::Error::Internal(
                    "a model that was not trained".into(),
                ));
            }
        };
        let records = dealt.members.len() + dealt.held_out.len();
        let stage = self.intern(Stage {
            key,
            label: format!("predict {}, seed {}", victim.reference, repetition.seed),
            work: Work::inference(&network, self.data.size, records),
            task: Task::Predict(PredictTask { model, dealt }),
            inputs: vec![model.stage],
        });
        match self
            .qualities
            .iter_mut()
            .find(|q| q.pool.is_none() && q.victim.reference == victim.reference)
        {
            Some(quality) => {
                quality.seeds.push(repetition.seed);
                quality.stages.push(stage);
                quality.trainings.push(model.stage);
                quality.models.push(model);
            }
            None => self.qualities.push(QualityCell {
                victim: victim.clone(),
                pool: None,
                seeds: vec![repetition.seed],
                stages: vec![stage],
                trainings: vec![model.stage],
                models: vec![model],
            }),
        }
        Ok(())
    }
}
