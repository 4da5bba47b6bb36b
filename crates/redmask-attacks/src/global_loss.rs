//! The global-loss attack: a member is a record on which the model errs little.
//!
//! Yeom et al. (CSF 2018, arXiv 1709.01604), carried to segmentation by Chobola et al. (AISec 2023, arXiv 2212.01082),
//! who use the soft Dice loss and the shadow model's mean training loss as the threshold.
//!
//! **Sees and knows**: class scores (labels alone work, at a loss), the true mask, and shadow models for the threshold.
//!
//! **Deviation from the paper by default**: the threshold is the one with the best balanced accuracy on shadow members
//! and non-members. The published one, with [`GlobalLossConfig::paper_compat`], is the mean over the mini-batches of the
//! shadow's last epoch, of a Dice loss that is coupled over the batch and measured in train mode while the weights still
//! move. It is not on the scale of the per-image losses it is compared with. The ROC does not depend on either.
//!
//! **Failure mode**: hard records look like non-members whoever trained on them; attacks that compare with other models'
//! losses on the same record do not have it.

use redmask_core::{Error, Knowledge, Result, SegDataset, Session, ThreatModel};
use serde::{Deserialize, Serialize};

use crate::membership::{
    Decision, MembershipAttack, MembershipInput, MembershipOutcome, ThresholdSource,
    best_balanced_threshold,
};
use crate::signals::{DiceForm, Signal, SignalConfig, collect};

/// Configuration of [`GlobalLoss`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlobalLossConfig {
    /// The scalar that is compared with the threshold. The published attack uses the Dice loss.
    pub signal: Signal,
    /// How signals are computed.
    pub signals: SignalConfig,
    /// The published attack: Dice loss in its published form, threshold from [`crate::membership::Shadow::last_epoch_losses`].
    pub paper_compat: bool,
}

impl Default for GlobalLossConfig {
    fn default() -> Self {
        Self {
            signal: Signal::Dice,
            signals: SignalConfig::default(),
            paper_compat: false,
        }
    }
}

/// The global-loss attack.
#[derive(Debug, Clone)]
pub struct GlobalLoss {
    config: GlobalLossConfig,
    name: String,
}

impl GlobalLoss {
    /// An attack with this configuration.
    ///
    /// # Errors
    /// [`Error::Config`] if `paper_compat` is asked for with another signal than the Dice loss, or the signal is not one of
    /// a model's scores.
    pub fn new(mut config: GlobalLossConfig) -> Result<Self> {
        if config.signal == Signal::GradientNorm {
            return Err(Error::config(
                "signal",
                "gradient_norm is no signal of a model's scores; a pool collects it",
            ));
        }
        if config.paper_compat {
            if config.signal != Signal::Dice {
                return Err(Error::config(
                    "paper_compat",
                    format!(
                        "the published attack uses dice, not {}",
                        config.signal.name()
                    ),
                ));
            }
            config.signals.dice = DiceForm::Published;
        }
        let name = match config.signal {
            Signal::Dice => "global_loss".to_owned(),
            signal => format!("threshold_{}", signal.name()),
        };
        Ok(Self { config, name })
    }

    fn scores(
        &self,
        predictor: &dyn redmask_core::Predictor,
        data: &dyn SegDataset,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<f64>> {
        let signals = collect(predictor, data, input.batch, &self.config.signals, session)?;
        Ok(signals.iter().map(|s| self.config.signal.of(s)).collect())
    }

    fn threshold(&self, input: &MembershipInput<'_>, session: &Session) -> Result<Decision> {
        if self.config.paper_compat {
            return published_threshold(input);
        }
        let (mut members, mut others) = (Vec::new(), Vec::new());
        for shadow in &input.shadows {
            members.extend(self.scores(shadow.predictor, shadow.members, input, session)?);
            others.extend(self.scores(shadow.predictor, shadow.non_members, input, session)?);
        }
        Ok(Decision {
            threshold: best_balanced_threshold(&members, &others)?,
            source: ThresholdSource::ShadowRecords,
        })
    }
}

/// The mean over shadows of the mean loss over the mini-batches of the last epoch, negated to a score.
fn published_threshold(input: &MembershipInput<'_>) -> Result<Decision> {
    let mut total = 0.0;
    for (i, shadow) in input.shadows.iter().enumerate() {
        let losses = shadow.last_epoch_losses;
        if losses.is_empty() {
            return Err(Error::config(
                "paper_compat",
                format!(
                    "the published threshold needs the last-epoch batch losses of shadow {i}, which are unknown"
                ),
            ));
        }
        total += losses.iter().sum::<f64>() / losses.len() as f64;
    }
    Ok(Decision {
        threshold: -total / input.shadows.len() as f64,
        source: ThresholdSource::ShadowLastEpochLoss,
    })
}

impl MembershipAttack for GlobalLoss {
    fn name(&self) -> &str {
        &self.name
    }

