//! Ridge regression on standardised columns.

use redmask_core::{Error, Result};

use super::{Cholesky, SymmetricMatrix};

/// A fitted linear predictor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ridge {
    columns: Columns,
    weights: Vec<f64>,
    intercept: f64,
}

/// Means and deviations of columns; constant ones count as zero.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Columns {
    pub(crate) fn of(rows: &[Vec<f64>]) -> Self {
        let (n, p) = (rows.len() as f64, rows.first().map_or(0, Vec::len));
        let mean: Vec<f64> = (0..p)
            .map(|j| rows.iter().map(|r| r[j]).sum::<f64>() / n)
            .collect();
        let scale = (0..p)
            .map(|j| {
                let variance = rows.iter().map(|r| (r[j] - mean[j]).powi(2)).sum::<f64>() / n;
                if variance > 1e-20 * (mean[j] * mean[j] + 1e-20) {
                    variance.sqrt().recip()
                } else {
                    0.0
                }
            })
            .collect();
        Self { mean, scale }
    }

    /// Standardised, limited to `+-8`: a foreign record must not be extrapolated without end.
    pub(crate) fn standardise(&self, row: &[f64]) -> Vec<f64> {
        row.iter()
            .zip(self.mean.iter().zip(&self.scale))
            .map(|(x, (m, s))| ((x - m) * s).clamp(-8.0, 8.0))
            .collect()
    }
}

impl Ridge {
    /// Minimises `mean (y - b - w.x)^2 + penalty |w|^2` over standardised columns.
    pub(crate) fn fit(rows: &[Vec<f64>], y: &[f64], penalty: f64) -> Result<Self> {
        if rows.is_empty() || rows.len() != y.len() {
            return Err(Error::Internal(format!(
                "{} rows for {} targets",
                rows.len(),
                y.len()
            )));
        }
        let columns = Columns::of(rows);
        let n = rows.len() as f64;
        let intercept = y.iter().sum::<f64>() / n;
        let p = rows[0].len();
        let mut gram = SymmetricMatrix::zeros(p);
        let mut weights = vec![0.0; p];
        for (row, y) in rows.iter().zip(y) {
            let x = columns.standardise(row);
            gram.add_outer(&x, 1.0 / n);
            for (w, x) in weights.iter_mut().zip(&x) {
                *w += (y - intercept) * x / n;
            }
        }
        gram.add_to_diagonal(penalty);
        Cholesky::new(gram, "a ridge system")?.solve(&mut weights);
        Ok(Self {
            columns,
            weights,
            intercept,
        })
    }

    pub(crate) fn predict(&self, row: &[f64]) -> f64 {
        let x = self.columns.standardise(row);
        self.intercept + x.iter().zip(&self.weights).map(|(x, w)| x * w).sum::<f64>()
    }

    /// The penalty of `penalties` with the least squared error in `folds`-fold cross-validation, row `i` in fold `i % folds`.
    pub(crate) fn choose_penalty(
        rows: &[Vec<f64>],
        y: &[f64],
        penalties: &[f64],
        folds: usize,
    ) -> Result<f64> {
        let mut best = (f64::INFINITY, penalties[0]);
        for &penalty in penalties {
            let mut error = 0.0;
            for fold in 0..folds {
                let (mut train, mut targets) = (Vec::new(), Vec::new());
                for (i, row) in rows.iter().enumerate().filter(|(i, _)| i % folds != fold) {
                    train.push(row.clone());
                    targets.push(y[i]);
                }
                let model = Self::fit(&train, &targets, penalty)?;
                for i in (fold..rows.len()).step_by(folds) {
                    error += (y[i] - model.predict(&rows[i])).powi(2);
                }
            }
            if error < best.0 {
                best = (error, penalty);
            }
        }
        Ok(best.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_law_is_recovered() {
        let rows: Vec<Vec<f64>> = (0..30)
            .map(|i| vec![f64::from(i), f64::from(i * i % 7), 1.0])
            .collect();
        let y: Vec<f64> = rows.iter().map(|r| 2.0 * r[0] - 3.0 * r[1] + 1.0).collect();
        let model = Ridge::fit(&rows, &y, 1e-12).expect("enough rows");
        assert!((model.predict(&[10.0, 2.0, 1.0]) - 15.0).abs() < 1e-6);
    }

    #[test]
    fn noise_asks_for_a_penalty_and_a_law_does_not() {
        let rows: Vec<Vec<f64>> = (0..40)
            .map(|i| {
                (0..30)
                    .map(|j| (f64::from(i * 37 + j * 91 + 1) * 12.9898).sin())
                    .collect()
            })
            .collect();
        let noise: Vec<f64> = (0..40).map(|i| (f64::from(i) * 78.233).cos()).collect();
        let law: Vec<f64> = rows.iter().map(|r| r[0] + r[1]).collect();
        let choose =
            |y: &[f64]| Ridge::choose_penalty(&rows, y, &[1e-6, 1e3], 5).expect("enough rows");
        assert_eq!(choose(&noise), 1e3);
        assert_eq!(choose(&law), 1e-6);
    }
}
