//! Expanding the backdoors of a recipe.

use redmask_core::{Error, Result};
use redmask_poison::PoisonConfig;
use serde_json::json;

use super::{Builder, Repetition};
use crate::backdoor::Sweeps;
use crate::deal::Side;
use crate::plan::{BackdoorCell, BackdoorTask, ModelUse, Stage, Task, Work};
use crate::recipe::{BackdoorConfig, ModelConfig, ModelRef};
use crate::store::{StageKey, StageKind};

impl Builder<'_> {
    pub(super) fn backdoors(&mut self, repetition: &Repetition) -> Result<()> {
        let recipe = self.recipe;
        for config in &recipe.backdoor {
            for victim in &config.victims {
                self.backdoor(repetition, config, victim)?;
            }
        }
        Ok(())
    }

    /// The attack that a model is trained under, under a root seed.
    pub(super) fn poison_of(&self, model: &ModelConfig, root: u64) -> Result<Option<PoisonConfig>> {
        let poison = self.recipe.poison_of(model).cloned();
        poison.map(|poison| poison.resolved(root)).transpose()
    }

    fn backdoor(
        &mut self,
        repetition: &Repetition,
        config: &BackdoorConfig,
        reference: &ModelRef,
    ) -> Result<()> {
        let victim = self.model_use(reference)?;
        let Some(poison) = self.poison_of(&victim.model, repetition.seed)? else {
            return Err(Error::Internal(format!("`{reference}` is not poisoned")));
        };
        let (model, dealt) = self.train(repetition, &victim, Side::Victim)?;
        let (seed, network) = match &self.stages[model.stage].task {
            Task::Train(task) => (task.seed, task.network.clone()),
            _ => return Err(Error::Internal("a model that was not trained".into())),
        };
        let twin = self.recipe.clean_twin(config, reference)?;
        let twin = ModelUse {
            reference: config.clean.clone().unwrap_or_else(|| reference.clone()),
            train_records: self.recipe.train_records(&twin),
            epoch: config
                .clean
                .as_ref()
                .unwrap_or(reference)
                .epoch
                .unwrap_or(self.recipe.epochs(&twin)),
            defence: None,
            model: twin,
        };
        let (clean, _) = self.train(repetition, &twin, Side::Victim)?;
        let sweeps = json!({
            "rings": config.rings,
            "sizes": config.sizes,
            "opacities": config.opacities,
        });
        let key = StageKey::derive(
            StageKind::Backdoor,
            &json!({
                "poison": poison,
                "sweeps": sweeps,
                "epochs": [model.epoch, clean.epoch],
            }),
            &[
                self.stages[model.stage].key.hash,
                self.stages[clean.stage].key.hash,
                self.fingerprint(&dealt.held_out)?,
            ],
            Some(&seed),
        )?;
        let variants =
            config.rings.len().saturating_sub(1) + config.sizes.len() + config.opacities.len();
        let passes = (5 + variants) * dealt.held_out.len();
        let stage = self.intern(Stage {
            key,
            label: format!("backdoor in {reference}, seed {}", repetition.seed),
            work: Work::inference(&network, self.data.size, passes),
            inputs: vec![model.stage, clean.stage],
            task: Task::Backdoor(Box::new(BackdoorTask {
                model,
                clean,
                poison: poison.clone(),
                sweeps: Sweeps {
                    rings: config.rings.clone(),
                    sizes: config.sizes.clone(),
                    opacities: config.opacities.clone(),
                },
                dealt,
                seed,
            })),
        });
        match self
            .backdoors
            .iter_mut()
            .find(|b| b.victim.reference == *reference)
        {
            // Two entries may name one model; under one seed it is one cell.
            Some(cell) if cell.stages.last() == Some(&stage) => {}
            Some(cell) => cell.stages.push(stage),
            None => self.backdoors.push(BackdoorCell {
                victim,
                poison,
                stages: vec![stage],
            }),
        }
        Ok(())
    }
}
