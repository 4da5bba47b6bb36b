//! The quantile-regression attack (Bertran et al., NeurIPS 2023): how unusual is a signal for a record like this?
//!
//! On known non-members a regressor learns what signal the *target* gives to records of a description; a record whose
//! signal is far above is called a member. One model beside the target, no shadow, no knowledge of its architecture.
//!
//! Here a ridge regression predicts the mean and a second one the log-variance (the paper's Gaussian head), from
//! descriptors instead of a ConvNeXt. The score is the standardised residual; calling a member from the `1 - alpha`
//! quantile of the standard Gaussian on has a false-positive rate near `alpha`.

use redmask_core::{Access, Error, Knowledge, Result, ThreatModel};
use serde::{Deserialize, Serialize};

use super::ScoreAttack;
use super::matrix::{ScoreInput, missing};
use crate::linear::Ridge;

const PENALTIES: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];

/// The quantile-regression attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuantileRegression {
    /// Folds of the cross-validation that chooses the penalty and gives honest residuals.
    pub folds: usize,
}

impl Default for QuantileRegression {
    fn default() -> Self {
        Self { folds: 5 }
    }
}

impl ScoreAttack for QuantileRegression {
    fn name(&self) -> String {
        "quantile_regression".to_owned()
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Scores,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::Population],
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        let name = "quantile_regression";
        let population = input.population(name)?;
        let (Some(rows), Some(audited)) = (population.descriptors, input.descriptors) else {
            return Err(missing(
                name,
                "descriptors of the population and of the audited records",
            ));
        };
        if rows.len() != population.target.len() || audited.len() != input.target.len() {
            return Err(Error::Internal(format!(
                "{name}: {} and {} descriptors for {} and {} signals",
                rows.len(),
                audited.len(),
                population.target.len(),
                input.target.len()
            )));
        }
        if self.folds < 2 || rows.len() < 2 * self.folds {
            return Err(Error::config(
                name,
                format!(
                    "{} population records are too few for {} folds",
                    rows.len(),
                    self.folds
                ),
            ));
        }
        let (mean, spread) = self.fit(rows, population.target)?;
        Ok(audited
            .iter()
            .zip(input.target)
            .map(|(row, signal)| (signal - mean.predict(row)) / (0.5 * spread.predict(row)).exp())
            .collect())
    }
}

impl QuantileRegression {
    /// Regressions of the signal and of the log-variance of its held-out residual.
    fn fit(self, rows: &[Vec<f64>], signals: &[f64]) -> Result<(Ridge, Ridge)> {
        let penalty = Ridge::choose_penalty(rows, signals, &PENALTIES, self.folds)?;
        let mut squares = vec![0.0; rows.len()];
        for fold in 0..self.folds {
            let kept: Vec<usize> = (0..rows.len()).filter(|i| i % self.folds != fold).collect();
            let train: Vec<Vec<f64>> = kept.iter().map(|&i| rows[i].clone()).collect();
            let targets: Vec<f64> = kept.iter().map(|&i| signals[i]).collect();
            let model = Ridge::fit(&train, &targets, penalty)?;
            for i in (fold..rows.len()).step_by(self.folds) {
                squares[i] = (signals[i] - model.predict(&rows[i])).powi(2);
            }
        }
        let mean_square = squares.iter().sum::<f64>() / squares.len() as f64;
        // ln chi^2_1 has mean -1.27: the correction keeps the fitted variance unbiased for Gaussian residuals.
        let logs: Vec<f64> = squares
            .iter()
            .map(|s| s.max(1e-6 * mean_square).max(1e-300).ln() + 1.2704)
            .collect();
        let spread_penalty = Ridge::choose_penalty(rows, &logs, &PENALTIES, self.folds)?;
        Ok((
            Ridge::fit(rows, signals, penalty)?,
            Ridge::fit(rows, &logs, spread_penalty)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use redmask_core::Seed;
    use redmask_metrics::Roc;

    use super::*;
    use crate::scores::Population;

    /// Signals depend on the record far more than on membership; the regressor removes the former.
    #[test]
    fn it_finds_members_that_a_threshold_misses() {
        let mut rng = Seed::root(4).rng();
        let mut record = |member: bool| {
            let row: Vec<f64> = (0..6).map(|_| rng.random_range(-1.0..1.0)).collect();
            let noise: f64 = (0..4).map(|_| rng.random_range(-0.5..0.5)).sum();
            let signal = 5.0 * row[0] - 4.0 * row[1] + noise * 0.5 + if member { 1.0 } else { 0.0 };
            (row, signal)
        };
        let population: Vec<_> = (0..300).map(|_| record(false)).collect();
        let audited: Vec<_> = (0..200).map(|i| record(i < 100)).collect();
        let split = |records: &[(Vec<f64>, f64)]| -> (Vec<Vec<f64>>, Vec<f64>) {
            records.iter().cloned().unzip()
        };
        let (rows, signals) = split(&population);
        let (audited_rows, target) = split(&audited);
        let scores = QuantileRegression::default()
            .scores(&ScoreInput {
                target: &target,
                shadows: None,
                population: Some(Population {
                    target: &signals,
                    shadows: None,
                    descriptors: Some(&rows),
                }),
                descriptors: Some(&audited_rows),
            })
            .expect("enough records");
        let auc = |scores: &[f64]| {
            Roc::new(&scores[..100], &scores[100..])
                .expect("scores")
                .auc()
        };
        assert!(
            auc(&target) < 0.65 && auc(&scores) > 0.95,
            "{} {}",
            auc(&target),
            auc(&scores)
        );
        let non_members = &scores[100..];
        let mean_square = non_members.iter().map(|z| z * z).sum::<f64>() / 100.0;
        assert!(
            (0.6..1.6).contains(&mean_square),
            "residuals are standardised: {mean_square}"
        );
    }
}
