//! Attack-P: the target's signals on a population (Ye et al., CCS 2022, arXiv 2111.09679).

use redmask_core::{Access, Error, Knowledge, Result, ThreatModel};
use serde::{Deserialize, Serialize};

use super::ScoreAttack;
use super::matrix::ScoreInput;

/// Attack-P. The score of a record is the share of known non-members whose signal is lower, ties half: calling a member
/// from `1 - alpha` on has a false-positive rate of `alpha` on the population.
///
/// Its ranking of records is that of the signal itself. What it adds is a threshold with a meaning, and no shadow model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackP {}

impl ScoreAttack for AttackP {
    fn name(&self) -> String {
        "attack_p".to_owned()
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Labels,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::Population],
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        let mut population = input.population("attack_p")?.target.to_vec();
        if population
            .iter()
            .chain(input.target)
            .any(|v| !v.is_finite())
        {
            return Err(Error::numeric("attack_p", "a signal is not finite"));
        }
        population.sort_unstable_by(f64::total_cmp);
        let n = population.len() as f64;
        Ok(input
            .target
            .iter()
            .map(|&signal| {
                let below = population.partition_point(|&p| p < signal);
                let up_to = population.partition_point(|&p| p <= signal);
                (below + up_to) as f64 / (2.0 * n)
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::Population;

    #[test]
    fn shares_of_the_population() {
        let population = Population {
            target: &[0.0, 1.0, 1.0, 2.0],
            shadows: None,
            descriptors: None,
        };
        let input = ScoreInput {
            target: &[-1.0, 1.0, 1.5, 9.0],
            shadows: None,
            population: Some(population),
            descriptors: None,
        };
        assert_eq!(
            AttackP {}.scores(&input).expect("scalars"),
            [0.0, 0.5, 0.75, 1.0]
        );
        let without = ScoreInput {
            population: None,
            ..input
        };
        assert!(AttackP {}.scores(&without).is_err());
    }
}
