//! The per-patch attack (He et al., "Segmentations-Leak", ECCV 2020, arXiv 1912.09685).
//!
//! A classifier judges patches of a per-pixel representation of a record, and the record's score is the mean of its
//! patches' logits. The representation is the structured loss map, or the class probabilities with the one-hot mask
//! behind them. Where an image is hard (boundaries, small objects) a patch says more than a mean over the image.
//!
//! **Sees and knows**: class scores (labels count as certain scores), the true mask, shadow models.
//!
//! **What is not published**: the training of the classifier and the rule that rejects uninformative patches; only the
//! attack's test code is. The rule here is ours: a patch is rejected if more than half of it is ignored, if one class
//! covers more than 95 % of it, or if its mean loss is below 0.001 nats. Of up to ten times as many draws as patches are
//! wanted the first accepted ones are kept; if they are too few, rejected ones fill up, so that every record has a score.

mod config;
mod inputs;
mod select;

use std::path::PathBuf;

use burn::tensor::Device;
use redmask_core::{Access, Knowledge, Result, Session, ThreatModel};
use redmask_train::{ClassifierInputs, TrainRun, train_classifier};

pub use config::{PatchConfig, PatchSelection, Representation};

use self::inputs::PatchInputs;
use crate::classifier::Verdict;
use crate::membership::{MembershipAttack, MembershipInput, MembershipOutcome};

/// The per-patch attack.
#[derive(Debug, Clone)]
pub struct PatchAttack {
    config: PatchConfig,
    device: Device,
    folder: PathBuf,
}

impl PatchAttack {
    /// An attack with this configuration. `device` is the plain one, without autodiff; `folder` exists, belongs to this
    /// attack alone, and receives the classifier's checkpoints and weights.
    ///
    /// # Errors
    /// If the configuration is out of range.
    pub fn new(config: PatchConfig, device: Device, folder: PathBuf) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            config,
            device,
            folder,
        })
    }
}

impl MembershipAttack for PatchAttack {
    fn name(&self) -> &'static str {
        match self.config.representation {
            Representation::LossMap => "patch_loss_map",
            Representation::Concatenation => "patch_concatenation",
        }
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Labels,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn infer(
        &self,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<MembershipOutcome>> {
        let classes = input.targets[0].predictor.class_count();
        let patches = input.seed.child("patches");
        let mut shadows = PatchInputs::new(&self.config, classes, patches);
        for (i, shadow) in input.shadows.iter().enumerate() {
            let from = format!("shadow-{i}");
            shadows.query(
                &from,
                shadow.predictor,
                shadow.members,
                true,
                input.batch,
                session,
            )?;
            shadows.query(
                &from,
                shadow.predictor,
                shadow.non_members,
                false,
                input.batch,
                session,
            )?;
        }
        let targets = input
            .targets
            .iter()
            .map(|target| {
                let mut inputs = PatchInputs::new(&self.config, classes, patches);
                inputs.query(
                    "target",
                    target.predictor,
                    target.members,
                    true,
                    input.batch,
                    session,
                )?;
                inputs.query(
                    "target",
                    target.predictor,
                    target.non_members,
                    false,
                    input.batch,
                    session,
                )?;
                Ok(inputs)
            })
            .collect::<Result<Vec<_>>>()?;
        let [channels, ..] = shadows.shape();
        let device = self.device.clone().autodiff();
        let network =
            self.config
                .architecture
                .init(channels, input.seed.child("weights"), &device)?;
        let evaluation: Vec<&dyn ClassifierInputs> =
            targets.iter().map(|t| t as &dyn ClassifierInputs).collect();
        let run = TrainRun::new(input.seed.child("training"), &self.folder, session);
        let trained =
            train_classifier(network, &shadows, &evaluation, &self.config.training, &run)?;
        input
            .targets
            .iter()
            .zip(&targets)
            .enumerate()
            .map(|(set, (target, inputs))| {
                let verdict = Verdict {
                    trained: &trained,
                    set,
                    last_epoch: false,
                    per_record: &|scores| inputs.means_by_record(scores),
                };
                verdict.outcome(self, target)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::{Seed, SegDataset};
    use redmask_metrics::Roc;
    use redmask_train::ClassifierTrainConfig;

    use super::*;
    use crate::membership::{Shadow, Target, TargetRole};
    use crate::testing::{Discs, Memoriser, part};

    #[test]
    fn a_planted_memoriser_is_found_from_its_patches() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(160, 20, 1, Seed::root(1)));
        let sides: Vec<_> = (0..4).map(|i| part(&data, 40 * i..40 * i + 40)).collect();
        let victim = Memoriser::new(&sides[0], 6.0, Seed::root(2));
        let shadow = Memoriser::new(&sides[2], 6.0, Seed::root(3));
        let input = MembershipInput {
            shadows: vec![Shadow {
                predictor: &shadow,
                members: &sides[2],
                non_members: &sides[3],
                last_epoch_losses: &[],
            }],
            targets: vec![Target {
                role: TargetRole::Victim,
                predictor: &victim,
                members: &sides[0],
                non_members: &sides[1],
            }],
            knowledge: [Knowledge::GroundTruth, Knowledge::ShadowData].into(),
            batch: 40,
            seed: Seed::root(5),
        };
        let config = PatchConfig {
            size: 12,
            patches: 3,
            training: ClassifierTrainConfig {
                epochs: 6,
                ..PatchConfig::default().training
            },
            ..PatchConfig::default()
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let attack =
            PatchAttack::new(config, Device::flex(), folder.path().to_owned()).expect("in range");
        let found = attack
            .run(&input, &Session::default())
            .expect("a sound input");
        let roc =
            Roc::new(&found[0].member_scores(), &found[0].non_member_scores()).expect("scores");
        assert!(roc.auc() > 0.85, "{}", roc.auc());
        assert_eq!(found[0].diagnostics.epochs.len(), 6);
    }
}
