//! Symmetric positive definite systems.

use redmask_core::{Error, Result};

/// A symmetric `[n, n]` matrix; the lower triangle is stored, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SymmetricMatrix {
    n: usize,
    lower: Vec<f64>,
}

fn at(row: usize, column: usize) -> usize {
    row * (row + 1) / 2 + column
}

impl SymmetricMatrix {
    pub(crate) fn zeros(n: usize) -> Self {
        Self {
            n,
            lower: vec![0.0; n * (n + 1) / 2],
        }
    }

    /// Adds `weight * row row^T`.
    pub(crate) fn add_outer(&mut self, row: &[f64], weight: f64) {
        for (i, &a) in row.iter().enumerate() {
            let scaled = weight * a;
            for (slot, &b) in self.lower[at(i, 0)..=at(i, i)].iter_mut().zip(row) {
                *slot += scaled * b;
            }
        }
    }

    pub(crate) fn add_to_diagonal(&mut self, value: f64) {
        for i in 0..self.n {
            self.lower[at(i, i)] += value;
        }
    }

    pub(crate) fn scale(&mut self, factor: f64) {
        for value in &mut self.lower {
            *value *= factor;
        }
    }

    #[cfg(test)]
    pub(crate) fn get(&self, i: usize, j: usize) -> f64 {
        self.lower[at(i.max(j), i.min(j))]
    }

    pub(crate) fn diagonal(&self, i: usize) -> f64 {
        self.lower[at(i, i)]
    }

    /// Multiplies everything off the diagonal.
    pub(crate) fn scale_off_diagonal(&mut self, factor: f64) {
        for i in 0..self.n {
            for value in &mut self.lower[at(i, 0)..at(i, i)] {
                *value *= factor;
            }
        }
    }
}

/// The factor `L` of `A = L L^T`.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky {
    n: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors `matrix`.
    ///
    /// # Errors
    /// [`Error::Numeric`] if it is not positive definite; `what` names it.
    pub(crate) fn new(matrix: SymmetricMatrix, what: &str) -> Result<Self> {
        let SymmetricMatrix { n, mut lower } = matrix;
        for i in 0..n {
            for j in 0..=i {
                let (head, tail) = lower.split_at_mut(at(i, 0));
                // Row j is in `head` unless it is row i itself.
                let dot: f64 = if j == i {
                    tail[..j].iter().map(|x| x * x).sum()
                } else {
                    tail[..j]
                        .iter()
                        .zip(&head[at(j, 0)..])
                        .map(|(x, y)| x * y)
                        .sum()
                };
                let rest = tail[j] - dot;
                tail[j] = if j < i {
                    rest / head[at(j, j)]
                } else if rest > 0.0 {
                    rest.sqrt()
                } else {
                    return Err(Error::numeric(what, "it is not positive definite"));
                };
            }
        }
        Ok(Self { n, lower })
    }

    /// Solves `L y = b` in place.
    pub(crate) fn solve_lower(&self, b: &mut [f64]) {
        for i in 0..self.n {
            let row = &self.lower[at(i, 0)..=at(i, i)];
            let dot: f64 = row[..i].iter().zip(&*b).map(|(l, x)| l * x).sum();
            b[i] = (b[i] - dot) / row[i];
        }
    }

    /// Solves `A x = b` in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        self.solve_lower(b);
        for i in (0..self.n).rev() {
            b[i] /= self.lower[at(i, i)];
            let x = b[i];
            for (slot, l) in b[..i].iter_mut().zip(&self.lower[at(i, 0)..]) {
                *slot -= l * x;
            }
        }
    }

    /// `ln det A`.
    pub(crate) fn ln_determinant(&self) -> f64 {
        2.0 * (0..self.n).map(|i| self.lower[at(i, i)].ln()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_by_two_by_hand() {
        // [[4, 2], [2, 3]] has determinant 8; A x = (8, 7) has the solution (1.25, 1.5).
        let mut a = SymmetricMatrix::zeros(2);
        a.add_outer(&[2.0, 1.0], 1.0);
        a.add_outer(&[0.0, 1.0], 2.0);
        let factor = Cholesky::new(a, "a").expect("positive definite");
        assert!((factor.ln_determinant() - 8f64.ln()).abs() < 1e-12);
        let mut x = [8.0, 7.0];
        factor.solve(&mut x);
        assert!((x[0] - 1.25).abs() < 1e-12 && (x[1] - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_singular_matrix_is_refused() {
        let mut a = SymmetricMatrix::zeros(2);
        a.add_outer(&[1.0, 1.0], 1.0);
        assert!(Cholesky::new(a, "a").is_err());
    }

    proptest! {
        #[test]
        fn solving_inverts_multiplying(
            rows in prop::collection::vec(prop::collection::vec(-2f64..2.0, 4), 6),
            x in prop::collection::vec(-5f64..5.0, 4),
        ) {
            let mut a = SymmetricMatrix::zeros(4);
            for row in &rows {
                a.add_outer(row, 1.0);
            }
            a.add_to_diagonal(0.1);
            let mut b: Vec<f64> = (0..4)
                .map(|i| (0..4).map(|j| a.get(i, j) * x[j]).sum())
                .collect();
            Cholesky::new(a, "a").expect("positive definite").solve(&mut b);
            for (found, truth) in b.iter().zip(&x) {
                prop_assert!((found - truth).abs() < 1e-8);
            }
        }
    }
}
