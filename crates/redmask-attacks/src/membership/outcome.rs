//! What an attack returns.

use std::collections::BTreeMap;

use redmask_core::{Error, GroupId, Result, SampleId, SegDataset, ThreatModel};
use serde::{Deserialize, Serialize};

use super::TargetRole;

/// One audited record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordScore {
    /// Which record.
    pub id: SampleId,
    /// What it belongs to.
    pub group: GroupId,
    /// The truth: whether the victim saw it in training.
    pub member: bool,
    /// The attack's belief, on the attack's own scale; higher means more likely a member.
    pub score: f64,
}

/// Where a decision threshold came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThresholdSource {
    /// The best balanced accuracy on shadow members and non-members.
    ShadowRecords,
    /// The mean training loss of the shadows' last epoch, in train mode, batch by batch (published global loss).
    ShadowLastEpochLoss,
    /// A probability of one half, the attack classifier's natural cut.
    Half,
    /// The best balanced accuracy on records of a held-out population, non-members by construction.
    Population,
    /// A score that means "as likely in as out", such as a likelihood ratio of one.
    LikelihoodRatio,
    /// The audited records themselves: an upper bound, not an attack.
    Oracle,
}

impl ThresholdSource {
    /// Whether the audited records had a say.
    pub fn is_oracle(self) -> bool {
        self == Self::Oracle
    }
}

/// The rule "member iff `score >= threshold`".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The cut, on the scale of the scores.
    pub threshold: f64,
    /// Where it came from.
    pub source: ThresholdSource,
}

impl Decision {
    /// Whether this score is called a member.
    pub fn is_member(&self, score: f64) -> bool {
        score >= self.threshold
    }
}

/// Mean and range of a quantity over several epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Spread {
    /// The spread of some values, `None` of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let first = *values.first()?;
        let start = Self {
            mean: 0.0,
            min: first,
            max: first,
        };
        let n = values.len() as f64;
        Some(values.iter().fold(start, |s, &v| Self {
            mean: s.mean + v / n,
            min: s.min.min(v),
            max: s.max.max(v),
        }))
    }
}

/// How an attack classifier did after one of its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochScores {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Mean training loss of the classifier, nats.
    pub train_loss: f64,
    /// Area under the ROC on held-out shadow records, where some were held out.
    pub held_out_auc: Option<f64>,
    /// Area under the ROC on the audited records. Shown, never used to choose.
    pub auc: f64,
    /// Accuracy on the audited records at a probability of one half.
    pub accuracy: f64,
    /// F1 on the audited records at a probability of one half; members are the positive class.
    pub f1: f64,
}

/// Mean and range over the last epochs of an attack classifier, on the audited records. In the run logs published
/// with the classifier attacks, accuracy swings by forty points between epochs, so one epoch's number says little.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochSpread {
    /// How many epochs: ten, or all where there were fewer.
    pub epochs: usize,
    /// Area under the ROC.
    pub auc: Spread,
    /// Accuracy at a probability of one half.
    pub accuracy: Spread,
    /// F1 at a probability of one half.
    pub f1: Spread,
}

impl EpochSpread {
    /// The spread over the last ten of `epochs`, `None` of none.
    pub fn of_last_ten(epochs: &[EpochScores]) -> Option<Self> {
        let last = &epochs[epochs.len().saturating_sub(10)..];
        let spread = |value: fn(&EpochScores) -> f64| {
            Spread::of(&last.iter().map(value).collect::<Vec<_>>())
        };
        Some(Self {
            epochs: last.len(),
            auc: spread(|e| e.auc)?,
            accuracy: spread(|e| e.accuracy)?,
            f1: spread(|e| e.f1)?,
        })
    }
}

/// What else a reader must know to trust the scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Warnings that change the meaning of the result.
    pub warnings: Vec<String>,
    /// Named quantities, such as the generalisation gap.
    pub values: BTreeMap<String, f64>,
    /// Every epoch of the attack classifier, for attacks that train one.
    pub epochs: Vec<EpochScores>,
    /// The epoch whose scores are reported.
    pub chosen_epoch: Option<u32>,
    /// Mean and range of the last ten epochs.
    pub last_epochs: Option<EpochSpread>,
}

/// The result of one attack on one target: a score for every audited record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MembershipOutcome {
    /// The attack's name.
    pub attack: String,
    /// Whether the target was a control.
    pub null_victim: bool,
    /// What the adversary saw and knew.
    pub threat_model: ThreatModel,
    /// Members first, then non-members, each in the order of its data set.
    pub records: Vec<RecordScore>,
    /// The decision rule.
    pub decision: Decision,
    /// Everything else.
    pub diagnostics: Diagnostics,
}

impl MembershipOutcome {
    /// Puts the scores of a target's records beside their identities.
    ///
    /// # Errors
    /// [`Error::Numeric`] naming the record if a score is not finite; [`Error::Internal`] if counts differ.
    pub fn new(
        attack: &str,
        threat_model: ThreatModel,
        target: &super::Target<'_>,
        members: &[f64],
        non_members: &[f64],
        decision: Decision,
    ) -> Result<Self> {
        let mut records = side(target.members, true, members)?;
        records.extend(side(target.non_members, false, non_members)?);
        let null_victim = target.role == TargetRole::NullVictim;
        Self::of_records(attack, threat_model, null_victim, records, decision)
    }

    /// An outcome of records that are scored already, for attacks on signals that were collected earlier.
    ///
    /// # Errors
    /// [`Error::Numeric`] naming the record if a score is not finite.
    pub fn of_records(
        attack: &str,
        threat_model: ThreatModel,
        null_victim: bool,
        records: Vec<RecordScore>,
        decision: Decision,
    ) -> Result<Self> {
        if let Some(record) = records.iter().find(|r| !r.score.is_finite()) {
            return Err(Error::numeric(
                format!("the {attack} score of {}", record.id),
                format!("it is {}", record.score),
            ));
        }
        Ok(Self {
            attack: attack.to_owned(),
            null_victim,
            threat_model,
            records,
            decision,
            diagnostics: Diagnostics::default(),
        })
    }

    /// Scores of the members, in order.
    pub fn member_scores(&self) -> Vec<f64> {
        self.scores_of(true)
    }

    /// Scores of the non-members, in order.
    pub fn non_member_scores(&self) -> Vec<f64> {
        self.scores_of(false)
    }

    fn scores_of(&self, member: bool) -> Vec<f64> {
        self.records
            .iter()
            .filter(|r| r.member == member)
            .map(|r| r.score)
            .collect()
    }
}

fn side(data: &dyn SegDataset, member: bool, scores: &[f64]) -> Result<Vec<RecordScore>> {
    if scores.len() != data.len() {
        return Err(Error::Internal(format!(
            "{} scores for {} records",
            scores.len(),
            data.len()
        )));
    }
    Ok(scores
        .iter()
        .enumerate()
        .map(|(i, &score)| RecordScore {
            id: data.id(i),
            group: data.group(i),
            member,
            score,
        })
        .collect())
}
