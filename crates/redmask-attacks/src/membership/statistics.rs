//! From per-record scores to numbers with intervals.

use redmask_core::{GroupId, Result, Seed};
use redmask_metrics::{
    BinaryCounts, GroupedBootstrap, GroupedScores, Interval, MetricError, Roc, RocStatistic,
};
use serde::{Deserialize, Serialize};

use super::MembershipOutcome;

/// What to measure, and how intervals are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticsConfig {
    /// Bootstrap replicates.
    pub replicates: u32,
    /// Nominal coverage of the intervals, in `(0, 1)`.
    pub confidence: f64,
    /// False-positive rates at which to give the true-positive rate, in `(0, 1]`.
    pub fprs: Vec<f64>,
    /// Shares of members in a population, in `(0, 1)`, at which to give the positive predictive value.
    pub priors: Vec<f64>,
    /// Where the resamples come from.
    pub seed: Seed,
}

impl StatisticsConfig {
    /// 1000 replicates at 95 %, FPR 1 % and 0.1 %, priors 1 %, 10 % and 50 %.
    pub fn new(seed: Seed) -> Self {
        Self {
            replicates: 1000,
            confidence: 0.95,
            fprs: vec![0.01, 0.001],
            priors: vec![0.01, 0.1, 0.5],
            seed,
        }
    }
}

/// The true-positive rate at one false-positive rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateAtFpr {
    /// The false-positive rate allowed.
    pub fpr: f64,
    /// The largest true-positive rate within it; `None` if so few non-members cannot show that rate.
    pub tpr: Option<Interval>,
}

/// The positive predictive value at one prior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PpvAtPrior {
    /// The share of members in the population.
    pub prior: f64,
    /// The share of accusations that would be right, at the decision threshold; `None` if nobody is accused.
    pub ppv: Option<Interval>,
}

/// The measurements of one outcome. Intervals resample groups, members and non-members separately, within this one
/// victim; that other trainings of the victim would differ too is for several seeds to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MembershipStatistics {
    /// Audited members.
    pub n_members: usize,
    /// Audited non-members.
    pub n_non_members: usize,
    /// The smallest false-positive rate above 0 that these records can show.
    pub smallest_fpr: f64,
    /// Share of members above every non-member.
    pub tpr_at_zero_false_positives: f64,
    /// What the false-positive rate of that threshold may still be: its upper confidence bound.
    pub zero_false_positives_fpr_bound: f64,
    /// The decisions at the threshold.
    pub counts: BinaryCounts,
    /// Area under the ROC curve.
    pub auc: Interval,
    /// Largest `TPR - FPR` over thresholds; an oracle figure.
    pub advantage: Interval,
    /// Share of right decisions at the threshold.
    pub accuracy: Interval,
    /// Mean of TPR and TNR at the threshold.
    pub balanced_accuracy: Interval,
    /// F1 at the threshold, members positive.
    pub f1: Interval,
    /// True-positive rate at the threshold.
    pub tpr: Interval,
    /// False-positive rate at the threshold.
    pub fpr: Interval,
    /// True-positive rates at false-positive rates.
    pub tpr_at_fpr: Vec<RateAtFpr>,
    /// Positive predictive values at priors.
    pub ppv: Vec<PpvAtPrior>,
}

impl MembershipStatistics {
    /// Measures an outcome.
    ///
    /// # Errors
    /// If the configuration is out of range, or one side has fewer than two groups.
    pub fn measure(outcome: &MembershipOutcome, config: &StatisticsConfig) -> Result<Self> {
        let members = grouped(outcome, true)?;
        let others = grouped(outcome, false)?;
        let roc = Roc::new(members.scores(), others.scores())?;
        let bootstrap = GroupedBootstrap {
            replicates: config.replicates,
            confidence: config.confidence,
            ..GroupedBootstrap::new(config.seed)
        };
        let threshold = outcome.decision.threshold;
        let fixed = bootstrap.roc(
            &members,
            &others,
            &[
                RocStatistic::Auc,
                RocStatistic::Advantage,
                RocStatistic::Accuracy { threshold },
                RocStatistic::BalancedAccuracy { threshold },
                RocStatistic::F1 { threshold },
                RocStatistic::Tpr { threshold },
                RocStatistic::Fpr { threshold },
            ],
        )?;
        let tpr_at_fpr = config
            .fprs
            .iter()
            .map(|&fpr| {
                let tpr = match bootstrap.roc(&members, &others, &[RocStatistic::TprAtFpr { fpr }])
                {
                    Ok(intervals) => Some(intervals[0]),
                    Err(MetricError::Unmeasurable { .. }) => None,
                    Err(error) => return Err(error.into()),
                };
                Ok(RateAtFpr { fpr, tpr })
            })
            .collect::<Result<_>>()?;
        let counts = BinaryCounts::at_threshold(members.scores(), others.scores(), threshold)?;
        let ppv = config
            .priors
            .iter()
            .map(|&prior| {
                let ppv = ppv_interval(&bootstrap, &members, &others, threshold, &counts, prior)?;
                Ok(PpvAtPrior { prior, ppv })
            })
            .collect::<Result<_>>()?;
        let (zero_tpr, zero_bound) = roc.tpr_at_zero_false_positives(config.confidence)?;
        Ok(Self {
            n_members: members.scores().len(),
            n_non_members: others.scores().len(),
            smallest_fpr: roc.smallest_fpr(),
            tpr_at_zero_false_positives: zero_tpr,
            zero_false_positives_fpr_bound: zero_bound,
            counts,
            auc: fixed[0],
            advantage: fixed[1],
            accuracy: fixed[2],
            balanced_accuracy: fixed[3],
            f1: fixed[4],
            tpr: fixed[5],
            fpr: fixed[6],
            tpr_at_fpr,
            ppv,
        })
    }
}

