//! Attack-R: the record's own signals under models that did not see it (Ye et al., CCS 2022, arXiv 2111.09679).

use rayon::prelude::*;
use redmask_core::{Access, Error, Knowledge, Result, ThreatModel};
use serde::{Deserialize, Serialize};

use super::ScoreAttack;
use super::lira::{deviation, offline_probability};
use super::matrix::{ScoreInput, scalar};

/// How the distribution of a record's signals is smoothed beyond what a few models can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tail {
    /// Linear interpolation between the models' signals, the ends moved out by `1e-4`, as the authors' code does. All
    /// records beyond every model tie.
    Linear,
    /// A Gaussian with mean and population deviation, for signals on the logit scale.
    #[default]
    Gaussian,
    /// The more cautious of both, record by record.
    Minimum,
}

/// Attack-R. The score is one minus the false-positive rate `alpha` at which the record starts to be called a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttackR {
    /// The smoothing.
    pub tail: Tail,
}

impl ScoreAttack for AttackR {
    fn name(&self) -> String {
        match self.tail {
            Tail::Linear => "attack_r_linear",
            Tail::Gaussian => "attack_r",
            Tail::Minimum => "attack_r_minimum",
        }
        .to_owned()
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Scores,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        let shadows = input.shadows("attack_r")?;
        scalar("attack_r", shadows)?;
        (0..shadows.records())
            .into_par_iter()
            .map_init(Vec::new, |out, record| {
                shadows.side(record, false, 0, out);
                if out.len() < 2 {
                    return Err(Error::config(
                        "attack_r",
                        format!(
                            "{} shadow models did not see record {record}, 2 are needed",
                            out.len()
                        ),
                    ));
                }
                let signal = input.target[record];
                Ok(match self.tail {
                    Tail::Linear => linear(out, signal),
                    Tail::Gaussian => gaussian(out, signal),
                    Tail::Minimum => linear(out, signal).min(gaussian(out, signal)),
                })
            })
            .collect()
    }
}

/// The inverse of numpy's linear quantile over the values with their ends moved out.
fn linear(out: &mut [f64], signal: f64) -> f64 {
    out.sort_unstable_by(f64::total_cmp);
    let (low, high) = (out[0] - 1e-4, out[out.len() - 1] + 1e-4);
    if signal <= low {
        return 0.0;
    }
    if signal >= high {
        return 1.0;
    }
    let knots: Vec<f64> = std::iter::once(low)
        .chain(out.iter().copied())
        .chain([high])
        .collect();
    let above = knots.partition_point(|&k| k <= signal);
    let (left, right) = (knots[above - 1], knots[above]);
    ((above - 1) as f64 + (signal - left) / (right - left)) / (knots.len() - 1) as f64
}

fn gaussian(out: &[f64], signal: f64) -> f64 {
    let mean = out.iter().sum::<f64>() / out.len() as f64;
    let spread = deviation(out.iter().copied()).max(1e-30);
    offline_probability((signal - mean) / spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::ShadowScores;

    fn score(tail: Tail, signal: f64) -> f64 {
        let shadows =
            ShadowScores::new(3, 1, vec![1.0, 0.0, 2.0], vec![false; 3]).expect("one record");
        let input = ScoreInput {
            target: &[signal],
            shadows: Some(&shadows),
            population: None,
            descriptors: None,
        };
        AttackR { tail }
            .scores(&input)
            .expect("three models did not see it")[0]
    }

    #[test]
    fn interpolation_by_hand() {
        // Knots -1e-4, 0, 1, 2, 2.0001 at 0, 1/4, 1/2, 3/4, 1.
        assert_eq!(score(Tail::Linear, 1.0), 0.5);
        assert_eq!(score(Tail::Linear, 0.5), 0.375);
        assert_eq!(score(Tail::Linear, 7.0), 1.0);
        assert_eq!(score(Tail::Linear, -7.0), 0.0);
    }

    #[test]
    fn the_gaussian_still_ranks_beyond_every_model() {
        assert_eq!(score(Tail::Gaussian, 1.0), 0.5);
        assert!(score(Tail::Gaussian, 3.0) < score(Tail::Gaussian, 4.0));
        assert_eq!(score(Tail::Minimum, 4.0), score(Tail::Gaussian, 4.0));
    }
}
