//! What a defence needs from its owner, whom it is meant to stop, and what it promises.

use redmask_core::{Access, Knowledge, ThreatModel};
use redmask_train::defence::TrainingDefence;
use serde::{Deserialize, Serialize};

/// What the defender must have or control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// What the model answers, on its way to the client.
    Answers,
    /// The training procedure.
    Training,
    /// Records of the same distribution that are neither trained on nor audited.
    ReferenceRecords,
    /// A second model, trained alongside or before.
    AdditionalModel,
}

/// What a defence promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Nothing: it is as good as the attacks it was tried against.
    Empirical,
    /// Differential privacy, as far as its linter found nothing.
    DifferentialPrivacy,
}

/// A typed statement about a defence, printed in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What its owner needs, sorted.
    pub needs: Vec<Need>,
    /// The adversary it is meant for: the most that this adversary sees of the defended model, and what it knows.
    pub against: ThreatModel,
    /// What it promises.
    pub guarantee: Guarantee,
}

impl Statement {
    /// A defence without a promise, against an adversary with everything that membership inference uses.
    pub fn empirical(needs: &[Need], access: Access) -> Self {
        Self {
            needs: needs.to_vec(),
            against: ThreatModel {
                access,
                knowledge: vec![
                    Knowledge::GroundTruth,
                    Knowledge::ShadowData,
                    Knowledge::Architecture,
                    Knowledge::Training,
                ],
            },
            guarantee: Guarantee::Empirical,
        }
    }

    /// The statement of a defence that changes the training.
    pub fn of_training(defence: &TrainingDefence) -> Self {
        use Need::{AdditionalModel, ReferenceRecords, Training};
        let needs: &[Need] = match defence {
            TrainingDefence::MinMax(_) | TrainingDefence::Distillation(_) => {
                &[Training, ReferenceRecords, AdditionalModel]
            }
            _ => &[Training],
        };
        let statement = Self::empirical(needs, Access::Scores);
        if let TrainingDefence::DpSgd(_) = defence {
            // The released weights are covered, so the adversary may hold them.
            return Self {
                guarantee: Guarantee::DifferentialPrivacy,
                against: ThreatModel {
                    access: Access::Gradients,
                    ..statement.against
                },
                ..statement
            };
        }
        statement
    }

    /// Whether a second model must be trained.
    pub fn trains_another_model(&self) -> bool {
        self.needs.contains(&Need::AdditionalModel)
    }
}
