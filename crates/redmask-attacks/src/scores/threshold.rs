//! A threshold on the target's signal, for signals that were collected earlier.

use redmask_core::{Knowledge, Result, ThreatModel};
use serde::{Deserialize, Serialize};

use super::ScoreAttack;
use super::matrix::ScoreInput;
use crate::signals::Signal;

/// The signal itself as the score: [`crate::global_loss::GlobalLoss`] on signals at hand. Shadows, where there are any,
/// serve the threshold alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalThreshold {
    /// Which signal the input holds; it decides the name and what the adversary must know.
    pub signal: Signal,
}

impl ScoreAttack for SignalThreshold {
    fn name(&self) -> String {
        match self.signal {
            Signal::Dice => "global_loss".to_owned(),
            signal => format!("threshold_{}", signal.name()),
        }
    }

    fn threat_model(&self) -> ThreatModel {
        let mut knowledge = vec![Knowledge::ShadowData];
        if self.signal.needs_mask() {
            knowledge.insert(0, Knowledge::GroundTruth);
        }
        ThreatModel {
            access: self.signal.access(),
            knowledge,
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        Ok(input.target.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_signal() {
        let attack = SignalThreshold {
            signal: Signal::Entropy,
        };
        let input = ScoreInput {
            target: &[3.0, -1.0],
            shadows: None,
            population: None,
            descriptors: None,
        };
        assert_eq!(attack.scores(&input).expect("scalars"), [3.0, -1.0]);
        assert_eq!(attack.name(), "threshold_entropy");
        let knows = attack.threat_model().knowledge;
        assert!(!knows.contains(&Knowledge::GroundTruth));
    }
}
