//! The likelihood-ratio attack (Carlini et al., S&P 2022, arXiv 2112.03570).
//!
//! A record's signals under models that saw it, and under models that did not, are each taken for Gaussian. Online, the
//! score is the log-ratio of the two densities at the target's signal. Offline, with models that did not see it only, it
//! is how many standard deviations the target's signal lies above their centre.
//!
//! As in the authors' code the centre is a median and the variance that of the population (ddof 0). Unlike the authors'
//! plotting code, a fixed variance is that of the *residuals* from each record's centre; the raw spread of all signals
//! is mostly the spread between records.

use rayon::prelude::*;
use redmask_core::{Access, Error, Knowledge, Result, ThreatModel};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::ScoreAttack;
use super::matrix::{ScoreInput, ShadowScores};
use crate::linear::{Cholesky, SymmetricMatrix};

/// Which models take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Models that saw the record, and models that did not.
    Online,
    /// Models that did not see the record.
    Offline,
}

/// The centre of a Gaussian.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centre {
    /// The median, as the authors' code has it.
    #[default]
    Median,
    /// The mean.
    Mean,
}

/// The spread of a Gaussian.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variance {
    /// [`Variance::PerRecord`] if every record has at least 32 models on each side in use, else [`Variance::Fixed`].
    #[default]
    Auto,
    /// One variance a side and dimension for all records, from the residuals.
    Fixed,
    /// Each record's own variance.
    PerRecord,
    /// One covariance a side for all records, from the residuals, with its off-diagonal multiplied by `1 - shrinkage`.
    /// For vector signals, whose components move together.
    Pooled {
        /// In `[0, 1]`.
        shrinkage: f64,
    },
}

/// LiRA.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lira {
    /// Online or offline.
    pub side: Side,
    /// The spread.
    #[serde(default)]
    pub variance: Variance,
    /// The centre.
    #[serde(default)]
    pub centre: Centre,
}

impl Lira {
    /// Online, with the default spread and centre.
    pub fn online() -> Self {
        Self {
            side: Side::Online,
            variance: Variance::Auto,
            centre: Centre::Median,
        }
    }

    /// Offline, with the default spread and centre.
    pub fn offline() -> Self {
        Self {
            side: Side::Offline,
            ..Self::online()
        }
    }
}

