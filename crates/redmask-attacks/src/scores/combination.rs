//! All signals at once, weighed by a regression on the shadows, and each also against what it is without the record.

use redmask_core::{Access, Error, Knowledge, Result, ThreatModel};
use serde::{Deserialize, Serialize};

use super::ScoreAttack;
use super::matrix::{ScoreInput, ShadowScores};
use crate::linear::Logistic;

/// The combination attack on signals that were collected earlier: a logistic regression on the signals `[dims]` of every
/// record under every shadow, applied to the target.
///
/// With `calibrated` each signal enters a second time, minus its mean under the shadows that did not see the record
/// (the difficulty of Watson et al., ICLR 2022): the regression then weighs what every model finds hard against what
/// this one finds easy. **Deviation** from TensorFlow Privacy's attack, after which it is modelled: both classes weigh the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalCombination {
    /// Add each signal's difference from the record's difficulty.
    pub calibrated: bool,
}

impl Default for SignalCombination {
    fn default() -> Self {
        Self { calibrated: true }
    }
}

impl ScoreAttack for SignalCombination {
    fn name(&self) -> String {
        "combination".to_owned()
    }

    fn threat_model(&self) -> ThreatModel {
        ThreatModel {
            access: Access::Scores,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn scores(&self, input: &ScoreInput<'_>) -> Result<Vec<f64>> {
        let shadows = input.shadows("combination")?;
        let (mut rows, mut labels, mut folds) = (Vec::new(), Vec::new(), Vec::new());
        for record in 0..shadows.records() {
            for model in 0..shadows.models() {
                // The shadow's own signal must not be part of its difficulty, as the target's is not.
                let row = self.row(shadows, record, shadows.value(record, model), Some(model));
                if let Some(row) = row {
                    rows.push(row);
                    labels.push(shadows.is_inside(record, model));
                    folds.push(record);
                }
            }
        }
        let members = labels.iter().filter(|&&l| l).count();
        if members == 0 || members == labels.len() {
            return Err(Error::config(
                "combination",
                "the shadows show records from one side only",
            ));
        }
        let fitted = Logistic::validated(&rows, &labels, &folds)?;
        input
            .target
            .chunks_exact(shadows.dims())
            .enumerate()
            .map(|(record, signals)| {
                let row = self.row(shadows, record, signals, None).ok_or_else(|| {
                    Error::config(
                        "combination",
                        format!("no shadow model did not see record {record}"),
                    )
                })?;
                Ok(fitted.model.log_odds(&row))
            })
            .collect()
    }
}

impl SignalCombination {
    /// The signals of a record, and their difference from the mean under the shadows that did not see it, `except` aside;
    /// `None` if there is no such shadow.
    fn row(
        self,
        shadows: &ShadowScores,
        record: usize,
        signals: &[f64],
        except: Option<usize>,
    ) -> Option<Vec<f64>> {
        let mut row = signals.to_vec();
        if !self.calibrated {
            return Some(row);
        }
        let (mut mean, mut n) = (vec![0.0; signals.len()], 0.0);
        for model in 0..shadows.models() {
            if shadows.is_inside(record, model) || Some(model) == except {
                continue;
            }
            n += 1.0;
            for (m, v) in mean.iter_mut().zip(shadows.value(record, model)) {
                *m += v;
            }
        }
        if n == 0.0 {
            return None;
        }
        row.extend(signals.iter().zip(&mean).map(|(s, m)| s - m / n));
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use redmask_core::Seed;
    use redmask_metrics::Roc;

    use super::*;

    /// Two signals: one says nothing of membership but much of difficulty, the other both.
    #[test]
    fn calibration_finds_what_difficulty_hides() {
        let (records, models) = (120, 6);
        let mut rng = Seed::root(3).rng();
        let mut noise = || (0..4).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        let level: Vec<f64> = (0..records).map(|_| 4.0 * noise()).collect();
        let mut signals = |record: usize, inside: bool| {
            let member = f64::from(u8::from(inside));
            [
                level[record] + noise(),
                level[record] + member + 0.3 * noise(),
            ]
        };
        let inside: Vec<bool> = (0..records * models)
            .map(|i| (i / models + i % models) % 2 == 0)
            .collect();
        let values: Vec<f64> = inside
            .iter()
            .enumerate()
            .flat_map(|(i, &b)| signals(i / models, b))
            .collect();
        let shadows = ShadowScores::new(models, 2, values, inside).expect("fits");
        let target: Vec<f64> = (0..records).flat_map(|r| signals(r, r < 60)).collect();
        let input = ScoreInput {
            target: &target,
            shadows: Some(&shadows),
            population: None,
            descriptors: None,
        };
        let auc = |calibrated| {
            let scores = SignalCombination { calibrated }
                .scores(&input)
                .expect("both sides");
            Roc::new(&scores[..60], &scores[60..])
                .expect("scores")
                .auc()
        };
        assert!(auc(true) > 0.95, "{}", auc(true));
        assert!(
            auc(true) > auc(false) + 0.02,
            "{} {}",
            auc(true),
            auc(false)
        );
    }

    #[test]
    fn shadows_of_one_side_teach_nothing() {
        let shadows = ShadowScores::new(2, 1, vec![0.0; 4], vec![false; 4]).expect("fits");
        let input = ScoreInput {
            target: &[0.0, 1.0],
            shadows: Some(&shadows),
            population: None,
            descriptors: None,
        };
        assert!(SignalCombination::default().scores(&input).is_err());
    }
}
