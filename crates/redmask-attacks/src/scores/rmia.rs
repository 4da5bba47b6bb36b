//! The robust membership attack (Zarifzadeh, Liu and Shokri, ICML 2024, arXiv 2312.03262).
//!
//! `LR(x, z) = (p(x|theta) / p(x)) / (p(z|theta) / p(z))`; the score of `x` is the share of population records `z` with
//! `LR(x, z) >= gamma`. `p(.|theta)` is `exp(signal / temperature)`: with [`crate::signals::Signal::Loss`] the geometric
//! mean of the pixels' confidences.
//!
//! The ratios of the population are sorted once and each record's share found by bisection:
//! `O((n + z) log z)` time and `O(n + z)` memory, where the published code holds the `n x z` matrix.

use rayon::prelude::*;
use redmask_core::{Access, Error, Knowledge, Result, ThreatModel};
use redmask_metrics::Roc;
use serde::{Deserialize, Serialize};

use super::matrix::{Population, ScoreInput, ShadowScores, fits, missing, scalar};
use super::{ScoreAttack, Side};

/// How the prior of a population record is taken offline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PopulationPrior {
    /// The same correction as for audited records, as the authors' toolkit has it.
    #[default]
    ACorrected,
    /// The mean under the shadows as it is, a reading of line 17 of the paper's Algorithm 1.
    RawOut,
}

/// RMIA.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rmia {
    /// Online averages models that saw and did not see a record; offline corrects the latter by [`Rmia::offline_a`].
    pub side: Side,
    /// The ratio a pair must reach.
    pub gamma: f64,
    /// Signals are divided by it.
    pub temperature: f64,
    /// In `[0, 1]`: `p(x) = ((1 + a) p_out + (1 - a)) / 2`.
    pub offline_a: f64,
    /// The prior of population records, offline.
    pub z_prior: PopulationPrior,
}

impl Default for Rmia {
    fn default() -> Self {
        Self {
            side: Side::Offline,
            gamma: 1.0,
            temperature: 1.0,
            offline_a: 0.3,
            z_prior: PopulationPrior::ACorrected,
        }
    }
}

impl ScoreAttack for Rmia {
    fn name(&self) -> String {
        match self.side {
            Side::Online => "rmia_online".to_owned(),
            Side::Offline => "rmia_offline".to_owned(),
        }
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Scores,
            knowledge: vec![
                Knowledge::GroundTruth,
                Knowledge::ShadowData,
                Knowledge::Population,
            ],
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        self.check()?;
        let shadows = input.shadows("rmia")?;
        scalar("rmia", shadows)?;
        let Population {
            target,
            shadows: population,
            ..
        } = input.population("rmia")?;
        let population =
            population.ok_or_else(|| missing("rmia", "the population under its shadow models"))?;
        fits("rmia", target, population)?;
        scalar("rmia", population)?;

        let mut pivots = self.log_ratios(target, population, self.population_a())?;
        pivots.par_sort_unstable_by(f64::total_cmp);
        let needed = self.gamma.ln();
        let ratios = match self.side {
            Side::Online => self.online_log_ratios(input.target, shadows)?,
            Side::Offline => self.log_ratios(input.target, shadows, self.offline_a)?,
        };
        Ok(ratios
            .into_par_iter()
            .map(|r| pivots.partition_point(|&z| r - z >= needed) as f64 / pivots.len() as f64)
            .collect())
    }
}

impl Rmia {
    fn check(&self) -> Result<()> {
        let positive = |v: f64| v > 0.0 && v.is_finite();
        if !positive(self.gamma) || !positive(self.temperature) {
            return Err(Error::config(
                "rmia",
                "gamma and temperature must be positive",
            ));
        }
        if !(0.0..=1.0).contains(&self.offline_a) {
            return Err(Error::config("rmia offline_a", "must lie in [0, 1]"));
        }
        Ok(())
    }

    /// With `a = 1` the correction is none. Online, population records have no models that saw them, and need none.
    fn population_a(&self) -> f64 {
        match (self.side, self.z_prior) {
            (Side::Offline, PopulationPrior::ACorrected) => self.offline_a,
            _ => 1.0,
        }
    }

    /// `ln p(x|theta) - ln p(x)` with `p(x)` from the models that did not see `x`.
    fn log_ratios(&self, target: &[f64], shadows: &ShadowScores, a: f64) -> Result<Vec<f64>> {
        self.per_record(target, shadows, |values, record| {
            let out = self.mean_probability(shadows, record, false, values)?;
            Ok(f64::midpoint((1.0 + a) * out, 1.0 - a))
        })
    }

    fn online_log_ratios(&self, target: &[f64], shadows: &ShadowScores) -> Result<Vec<f64>> {
        self.per_record(target, shadows, |values, record| {
            let out = self.mean_probability(shadows, record, false, values)?;
            let inside = self.mean_probability(shadows, record, true, values)?;
            Ok(f64::midpoint(inside, out))
        })
    }