/// The published offline score `Phi(z) = 1 - Pr[Z > z]` of an offline [`Lira`] score `z`. Scores stay `z`, because `Phi`
/// rounds to 1 from `z = 8.3` on, where the most exposed records are.
///
/// ```
/// use redmask_attacks::scores::offline_probability;
/// assert_eq!(offline_probability(0.0), 0.5);
/// assert_eq!(offline_probability(9.0), 1.0);
/// ```
pub fn offline_probability(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// Per record the centre and deviation of one side and dimension.
struct Fit {
    centre: Vec<f64>,
    deviation: Vec<f64>,
}

/// Keeps a density finite where all models agree, as the authors' code does.
const LEAST_DEVIATION: f64 = 1e-30;

impl ScoreAttack for Lira {
    fn name(&self) -> String {
        let side = match self.side {
            Side::Online => "online",
            Side::Offline => "offline",
        };
        let spread = match self.variance {
            Variance::Auto => "",
            Variance::Fixed => "_fixed",
            Variance::PerRecord => "_per_record",
            Variance::Pooled { .. } => "_multivariate",
        };
        format!("lira_{side}{spread}")
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Scores,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        let shadows = input.shadows("lira")?;
        let fewest = self.fewest_models(shadows)?;
        let per_record = match self.variance {
            Variance::PerRecord => true,
            Variance::Auto => fewest >= 32,
            Variance::Fixed => false,
            Variance::Pooled { shrinkage } => {
                return self.multivariate(input.target, shadows, shrinkage);
            }
        };
        if per_record && fewest < 2 {
            return Err(Error::config(
                "lira",
                "a record has a single model on one side, so it has no variance of its own; use the fixed variance",
            ));
        }
        let dims = shadows.dims();
        let mut scores = vec![0.0; shadows.records()];
        for dim in 0..dims {
            let out = self.fit(shadows, false, dim, per_record);
            let inside = match self.side {
                Side::Online => Some(self.fit(shadows, true, dim, per_record)),
                Side::Offline => None,
            };
            for (record, score) in scores.iter_mut().enumerate() {
                let observed = input.target[record * dims + dim];
                // Several queries count as the mean of their log-ratios: a spherical Gaussian, scaled.
                *score += match &inside {
                    Some(inside) => {
                        inside.ln_density(record, observed) - out.ln_density(record, observed)
                    }
                    None => (observed - out.centre[record]) / out.deviation[record],
                } / dims as f64;
            }
        }
        finite(scores)
    }
}

impl Lira {
    /// The smallest number of models over records and the sides in use.
    fn fewest_models(&self, shadows: &ShadowScores) -> Result<usize> {
        let fewest = |inside: bool| {
            let models = |r: &usize| {
                (0..shadows.models())
                    .filter(|&m| shadows.is_inside(*r, m) == inside)
                    .count()
            };
            let record = (0..shadows.records()).min_by_key(models)?;
            Some((record, models(&record)))
        };
        let mut least = usize::MAX;
        let sides: &[bool] = if self.side == Side::Online {
            &[false, true]
        } else {
            &[false]
        };
        for &inside in sides {
            let Some((record, count)) = fewest(inside) else {
                return Err(Error::config("lira", "there is no record"));
            };
            if count == 0 {
                let saw = if inside { "saw" } else { "did not see" };
                return Err(Error::config(
                    "lira",
                    format!("no shadow model {saw} record {record}"),
                ));
            }
            least = least.min(count);
        }
        Ok(least)
    }

    fn centre_of(&self, values: &mut [f64]) -> f64 {
        match self.centre {
            Centre::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Centre::Median => median(values),
        }
    }

    fn fit(&self, shadows: &ShadowScores, inside: bool, dim: usize, per_record: bool) -> Fit {
        let fitted: Vec<(f64, f64)> = (0..shadows.records())
            .into_par_iter()
            .map_init(Vec::new, |values, record| {
                shadows.side(record, inside, dim, values);
                let deviation = if per_record {
                    deviation(values.iter().copied())
                } else {
                    0.0
                };
                (self.centre_of(values), deviation)
            })
            .collect();
        let centre: Vec<f64> = fitted.iter().map(|f| f.0).collect();
        let spread: Vec<f64> = if per_record {
            fitted.iter().map(|f| f.1).collect()
        } else {
            let residuals = (0..shadows.records()).flat_map(|r| {
                let centre = centre[r];
                (0..shadows.models())
                    .filter(move |&m| shadows.is_inside(r, m) == inside)
                    .map(move |m| shadows.value(r, m)[dim] - centre)
            });
            vec![deviation(residuals); centre.len()]
        };
        Fit {
            centre,
            deviation: spread.into_iter().map(|s| s + LEAST_DEVIATION).collect(),
        }
    }

    /// Log-ratio (online) or negative half Mahalanobis distance, signed by the mean direction (offline).
    fn multivariate(
        &self,
        target: &[f64],
        shadows: &ShadowScores,
        shrinkage: f64,
    ) -> Result<Vec<f64>> {
        if !(0.0..=1.0).contains(&shrinkage) {
            return Err(Error::config("lira shrinkage", "must lie in [0, 1]"));
        }
        let out = self.pooled(shadows, false, shrinkage)?;
        let inside = match self.side {
            Side::Online => Some(self.pooled(shadows, true, shrinkage)?),
            Side::Offline => None,
        };
        let dims = shadows.dims();
        let scores = target
            .chunks_exact(dims)
            .enumerate()
            .map(|(record, observed)| match &inside {
                Some(inside) => {
                    inside.ln_density(record, observed) - out.ln_density(record, observed)
                }
                None => out.mean_whitened(record, observed),
            })
            .collect();
        finite(scores)
    }

    fn pooled(&self, shadows: &ShadowScores, inside: bool, shrinkage: f64) -> Result<PooledFit> {
        let dims = shadows.dims();
        let mut centre = Vec::with_capacity(shadows.records() * dims);
        let mut covariance = SymmetricMatrix::zeros(dims);
        let mut count = 0.0;
        let mut values = Vec::new();
        for record in 0..shadows.records() {
            for dim in 0..dims {
                shadows.side(record, inside, dim, &mut values);
                centre.push(self.centre_of(&mut values));
            }
            for model in (0..shadows.models()).filter(|&m| shadows.is_inside(record, m) == inside) {
                let residual: Vec<f64> = shadows
                    .value(record, model)
                    .iter()
                    .zip(&centre[record * dims..])
                    .map(|(v, c)| v - c)
                    .collect();
                covariance.add_outer(&residual, 1.0);
                count += 1.0;
            }
        }
        covariance.scale(1.0 / count);
        covariance.scale_off_diagonal(1.0 - shrinkage);
        let mean_variance = (0..dims).map(|d| covariance.diagonal(d)).sum::<f64>() / dims as f64;
        covariance.add_to_diagonal(1e-9 * mean_variance);
        Ok(PooledFit {
            dims,
            centre,
            factor: Cholesky::new(covariance, "the covariance of the shadow signals")?,
        })
    }
}

impl Fit {
    fn ln_density(&self, record: usize, observed: f64) -> f64 {
        let z = (observed - self.centre[record]) / self.deviation[record];
        -0.5 * z * z - self.deviation[record].ln()
    }
}

struct PooledFit {
    dims: usize,
    centre: Vec<f64>,
    factor: Cholesky,
}

impl PooledFit {
    fn whitened(&self, record: usize, observed: &[f64]) -> Vec<f64> {
        let centre = &self.centre[record * self.dims..][..self.dims];
        let mut residual: Vec<f64> = observed.iter().zip(centre).map(|(o, c)| o - c).collect();
        self.factor.solve_lower(&mut residual);
        residual
    }

    fn ln_density(&self, record: usize, observed: &[f64]) -> f64 {
        let squares: f64 = self.whitened(record, observed).iter().map(|z| z * z).sum();
        -0.5 * squares - 0.5 * self.factor.ln_determinant()
    }

    /// The deviation of the mean component in units of its standard deviation: `1^T S^-1 r / sqrt(1^T S^-1 1)`. The
    /// likelihood-ratio statistic against a rise of all components alike.
    fn mean_whitened(&self, record: usize, observed: &[f64]) -> f64 {
        let residual = self.whitened(record, observed);
        let mut ones = vec![1.0; self.dims];
        self.factor.solve_lower(&mut ones);
        let norm = ones.iter().map(|o| o * o).sum::<f64>().sqrt();
        residual.iter().zip(&ones).map(|(r, o)| r * o).sum::<f64>() / norm
    }
}

/// The middle value, or the mean of the middle two.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if below.len() < middle || values.len() % 2 == 1 {
        return upper;
    }
    let lower = values[..middle]
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, upper)
}

