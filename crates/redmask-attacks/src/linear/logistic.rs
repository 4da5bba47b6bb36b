//! Logistic regression with an L2 penalty.

use redmask_core::{Error, Result};

use super::ridge::Columns;
use super::{Cholesky, SymmetricMatrix};

/// A fitted classifier.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logistic {
    columns: Columns,
    /// The intercept last.
    weights: Vec<f64>,
}

/// A classifier, and what it would have said of each training row had it not seen it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Validated {
    pub(crate) model: Logistic,
    pub(crate) held_out: Vec<f64>,
}

/// As TensorFlow Privacy's attack: penalties over six decades, three folds.
const PENALTIES: [f64; 7] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];
const FOLDS: usize = 3;

impl Logistic {
    /// Minimises the mean log-loss, both classes weighing the same, plus `penalty / 2 |w|^2` over standardised columns,
    /// by Newton's method with step halving.
    pub(crate) fn fit(rows: &[Vec<f64>], labels: &[bool], penalty: f64) -> Result<Self> {
        let positives = labels.iter().filter(|&&l| l).count();
        if rows.len() != labels.len() || positives == 0 || positives == labels.len() {
            return Err(Error::Internal(format!(
                "logistic regression of {} rows, {positives} of {} positive",
                rows.len(),
                labels.len()
            )));
        }
        let columns = Columns::of(rows);
        let x: Vec<Vec<f64>> = rows
            .iter()
            .map(|r| {
                let mut x = columns.standardise(r);
                x.push(1.0);
                x
            })
            .collect();
        let weight = [
            0.5 / (labels.len() - positives) as f64,
            0.5 / positives as f64,
        ];
        let mut weights = vec![0.0; x[0].len()];
        let mut loss = objective(&x, labels, weight, &weights, penalty);
        for _ in 0..100 {
            let step = newton_step(&x, labels, weight, &weights, penalty)?;
            let mut factor = 1.0;
            let (next, next_loss) = loop {
                let next: Vec<f64> = weights
                    .iter()
                    .zip(&step)
                    .map(|(w, s)| w - factor * s)
                    .collect();
                let next_loss = objective(&x, labels, weight, &next, penalty);
                if next_loss <= loss || factor < 1e-6 {
                    break (next, next_loss);
                }
                factor /= 2.0;
            };
            let done = loss - next_loss < 1e-10;
            if next_loss <= loss {
                (weights, loss) = (next, next_loss);
            }
            if done {
                break;
            }
        }
        Ok(Self { columns, weights })
    }

    /// Chooses the penalty by the held-out log-loss; row `i` is in fold `fold_of[i] % 3`.
    pub(crate) fn validated(
        rows: &[Vec<f64>],
        labels: &[bool],
        fold_of: &[usize],
    ) -> Result<Validated> {
        let mut best: Option<(f64, f64, Vec<f64>)> = None;
        for penalty in PENALTIES {
            let mut held_out = vec![0.0; rows.len()];
            for fold in 0..FOLDS {
                let kept: Vec<usize> = (0..rows.len())
                    .filter(|&i| fold_of[i] % FOLDS != fold)
                    .collect();
                let train: Vec<Vec<f64>> = kept.iter().map(|&i| rows[i].clone()).collect();
                let targets: Vec<bool> = kept.iter().map(|&i| labels[i]).collect();
                let model = Self::fit(&train, &targets, penalty)?;
                for i in (0..rows.len()).filter(|&i| fold_of[i] % FOLDS == fold) {
                    held_out[i] = model.log_odds(&rows[i]);
                }
            }
            let loss: f64 = held_out
                .iter()
                .zip(labels)
                .map(|(&z, &l)| log_loss(z, l))
                .sum();
            if best.as_ref().is_none_or(|b| loss < b.0) {
                best = Some((loss, penalty, held_out));
            }
        }
        let (_, penalty, held_out) = best.expect("there are penalties to try");
        Ok(Validated {
            model: Self::fit(rows, labels, penalty)?,
            held_out,
        })
    }