    fn per_record(
        &self,
        target: &[f64],
        shadows: &ShadowScores,
        prior: impl Fn(&mut Vec<f64>, usize) -> Result<f64> + Sync,
    ) -> Result<Vec<f64>> {
        (0..shadows.records())
            .into_par_iter()
            .map_init(Vec::new, |values, record| {
                // Below e^-700 every prior is zero; such a record is as unlikely under any model.
                let prior = prior(values, record)?.max(1e-300);
                Ok(target[record] / self.temperature - prior.ln())
            })
            .collect()
    }

    fn mean_probability(
        &self,
        shadows: &ShadowScores,
        record: usize,
        inside: bool,
        values: &mut Vec<f64>,
    ) -> Result<f64> {
        shadows.side(record, inside, 0, values);
        if values.is_empty() {
            let saw = if inside { "saw" } else { "did not see" };
            return Err(Error::config(
                "rmia",
                format!("no shadow model {saw} record {record}"),
            ));
        }
        let total: f64 = values.iter().map(|v| (v / self.temperature).exp()).sum();
        Ok(total / values.len() as f64)
    }
}

/// The `offline_a` of the grid 0, 0.1, ..., 1 with the highest mean AUC when each shadow in turn is the target and the
/// others its references, those trained on exactly the other records left out. Shadow data only.
///
/// # Errors
/// If there are fewer than two shadows, too few are left as references, or a shadow saw all or none of the records.
pub fn choose_offline_a(attack: &Rmia, input: &ScoreInput<'_>) -> Result<f64> {
    let shadows = input.shadows("rmia")?;
    let population = input.population("rmia")?;
    let population = population
        .shadows
        .ok_or_else(|| missing("rmia", "the population under its shadow models"))?;
    if shadows.models() < 2 || shadows.models() != population.models() {
        return Err(missing(
            "rmia",
            "at least two shadow models to choose offline_a",
        ));
    }
    let mut best = (f64::NEG_INFINITY, 0.0);
    for step in 0..=10 {
        let a = f64::from(step) / 10.0;
        let attack = Rmia {
            side: Side::Offline,
            offline_a: a,
            ..*attack
        };
        let mut total = 0.0;
        for model in 0..shadows.models() {
            let left_out: Vec<usize> = (0..shadows.models())
                .filter(|&other| other == model || shadows.are_complements(model, other))
                .collect();
            let (target, pivots) = (shadows.column(model), population.column(model));
            let (rest, population_rest) = (
                shadows.without_all(&left_out),
                population.without_all(&left_out),
            );
            let scores = attack.scores(&ScoreInput {
                target: &target,
                shadows: Some(&rest),
                population: Some(Population {
                    target: &pivots,
                    shadows: Some(&population_rest),
                    descriptors: None,
                }),
                descriptors: None,
            })?;
            let side = |inside: bool| -> Vec<f64> {
                let records = 0..shadows.records();
                records
                    .filter(|&r| shadows.is_inside(r, model) == inside)
                    .map(|r| scores[r])
                    .collect()
            };
            total += Roc::new(&side(true), &side(false))?.auc();
        }
        if total > best.0 {
            best = (total, a);
        }
    }
    Ok(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ln(values: &[f64]) -> Vec<f64> {
        values.iter().map(|p| p.ln()).collect()
    }

    fn share(gamma: f64, z_prior: PopulationPrior) -> f64 {
        let shadows = ShadowScores::new(1, 1, ln(&[0.6]), vec![false]).expect("one record");
        let population =
            ShadowScores::new(1, 1, ln(&[0.5, 0.5, 0.3]), vec![false; 3]).expect("three records");
        Rmia {
            gamma,
            z_prior,
            ..Rmia::default()
        }
        .scores(&ScoreInput {
            target: &ln(&[0.9]),
            shadows: Some(&shadows),
            population: Some(Population {
                target: &ln(&[0.5, 0.7, 0.2]),
                shadows: Some(&population),
                descriptors: None,
            }),
            descriptors: None,
        })
        .expect("one reference model suffices")[0]
    }

    /// a = 0.3: p(x) = 0.74 and ratio 1.2162; population ratios 0.7407, 1.0370, 0.3670, hence LR 1.6419, 1.1728, 3.3142.
    #[test]
    fn the_published_formula_by_hand() {
        assert_eq!(share(1.0, PopulationPrior::ACorrected), 1.0);
        assert!((share(2.0, PopulationPrior::ACorrected) - 1.0 / 3.0).abs() < 1e-15);
        assert!((share(1.5, PopulationPrior::ACorrected) - 2.0 / 3.0).abs() < 1e-15);
    }

    /// Population ratios are then 1, 1.4 and 0.6667: LR 1.2162, 0.8687, 1.8243.
    #[test]
    fn the_raw_prior_differs() {
        assert!((share(1.0, PopulationPrior::RawOut) - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn out_of_range_settings_are_refused() {
        for attack in [
            Rmia {
                gamma: 0.0,
                ..Rmia::default()
            },
            Rmia {
                temperature: -1.0,
                ..Rmia::default()
            },
            Rmia {
                offline_a: 1.1,
                ..Rmia::default()
            },
        ] {
            assert!(attack.check().is_err());
        }
    }
}
