//! The stratified bootstrap over groups (Efron and Tibshirani 1993; Davison and Hinkley 1997).

use rand::RngExt;
use rayon::prelude::*;
use redmask_core::Seed;
use serde::{Deserialize, Serialize};

use super::{GroupedScores, Groups, Interval, RocStatistic};
use crate::error::{MetricError, Result, open_fraction};
use crate::normal;

/// How replicates become an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootstrapMethod {
    /// The quantiles of the replicates.
    Percentile,
    /// Quantiles corrected for bias and for a spread that changes with the value (Efron 1987), with the stratified
    /// acceleration of Davison and Hinkley (1997, section 5.4).
    #[default]
    Bca,
}

/// Resamples whole groups, separately in each stratum, and recomputes a statistic.
///
/// Replicate `i` draws from `seed.index(i)`, so the result depends neither on the thread count nor on the order of
/// execution.
///
/// ```
/// use redmask_core::Seed;
/// use redmask_metrics::interval::{GroupedBootstrap, GroupedScores, RocStatistic};
///
/// let members = GroupedScores::ungrouped((0..60).map(|i| f64::from(i % 20) + 6.0).collect())?;
/// let non_members = GroupedScores::ungrouped((0..60).map(|i| f64::from(i % 20)).collect())?;
/// let bootstrap = GroupedBootstrap::new(Seed::root(0));
/// let auc = bootstrap.roc(&members, &non_members, &[RocStatistic::Auc])?[0];
/// // Of the 20 x 20 pairs of distinct scores members win 295 and tie 14.
/// assert_eq!(auc.value, (295.0 + 7.0) / 400.0);
/// assert!(0.6 < auc.low && auc.low < auc.value && auc.value < auc.high && auc.high < 0.9);
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupedBootstrap {
    /// Number of resamples.
    pub replicates: u32,
    /// Nominal coverage, strictly between 0 and 1.
    pub confidence: f64,
    /// How replicates become an interval.
    pub method: BootstrapMethod,
    /// Where the draws come from.
    pub seed: Seed,
}

/// Jackknife blocks at most, a stratum. More would cost a pass each and move the acceleration in its third digit.
const JACKKNIFE_BLOCKS: u32 = 1000;

impl GroupedBootstrap {
    /// 1000 replicates, 95 %, BCa.
    pub fn new(seed: Seed) -> Self {
        Self {
            replicates: 1000,
            confidence: 0.95,
            method: BootstrapMethod::default(),
            seed,
        }
    }

    /// The interval of any statistic of (member scores, non-member scores). The slices it is handed are resamples, in
    /// no particular order. Curve statistics are faster through [`GroupedBootstrap::roc`].
    ///
    /// # Errors
    /// As [`GroupedBootstrap::weighted`].
    pub fn interval(
        &self,
        members: &GroupedScores,
        non_members: &GroupedScores,
        statistic: impl Fn(&[f64], &[f64]) -> f64 + Sync,
    ) -> Result<Interval> {
        let expand = |scores: &[f64], weights: &[u32]| -> Vec<f64> {
            scores
                .iter()
                .zip(weights)
                .flat_map(|(&score, &times)| std::iter::repeat_n(score, times as usize))
                .collect()
        };
        let intervals = self.weighted(
            &[members.groups(), non_members.groups()],
            1,
            |weights, out| {
                out[0] = statistic(
                    &expand(members.scores(), weights[0]),
                    &expand(non_members.scores(), weights[1]),
                );
            },
        )?;
        Ok(intervals[0])
    }

    /// Intervals of curve statistics, all from the same resamples, without sorting a resample.
    ///
    /// # Errors
    /// As [`GroupedBootstrap::weighted`]; also if a rate is finer than the non-members can show.
    pub fn roc(
        &self,
        members: &GroupedScores,
        non_members: &GroupedScores,
        statistics: &[RocStatistic],
    ) -> Result<Vec<Interval>> {
        let evaluate = super::roc::prepare(members.scores(), non_members.scores(), statistics)?;
        self.weighted(
            &[members.groups(), non_members.groups()],
            statistics.len(),
            |weights, out| evaluate.at(weights[0], weights[1], out),
        )
    }

