//! Ridge classification under cross-validation, fast enough to repeat for a thousand permutations of the labels.

use rayon::prelude::*;
use redmask_core::{Result, Seed};

use crate::linear::{Cholesky, SymmetricMatrix};

use rand::seq::SliceRandom;

/// One fold: the ridge system of its training records, factored once because labels do not enter it.
#[derive(Debug)]
struct Fold {
    train: Vec<usize>,
    test: Vec<usize>,
    mean: Vec<f64>,
    factor: Cholesky,
}

/// Folds over `[n, p]` descriptions of records. Folds are drawn by unit and without a look at the labels, so that a
/// permutation of the labels leaves everything else in place.
#[derive(Debug)]
pub(super) struct CrossValidation<'a> {
    rows: &'a [Vec<f64>],
    folds: Vec<Fold>,
}

impl<'a> CrossValidation<'a> {
    /// Splits units (`unit[i]` of record `i`, all below `units`) into `folds` folds. `shrinkage` is the ridge penalty
    /// as a multiple of the mean variance of a column.
    pub(super) fn new(
        rows: &'a [Vec<f64>],
        unit: &[usize],
        units: usize,
        folds: usize,
        shrinkage: f64,
        seed: Seed,
    ) -> Result<Self> {
        let mut order: Vec<usize> = (0..units).collect();
        order.shuffle(&mut seed.child("folds").rng());
        let mut fold_of = vec![0; units];
        for (position, &u) in order.iter().enumerate() {
            fold_of[u] = position % folds;
        }
        let folds = (0..folds)
            .into_par_iter()
            .map(|f| {
                let (test, train): (Vec<_>, Vec<_>) =
                    (0..rows.len()).partition(|&i| fold_of[unit[i]] == f);
                Fold::new(rows, train, test, shrinkage)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { rows, folds })
    }

    /// The held-out score of every record for these labels, and its fold.
    pub(super) fn scores(&self, member: &[bool]) -> Vec<(usize, f64)> {
        let mut scores = vec![(0, 0.0); member.len()];
        for (f, fold) in self.folds.iter().enumerate() {
            for (&i, score) in fold.test.iter().zip(fold.scores(self.rows, member)) {
                scores[i] = (f, score);
            }
        }
        scores
    }

    /// The share of (member, non-member) pairs *of one fold* in which the member scores higher, ties half; `None` if no
    /// fold holds both kinds.
    ///
    /// Scores of different folds come from different classifiers, and a fold rich in members leaves a training set poor
    /// in them: comparing across folds biases the area below one half.
    pub(super) fn auc(&self, member: &[bool]) -> Option<f64> {
        let (mut doubled_wins, mut pairs) = (0u64, 0u64);
        for fold in &self.folds {
            let mut scored: Vec<(f64, bool)> = fold
                .scores(self.rows, member)
                .into_iter()
                .zip(fold.test.iter().map(|&i| member[i]))
                .collect();
            scored.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let (mut below, mut members) = (0u64, 0u64);
            for tied in scored.chunk_by(|a, b| a.0 == b.0) {
                let up = tied.iter().filter(|s| s.1).count() as u64;
                let down = tied.len() as u64 - up;
                doubled_wins += up * (2 * below + down);
                below += down;
                members += up;
            }
            pairs += below * members;
        }
        (pairs > 0).then(|| doubled_wins as f64 / (2 * pairs) as f64)
    }
}

impl Fold {
    fn new(rows: &[Vec<f64>], train: Vec<usize>, test: Vec<usize>, shrinkage: f64) -> Result<Self> {
        let p = rows.first().map_or(0, Vec::len);
        let n = train.len() as f64;
        let mut mean = vec![0.0; p];
        for &i in &train {
            for (m, x) in mean.iter_mut().zip(&rows[i]) {
                *m += x / n;
            }
        }
        let mut gram = SymmetricMatrix::zeros(p);
        for &i in &train {
            let centred: Vec<f64> = rows[i].iter().zip(&mean).map(|(x, m)| x - m).collect();
            gram.add_outer(&centred, 1.0);
        }
        let trace: f64 = (0..p).map(|j| gram.diagonal(j)).sum();
        gram.add_to_diagonal(shrinkage * (trace / p as f64).max(1e-9));
        Ok(Self {
            factor: Cholesky::new(gram, "the blind classifier's system")?,
            train,
            test,
            mean,
        })
    }

    /// Scores of the test records, in order. Constant shifts within a fold do not matter and are left out.
    fn scores(&self, rows: &[Vec<f64>], member: &[bool]) -> Vec<f64> {
        let share =
            self.train.iter().filter(|&&i| member[i]).count() as f64 / self.train.len() as f64;
        let mut weights = vec![0.0; self.mean.len()];
        for &i in &self.train {
            let label = f64::from(u8::from(member[i])) - share;
            for ((w, x), m) in weights.iter_mut().zip(&rows[i]).zip(&self.mean) {
                *w += label * (x - m);
            }
        }
        self.factor.solve(&mut weights);
        self.test
            .iter()
            .map(|&i| rows[i].iter().zip(&weights).map(|(x, w)| x * w).sum())
            .collect()
    }
}

/// Permutes membership over units; records follow their unit.
pub(super) fn permute(unit_member: &[bool], unit: &[usize], seed: Seed) -> Vec<bool> {
    let mut shuffled = unit_member.to_vec();
    shuffled.shuffle(&mut seed.rng());
    unit.iter().map(|&u| shuffled[u]).collect()
}