fn grouped(outcome: &MembershipOutcome, member: bool) -> Result<GroupedScores> {
    let records = outcome.records.iter().filter(|r| r.member == member);
    let groups: Vec<GroupId> = records.clone().map(|r| r.group.clone()).collect();
    Ok(GroupedScores::new(
        records.map(|r| r.score).collect(),
        &groups,
    )?)
}

/// A resample that accuses nobody says nothing; its value is the prior.
fn ppv_interval(
    bootstrap: &GroupedBootstrap,
    members: &GroupedScores,
    others: &GroupedScores,
    threshold: f64,
    counts: &BinaryCounts,
    prior: f64,
) -> Result<Option<Interval>> {
    if counts.ppv_at_prior(prior)?.is_none() {
        return Ok(None);
    }
    let rate = |scores: &GroupedScores, weights: &[u32]| {
        let total: u32 = weights.iter().sum();
        let accused: u32 = scores
            .scores()
            .iter()
            .zip(weights)
            .filter(|(score, _)| **score >= threshold)
            .map(|(_, weight)| weight)
            .sum();
        f64::from(accused) / f64::from(total)
    };
    let intervals =
        bootstrap.weighted(&[members.groups(), others.groups()], 1, |weights, out| {
            let right = prior * rate(members, weights[0]);
            let wrong = (1.0 - prior) * rate(others, weights[1]);
            out[0] = if right + wrong > 0.0 {
                right / (right + wrong)
            } else {
                prior
            };
        })?;
    Ok(Some(intervals[0]))
}

#[cfg(test)]
mod tests {
    use redmask_core::{Access, SampleId, ThreatModel};

    use super::*;
    use crate::membership::{Decision, Diagnostics, RecordScore, ThresholdSource};

    fn outcome(members: &[f64], others: &[f64], threshold: f64) -> MembershipOutcome {
        let record = |member, (i, &score): (usize, &f64)| RecordScore {
            id: SampleId::new("x", &i.to_string()),
            group: GroupId(format!("{member}-{i}")),
            member,
            score,
        };
        MembershipOutcome {
            attack: "test".to_owned(),
            null_victim: false,
            threat_model: ThreatModel {
                access: Access::Scores,
                knowledge: Vec::new(),
            },
            records: members
                .iter()
                .enumerate()
                .map(|r| record(true, r))
                .chain(others.iter().enumerate().map(|r| record(false, r)))
                .collect(),
            decision: Decision {
                threshold,
                source: ThresholdSource::ShadowRecords,
            },
            diagnostics: Diagnostics::default(),
        }
    }

    /// The confusion counts in the published log of the global-loss attack on LIVER.
    #[test]
    fn the_published_confusion() {
        let side = |above: usize, below: usize| [vec![1.0; above], vec![0.0; below]].concat();
        let outcome = outcome(&side(310, 190), &side(4, 496), 0.5);
        let s = MembershipStatistics::measure(&outcome, &StatisticsConfig::new(Seed::root(1)))
            .expect("both sides have records");
        assert_eq!(
            (s.counts.tp, s.counts.fp, s.counts.tn, s.counts.fn_),
            (310, 4, 496, 190)
        );
        assert_eq!(
            (s.accuracy.value, s.tpr.value, s.fpr.value),
            (0.806, 0.62, 0.008)
        );
        assert!((s.f1.value - 0.7617).abs() < 1e-4);
        assert!(s.accuracy.low < 0.806 && 0.806 < s.accuracy.high);
        assert!((s.ppv[2].ppv.expect("somebody is accused").value - 0.62 / 0.628).abs() < 1e-12);
    }

    #[test]
    fn what_few_non_members_cannot_show_is_refused() {
        let scores: Vec<f64> = (0..200).map(f64::from).collect();
        let outcome = outcome(&scores, &scores, 1e9);
        let s = MembershipStatistics::measure(&outcome, &StatisticsConfig::new(Seed::root(1)))
            .expect("both sides have records");
        assert!(s.tpr_at_fpr[0].tpr.is_some() && s.tpr_at_fpr[1].tpr.is_none());
        assert_eq!(s.smallest_fpr, 0.005);
        assert!(s.ppv.iter().all(|p| p.ppv.is_none()));
        assert!(s.auc.covers(0.5));
    }
}
