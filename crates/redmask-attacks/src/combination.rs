//! The combination attack: every signal at once, weighed by a logistic regression on the shadows' records.
//!
//! The form of TensorFlow Privacy's trained attacks, on segmentation signals. Signals may come from several views of a
//! record (its mirror image, for one), which is worth a lot to LiRA and costs one more query each.
//!
//! **Sees and knows**: class scores, the true mask, and shadow models. **Deviation**: both classes weigh the same in the
//! regression, so its natural cut does not depend on how many shadow members there are.

use redmask_core::{Access, Error, Knowledge, Predictor, Result, SegDataset, Session, ThreatModel};
use redmask_data::Transform;
use serde::{Deserialize, Serialize};

use crate::membership::{MembershipAttack, MembershipInput, MembershipOutcome};
use crate::shadow_regression;
use crate::signals::{SignalConfig, SignalVector, View, collect};

/// Configuration of [`Combination`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CombinationConfig {
    /// The signals.
    pub vector: SignalVector,
    /// How they are computed.
    pub signals: SignalConfig,
    /// Query the mirror image too.
    pub mirror: bool,
}

impl Default for CombinationConfig {
    fn default() -> Self {
        Self {
            vector: SignalVector::Everything,
            signals: SignalConfig::default(),
            mirror: true,
        }
    }
}

/// The combination attack.
#[derive(Debug, Clone)]
pub struct Combination {
    config: CombinationConfig,
}

impl Combination {
    /// An attack with this configuration.
    ///
    /// # Errors
    /// [`Error::Config`] if the vector has no component.
    pub fn new(config: CombinationConfig) -> Result<Self> {
        if config.vector == SignalVector::Scalars(Vec::new()) {
            return Err(Error::config("vector", "there is no signal to combine"));
        }
        Ok(Self { config })
    }

    /// The signals of every view of every record, side by side.
    fn rows(
        &self,
        predictor: &dyn Predictor,
        data: &dyn SegDataset,
        batch: usize,
        session: &Session,
    ) -> Result<Vec<Vec<f64>>> {
        let views: &[Transform] = if self.config.mirror {
            &[Transform::IDENTITY, Transform::FLIP_X]
        } else {
            &[Transform::IDENTITY]
        };
        let mut rows = vec![Vec::new(); data.len()];
        for &view in views {
            let seen = View::new(data, view);
            let signals = collect(predictor, &seen, batch, &self.config.signals, session)?;
            for (row, signals) in rows.iter_mut().zip(&signals) {
                row.extend(self.config.vector.of(signals));
            }
        }
        Ok(rows)
    }
}

impl MembershipAttack for Combination {
    fn name(&self) -> &'static str {
        "combination"
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Scores,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn infer(
        &self,
        input: &MembershipInput<'_>,
        session: &Session,
    ) -> Result<Vec<MembershipOutcome>> {
        shadow_regression::run(self, input, |predictor, data| {
            self.rows(predictor, data, input.batch, session)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;
    use redmask_metrics::Roc;

    use super::*;
    use crate::membership::{Shadow, Target, TargetRole};
    use crate::testing::{Discs, Memoriser, part};

    #[test]
    fn a_planted_memoriser_is_found_and_its_null_is_not() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(400, 12, 1, Seed::root(1)));
        let sides: Vec<_> = (0..4)
            .map(|i| part(&data, 100 * i..100 * i + 100))
            .collect();
        let victim = Memoriser::new(&sides[0], 3.0, Seed::root(2));
        let shadow = Memoriser::new(&sides[2], 3.0, Seed::root(3));
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
                last_epoch_losses: &[],
            }],
            targets: vec![
                target(TargetRole::Victim, &victim),
                target(TargetRole::NullVictim, &shadow),
            ],
            knowledge: [Knowledge::GroundTruth, Knowledge::ShadowData].into(),
            batch: 50,
            seed: Seed::root(0),
        };
        let attack = Combination::new(CombinationConfig::default()).expect("signals");
        let found = attack
            .run(&input, &Session::default())
            .expect("a sound input");
        let auc = |o: &MembershipOutcome| {
            Roc::new(&o.member_scores(), &o.non_member_scores())
                .expect("scores")
                .auc()
        };
        assert!(auc(&found[0]) > 0.9, "{}", auc(&found[0]));
        assert!((0.38..0.62).contains(&auc(&found[1])), "{}", auc(&found[1]));
        let right = found[0]
            .records
            .iter()
            .filter(|r| found[0].decision.is_member(r.score) == r.member);
        assert!(right.count() > 160);
    }

    #[test]
    fn no_signal_is_an_error() {
        let config = CombinationConfig {
            vector: SignalVector::Scalars(Vec::new()),
            ..CombinationConfig::default()
        };
        assert!(Combination::new(config).is_err());
    }
}