    fn threat_model(&self) -> ThreatModel {
        let mut knowledge = vec![Knowledge::ShadowData];
        if self.config.signal.needs_mask() {
            knowledge.insert(0, Knowledge::GroundTruth);
        }
        ThreatModel {
            access: self.config.signal.access(),
            knowledge,
        }
    }

    fn infer(
        &self,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<MembershipOutcome>> {
        let decision = self.threshold(input, session)?;
        input
            .targets
            .iter()
            .map(|target| {
                let members = self.scores(target.predictor, target.members, input, session)?;
                let others = self.scores(target.predictor, target.non_members, input, session)?;
                let mut outcome = MembershipOutcome::new(
                    self.name(),
                    self.threat_model(),
                    target,
                    &members,
                    &others,
                    decision,
                )?;
                let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
                outcome.diagnostics.values.insert(
                    "generalisation_gap".to_owned(),
                    mean(&members) - mean(&others),
                );
                Ok(outcome)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;

    use super::*;
    use crate::membership::{MembershipStatistics, Shadow, StatisticsConfig, Target, TargetRole};
    use crate::testing::{Discs, Memoriser, part};

    fn outcomes(
        config: GlobalLossConfig,
        gap: f64,
        last_epoch_losses: &[f64],
    ) -> Result<Vec<MembershipOutcome>> {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(320, 12, 1, Seed::root(1)));
        let sides: Vec<_> = (0..4).map(|i| part(&data, 80 * i..80 * i + 80)).collect();
        let victim = Memoriser::new(&sides[0], gap, Seed::root(2));
        let shadow = Memoriser::new(&sides[2], gap, Seed::root(3));
        let target = |role, predictor| Target {
            role,
            predictor,
            members: &sides[0],
            non_members: &sides[1],
        };
        let input = MembershipInput {
            shadows: vec![Shadow {
                predictor: &shadow,
                members: &sides[2],
                non_members: &sides[3],
                last_epoch_losses,
            }],
            targets: vec![
                target(TargetRole::Victim, &victim),
                target(TargetRole::NullVictim, &shadow),
            ],
            knowledge: [Knowledge::GroundTruth, Knowledge::ShadowData].into(),
            batch: 32,
            seed: Seed::root(0),
        };
        GlobalLoss::new(config)?.run(&input, &Session::default())
    }

    #[test]
    fn a_planted_memoriser_is_found_and_its_null_is_not() {
        let found = outcomes(GlobalLossConfig::default(), 4.0, &[]).expect("a sound input");
        let statistics = |outcome| {
            MembershipStatistics::measure(outcome, &StatisticsConfig::new(Seed::root(9)))
                .expect("both sides have records")
        };
        let victim = statistics(&found[0]);
        assert!(victim.auc.low > 0.85, "{:?}", victim.auc);
        assert!(victim.accuracy.value > 0.8, "{:?}", victim.accuracy);
        let null = statistics(&found[1]);
        assert!(
            found[1].null_victim && null.auc.covers(0.5),
            "{:?}",
            null.auc
        );
    }

    #[test]
    fn the_published_threshold_is_the_mean_batch_loss() {
        let config = GlobalLossConfig {
            paper_compat: true,
            ..GlobalLossConfig::default()
        };
        let found = outcomes(config, 1.0, &[0.1, 0.3]).expect("losses are given");
        assert_eq!(
            found[0].decision.source,
            ThresholdSource::ShadowLastEpochLoss
        );
        assert!((found[0].decision.threshold + 0.2).abs() < 1e-15);
        assert!(found[0].decision.is_member(-0.2), "a tie is a member");
        let error = outcomes(config, 1.0, &[]).expect_err("losses are missing");
        assert!(error.to_string().contains("last-epoch"), "{error}");
    }

    #[test]
    fn other_signals_have_their_own_name_and_needs() {
        let config = GlobalLossConfig {
            signal: Signal::Entropy,
            ..GlobalLossConfig::default()
        };
        let attack = GlobalLoss::new(config).expect("entropy is a signal");
        assert_eq!(attack.name(), "threshold_entropy");
        assert!(
            !attack
                .threat_model()
                .knowledge
                .contains(&Knowledge::GroundTruth)
        );
        assert!(
            GlobalLoss::new(GlobalLossConfig {
                paper_compat: true,
                ..config
            })
            .is_err()
        );
    }
}