    /// Intervals of `outputs` statistics of weighted records: `statistic` is handed how often each record of each stratum
    /// was drawn and fills its outputs. Means, pooled IoU and success rates need no more than that.
    ///
    /// # Errors
    /// If a stratum has fewer than two groups (no spread could be seen), a parameter is out of range, or the statistic
    /// returns NaN.
    pub fn weighted(
        &self,
        strata: &[&Groups],
        outputs: usize,
        statistic: impl Fn(&[&[u32]], &mut [f64]) + Sync,
    ) -> Result<Vec<Interval>> {
        open_fraction("the confidence of a bootstrap", self.confidence)?;
        if self.replicates == 0 {
            return Err(MetricError::Empty("the set of bootstrap replicates"));
        }
        if let Some(stratum) = strata.iter().find(|s| s.count() < 2) {
            return Err(MetricError::Failed {
                what: "a bootstrap over groups",
                problem: format!(
                    "a stratum of {} records has {} group(s); two are the least that show a spread",
                    stratum.records(),
                    stratum.count()
                ),
            });
        }
        let evaluate = |group_weights: &[Vec<u32>]| -> Vec<f64> {
            let weights: Vec<Vec<u32>> = strata
                .iter()
                .zip(group_weights)
                .map(|(stratum, times)| {
                    let of_record = stratum.of_record().iter();
                    of_record.map(|&g| times[g as usize]).collect()
                })
                .collect();
            let views: Vec<&[u32]> = weights.iter().map(Vec::as_slice).collect();
            let mut out = vec![f64::NAN; outputs];
            statistic(&views, &mut out);
            out
        };
        let once: Vec<Vec<u32>> = strata.iter().map(|s| vec![1; s.count() as usize]).collect();
        let values = evaluate(&once);
        let replicates: Vec<Vec<f64>> = (0..u64::from(self.replicates))
            .into_par_iter()
            .map(|i| evaluate(&self.draw(strata, i)))
            .collect();
        if values
            .iter()
            .chain(replicates.iter().flatten())
            .any(|v| v.is_nan())
        {
            return Err(MetricError::Failed {
                what: "a bootstrapped statistic",
                problem: "it is undefined on the data or on a resample".to_owned(),
            });
        }
        let accelerations = match self.method {
            BootstrapMethod::Percentile => vec![0.0; outputs],
            BootstrapMethod::Bca => accelerations(strata, outputs, &once, &evaluate),
        };
        Ok((0..outputs)
            .map(|k| {
                let mut column: Vec<f64> = replicates.iter().map(|r| r[k]).collect();
                column.sort_unstable_by(f64::total_cmp);
                self.ends(values[k], &column, accelerations[k])
            })
            .collect())
    }

    fn draw(&self, strata: &[&Groups], replicate: u64) -> Vec<Vec<u32>> {
        let mut rng = self.seed.index(replicate).rng();
        strata
            .iter()
            .map(|stratum| {
                let mut times = vec![0u32; stratum.count() as usize];
                for _ in 0..stratum.count() {
                    times[rng.random_range(0..stratum.count()) as usize] += 1;
                }
                times
            })
            .collect()
    }

    fn ends(&self, value: f64, sorted: &[f64], acceleration: f64) -> Interval {
        let tail = (1.0 - self.confidence) / 2.0;
        let (mut low, mut high) = (tail, 1.0 - tail);
        if self.method == BootstrapMethod::Bca {
            let below = sorted.partition_point(|&v| v < value);
            let up_to = sorted.partition_point(|&v| v <= value);
            // Ties count half: the statistics of an audit move in steps.
            let share = (below + up_to) as f64 / (2 * sorted.len()) as f64;
            // A value beyond every replicate has no finite bias; the percentile interval is then the honest one.
            if share > 0.0 && share < 1.0 {
                let bias = normal::quantile(share);
                let adjust = |p: f64| {
                    let z = bias + normal::quantile(p);
                    normal::cdf(bias + z / (1.0 - acceleration * z))
                };
                (low, high) = (adjust(low), adjust(high));
            }
        }
        Interval {
            value,
            low: quantile(sorted, low),
            high: quantile(sorted, high),
        }
    }
}

/// Linear interpolation between order statistics (numpy's default, type 7 of Hyndman and Fan 1996).
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, share) = (position.floor() as usize, position.fract());
    let above = (below + 1).min(sorted.len() - 1);
    // Exact where both ends agree, infinities included.
    if share == 0.0 || sorted[below] == sorted[above] {
        return sorted[below];
    }
    sorted[below] + share * (sorted[above] - sorted[below])
}

/// Stratified acceleration from the jackknife over groups (or blocks of consecutive groups, where there are very many).
fn accelerations(
    strata: &[&Groups],
    outputs: usize,
    once: &[Vec<u32>],
    evaluate: &(impl Fn(&[Vec<u32>]) -> Vec<f64> + Sync),
) -> Vec<f64> {
    let (mut cubes, mut squares) = (vec![0.0; outputs], vec![0.0; outputs]);
    for (s, stratum) in strata.iter().enumerate() {
        let blocks = stratum.count().min(JACKKNIFE_BLOCKS);
        let without: Vec<Vec<f64>> = (0..blocks)
            .into_par_iter()
            .map(|block| {
                let mut weights = once.to_vec();
                for (group, times) in weights[s].iter_mut().enumerate() {
                    let of = group as u64 * u64::from(blocks) / u64::from(stratum.count());
                    *times = u32::from(of != u64::from(block));
                }
                evaluate(&weights)
            })
            .collect();
        let n = f64::from(blocks);
        for k in 0..outputs {
            let mean = without.iter().map(|row| row[k]).sum::<f64>() / n;
            for row in &without {
                let influence = (n - 1.0) * (mean - row[k]);
                cubes[k] += influence.powi(3) / n.powi(3);
                squares[k] += influence.powi(2) / n.powi(2);
            }
        }
    }
    cubes
        .iter()
        .zip(&squares)
        .map(|(&cube, &square)| {
            let acceleration = cube / (6.0 * square.powf(1.5));
            // No influence anywhere (a constant statistic), or one that is undefined without a group.
            if acceleration.is_finite() {
                acceleration
            } else {
                0.0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