/// Standard deviation with ddof 0, in two passes.
pub(super) fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let (count, sum) = values
        .clone()
        .fold((0.0, 0.0), |(n, s), v| (n + 1.0, s + v));
    let mean = sum / count;
    (values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt()
}

fn finite(scores: Vec<f64>) -> Result<Vec<f64>> {
    match scores.iter().position(|s| !s.is_finite()) {
        None => Ok(scores),
        Some(record) => Err(Error::numeric(
            "lira",
            format!("the score of record {record} overflows: its shadow signals do not vary"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector() -> (Vec<f64>, ShadowScores) {
        let shadows = ShadowScores::new(
            6,
            1,
            vec![2.0, 3.0, 4.0, -1.0, 0.0, 1.0],
            vec![true, true, true, false, false, false],
        )
        .expect("six models");
        (vec![3.5], shadows)
    }

    fn score(attack: Lira, target: &[f64], shadows: &ShadowScores) -> Result<Vec<f64>> {
        attack.scores(&ScoreInput {
            target,
            shadows: Some(shadows),
            population: None,
            descriptors: None,
        })
    }

    /// in = {2, 3, 4}, out = {-1, 0, 1}, observed 3.5.
    #[test]
    fn the_published_formulas_by_hand() {
        let (target, shadows) = vector();
        for variance in [Variance::PerRecord, Variance::Fixed] {
            let online = Lira {
                variance,
                ..Lira::online()
            };
            assert!((score(online, &target, &shadows).expect("fits")[0] - 9.0).abs() < 1e-12);
            let offline = Lira {
                variance,
                ..Lira::offline()
            };
            let z = score(offline, &target, &shadows).expect("fits")[0];
            assert!((offline_probability(z) - 0.999_990_928_9).abs() < 1e-10);
        }
        let pooled = Lira {
            variance: Variance::Pooled { shrinkage: 0.0 },
            ..Lira::online()
        };
        assert!((score(pooled, &target, &shadows).expect("fits")[0] - 9.0).abs() < 1e-7);
    }

    #[test]
    fn a_repeated_query_changes_nothing() {
        let (target, shadows) = vector();
        let twice = |values: &[f64]| -> Vec<f64> { values.iter().flat_map(|&v| [v, v]).collect() };
        let values: Vec<f64> = (0..6).flat_map(|m| twice(shadows.value(0, m))).collect();
        let inside = (0..6).map(|m| shadows.is_inside(0, m)).collect();
        let doubled = ShadowScores::new(6, 2, values, inside).expect("six models");
        let found = score(Lira::online(), &twice(&target), &doubled).expect("fits")[0];
        assert!((found - 9.0).abs() < 1e-12);
    }

    #[test]
    fn the_median_of_even_and_odd_counts() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [5.0]), 5.0);
        assert_eq!(median(&mut [5.0, 1.0]), 3.0);
    }

    #[test]
    fn missing_sides_are_named() {
        let all_out = ShadowScores::new(2, 1, vec![0.0, 1.0], vec![false; 2]).expect("two models");
        let error = score(Lira::online(), &[0.0], &all_out).expect_err("nobody saw it");
        assert!(
            error.to_string().contains("no shadow model saw record 0"),
            "{error}"
        );
        assert!(score(Lira::offline(), &[0.0], &all_out).is_ok());
    }
}
