//! Difficulty calibration: the signal minus what it would be without the record.

use rayon::prelude::*;
use redmask_core::{Access, Error, Knowledge, Result, ThreatModel};
use serde::{Deserialize, Serialize};

use super::ScoreAttack;
use super::matrix::{ScoreInput, scalar};

/// `signal - weight * difficulty`, where the difficulty is the mean signal under models that did not see the record
/// (Watson et al., ICLR 2022, arXiv 2111.08440).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Difficulty {
    /// 1 for models of the same kind as the target, less for weaker ones.
    pub weight: f64,
}

impl Default for Difficulty {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl ScoreAttack for Difficulty {
    fn name(&self) -> String {
        "difficulty".to_owned()
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Labels,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        let shadows = input.shadows("difficulty")?;
        scalar("difficulty", shadows)?;
        (0..shadows.records())
            .into_par_iter()
            .map_init(Vec::new, |out, record| {
                shadows.side(record, false, 0, out);
                if out.is_empty() {
                    return Err(Error::config(
                        "difficulty",
                        format!("no shadow model did not see record {record}"),
                    ));
                }
                let mean = out.iter().sum::<f64>() / out.len() as f64;
                Ok(input.target[record] - self.weight * mean)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::ShadowScores;

    #[test]
    fn models_that_saw_the_record_do_not_count() {
        let shadows = ShadowScores::new(3, 1, vec![1.0, 3.0, 9.0], vec![false, false, true])
            .expect("one record");
        let input = ScoreInput {
            target: &[5.0],
            shadows: Some(&shadows),
            population: None,
            descriptors: None,
        };
        assert_eq!(
            Difficulty::default().scores(&input).expect("two models"),
            [3.0]
        );
        assert_eq!(
            Difficulty { weight: 0.5 }
                .scores(&input)
                .expect("two models"),
            [4.0]
        );
    }
}