    /// `ln(p / (1 - p))` of the positive class.
    pub(crate) fn log_odds(&self, row: &[f64]) -> f64 {
        let x = self.columns.standardise(row);
        let (intercept, weights) = self.weights.split_last().expect("an intercept");
        intercept + x.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>()
    }
}

fn log_loss(z: f64, label: bool) -> f64 {
    let z = if label { -z } else { z };
    if z > 0.0 {
        z + (-z).exp().ln_1p()
    } else {
        z.exp().ln_1p()
    }
}

fn dot(x: &[f64], weights: &[f64]) -> f64 {
    x.iter().zip(weights).map(|(x, w)| x * w).sum()
}

fn objective(
    x: &[Vec<f64>],
    labels: &[bool],
    weight: [f64; 2],
    weights: &[f64],
    penalty: f64,
) -> f64 {
    let data: f64 = x
        .iter()
        .zip(labels)
        .map(|(x, &l)| weight[usize::from(l)] * log_loss(dot(x, weights), l))
        .sum();
    let (_, slopes) = weights.split_last().expect("an intercept");
    data + 0.5 * penalty * slopes.iter().map(|w| w * w).sum::<f64>()
}

fn newton_step(
    x: &[Vec<f64>],
    labels: &[bool],
    weight: [f64; 2],
    weights: &[f64],
    penalty: f64,
) -> Result<Vec<f64>> {
    let p = weights.len();
    let mut hessian = SymmetricMatrix::zeros(p);
    let mut gradient = vec![0.0; p];
    for (x, &l) in x.iter().zip(labels) {
        let probability = 1.0 / (1.0 + (-dot(x, weights)).exp());
        let scale = weight[usize::from(l)];
        hessian.add_outer(x, scale * probability * (1.0 - probability));
        let error = scale * (probability - f64::from(u8::from(l)));
        for (g, x) in gradient.iter_mut().zip(x) {
            *g += error * x;
        }
    }
    for (g, w) in gradient.iter_mut().zip(&weights[..p - 1]) {
        *g += penalty * w;
    }
    // The intercept is not penalised; the tiny extra keeps a saturated Hessian invertible.
    let mut slope_penalty = vec![0.0; p];
    for j in 0..p - 1 {
        slope_penalty[j] = penalty.sqrt();
        hessian.add_outer(&slope_penalty, 1.0);
        slope_penalty[j] = 0.0;
    }
    hessian.add_to_diagonal(1e-10);
    Cholesky::new(hessian, "the Hessian of a logistic regression")?.solve(&mut gradient);
    Ok(gradient)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use redmask_core::Seed;

    use super::*;

    /// Labels drawn from a known law; the fit recovers its direction and size.
    #[test]
    fn a_known_law_is_recovered() {
        let mut rng = Seed::root(3).rng();
        let rows: Vec<Vec<f64>> = (0..4000)
            .map(|_| (0..3).map(|_| rng.random_range(-1.0..1.0)).collect())
            .collect();
        let labels: Vec<bool> = rows
            .iter()
            .map(|r| rng.random_bool(1.0 / (1.0 + (-(3.0 * r[0] - 2.0 * r[1])).exp())))
            .collect();
        let model = Logistic::fit(&rows, &labels, 1e-6).expect("both classes");
        let slope = |j: usize| {
            let mut row = vec![0.0; 3];
            row[j] = 1.0;
            model.log_odds(&row) - model.log_odds(&[0.0; 3])
        };
        assert!(
            (slope(0) - 3.0).abs() < 0.3 && (slope(1) + 2.0).abs() < 0.3 && slope(2).abs() < 0.3
        );
    }

    #[test]
    fn separable_rows_stay_finite() {
        let rows: Vec<Vec<f64>> = (0..10).map(|i| vec![f64::from(i)]).collect();
        let labels: Vec<bool> = (0..10).map(|i| i >= 5).collect();
        let fold_of: Vec<usize> = (0..10).collect();
        let found = Logistic::validated(&rows, &labels, &fold_of).expect("both classes");
        assert!(found.held_out.iter().all(|z| z.is_finite()));
        assert!(found.model.log_odds(&[9.0]) > 0.0 && found.model.log_odds(&[0.0]) < 0.0);
    }
}
