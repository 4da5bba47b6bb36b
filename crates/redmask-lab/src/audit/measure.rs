//! Attacks and controls as measurements.

use redmask_attacks::controls::BlindOutcome;
use redmask_attacks::membership::{
    MembershipOutcome, MembershipStatistics, StatisticsConfig, ThresholdSource,
};
use redmask_core::{Error, GroupId, Result, Seed};
use redmask_metrics::epsilon::{ThresholdSelection, ceiling::audit_ceiling, select_epsilon_bound};
use redmask_metrics::{GroupedBootstrap, GroupedScores, Interval, RocStatistic};
use redmask_report::schema::{Conditions, Counts, Measurement, Unit, Warning};

use super::attacks::Played;
use crate::results::Findings;

/// What all statistics of an audit share.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    pub(crate) conditions: Conditions,
    pub(crate) replicates: u32,
    pub(crate) seed: Seed,
}

/// Share of audits in which some interval of a family may miss, over all of them together.
const FAMILY_ERROR: f64 = 0.05;

type Field = fn(&MembershipStatistics) -> Interval;

const FIELDS: [(&str, Field); 7] = [
    ("auc", |s| s.auc),
    ("advantage", |s| s.advantage),
    ("accuracy", |s| s.accuracy),
    ("balanced_accuracy", |s| s.balanced_accuracy),
    ("f1", |s| s.f1),
    ("tpr", |s| s.tpr),
    ("fpr", |s| s.fpr),
];

impl Statistics {
    fn config(&self) -> StatisticsConfig {
        StatisticsConfig {
            replicates: self.replicates,
            ..StatisticsConfig::new(self.seed.child("bootstrap"))
        }
    }

    /// Areas under the curve whose intervals hold for `family` attacks at once (Bonferroni). Tails this thin need more
    /// replicates than a single interval.
    fn simultaneous(&self, outcome: &MembershipOutcome, family: usize) -> Result<Interval> {
        let bootstrap = GroupedBootstrap {
            replicates: self.replicates.max(400 * family as u32),
            confidence: 1.0 - FAMILY_ERROR / family.max(1) as f64,
            ..GroupedBootstrap::new(self.seed.child("simultaneous"))
        };
        let side = |member| grouped(outcome, member);
        Ok(bootstrap.roc(&side(true)?, &side(false)?, &[RocStatistic::Auc])?[0])
    }

    /// The area under the curve of loose scores, `None` where a side has fewer than two groups.
    pub(crate) fn area(
        &self,
        members: &[(f64, &GroupId)],
        others: &[(f64, &GroupId)],
    ) -> Result<Option<Interval>> {
        let side = |records: &[(f64, &GroupId)]| {
            let groups: Vec<GroupId> = records.iter().map(|(_, g)| (*g).clone()).collect();
            GroupedScores::new(records.iter().map(|(s, _)| *s).collect(), &groups)
        };
        if members.is_empty() || others.is_empty() {
            return Ok(None);
        }
        let (members, others) = (side(members)?, side(others)?);
        if members.groups().count() < 2 || others.groups().count() < 2 {
            return Ok(None);
        }
        let bootstrap = GroupedBootstrap {
            replicates: self.replicates,
            ..GroupedBootstrap::new(self.seed.child("grains"))
        };
        Ok(Some(
            bootstrap.roc(&members, &others, &[RocStatistic::Auc])?[0],
        ))
    }

    /// Measures every attack.
    pub(crate) fn attacks(&self, played: &[Played], findings: &mut Findings) -> Result<()> {
        for attack in played {
            self.attack(attack, played.len(), findings)?;
        }
        let oracle = |p: &&Played| p.outcome.decision.source == ThresholdSource::Oracle;
        if played.iter().any(|p| oracle(&p)) {
            findings.warnings.push(Warning::new(
                "oracle-threshold",
                "Without a population the thresholds are chosen on the audited records: accuracy, F1, TPR, FPR and PPV are upper \
                 bounds. AUC, TPR at fixed FPR and epsilon do not depend on the threshold.",
            ));
        }
        Ok(())
    }

    fn attack(&self, played: &Played, family: usize, findings: &mut Findings) -> Result<()> {
        let outcome = &played.outcome;
        let attack = &outcome.attack;
        let prefix = format!("membership.{attack}");
        let measured = MembershipStatistics::measure(outcome, &self.config()).map_err(too_few)?;
        let counts = Counts {
            members: Some(measured.n_members as u64),
            non_members: Some(measured.n_non_members as u64),
            groups: Some(group_count(outcome)),
            ..Counts::default()
        };
        let mut push = |name: String, unit: Unit, interval: Interval| {
            findings.measurements.push(
                Measurement::new(name, unit, interval.value)
                    .interval(interval.low, interval.high)
                    .conditions(&self.conditions)
                    .condition("attack", attack.as_str())
                    .counts(counts),
            );
        };
        for (name, field) in FIELDS {
            push(format!("{prefix}.{name}"), Unit::Fraction, field(&measured));
        }
        push(
            format!("{prefix}.auc_simultaneous"),
            Unit::Fraction,
            self.simultaneous(outcome, family)?,
        );
        for rate in &measured.tpr_at_fpr {
            if let Some(tpr) = rate.tpr {
                push(
                    format!("{prefix}.tpr_at_fpr_{:e}", rate.fpr),
                    Unit::Fraction,
                    tpr,
                );
            }
        }
        for ppv in &measured.ppv {
            // Where nobody is accused there is no accusation to be right.
            if let Some(interval) = ppv.ppv {
                findings.measurements.push(
                    Measurement::new(format!("{prefix}.ppv"), Unit::Fraction, interval.value)
                        .interval(interval.low, interval.high)
                        .conditions(&self.conditions)
                        .condition("attack", attack.as_str())
                        .condition("prior", ppv.prior)
                        .counts(counts),
                );
            }
        }
        for rate in measured.tpr_at_fpr.iter().filter(|r| r.tpr.is_none()) {
            findings.warnings.push(
                Warning::new(
                    "fpr-not-measurable",
                    format!(
                        "A false positive rate of {} cannot be measured with {} non-members; the smallest is {}.",
                        rate.fpr, measured.n_non_members, measured.smallest_fpr
                    ),
                )
                .about(format!("membership.*.tpr_at_fpr_{:e}", rate.fpr)),
            );
        }
        self.epsilon(outcome, counts, findings)
    }

    /// The epsilon that the attack refutes, with the threshold chosen on one half of the records and tested on the other.
    fn epsilon(
        &self,
        outcome: &MembershipOutcome,
        counts: Counts,
        findings: &mut Findings,
    ) -> Result<()> {
        let split = ThresholdSelection::Split(self.seed.child("epsilon").child(&outcome.attack));
        let (members, others) = (outcome.member_scores(), outcome.non_member_scores());
        if members.len() < 4 || others.len() < 4 {
            return Ok(());
        }
        let bound = select_epsilon_bound(&members, &others, &split, 0.0, FAMILY_ERROR)?;
        findings.measurements.push(
            Measurement::new(
                format!("membership.{}.epsilon_lower", outcome.attack),
                Unit::Epsilon,
                bound.bound.epsilon,
            )
            .conditions(&self.conditions)
            .condition("attack", outcome.attack.as_str())
            .counts(counts),
        );
        Ok(())
    }

    /// What a perfect attack on this many records could show.
    pub(crate) fn ceiling(
        &self,
        members: usize,
        others: usize,
        findings: &mut Findings,
    ) -> Result<()> {
        let (tested_members, tested_others) = (members.div_ceil(2), others.div_ceil(2));
        let ceiling = audit_ceiling(
            tested_members as u64,
            tested_others as u64,
            0.0,
            FAMILY_ERROR,
        )?;
        findings.measurements.push(
            Measurement::new("audit.epsilon_ceiling", Unit::Epsilon, ceiling.epsilon)
                .conditions(&self.conditions)
                .records(members as u64, others as u64),
        );
        findings.warnings.push(
            Warning::new(
                "epsilon-of-one-model",
                "The records of one model are no independent trials, so epsilon from an attack on it is a heuristic lower bound; \
                 canaries or several trainings give a proof.",
            )
            .about("membership.*.epsilon_lower"),
        );
        Ok(())
    }

    /// The attacks on a model that saw neither set.
    pub(crate) fn null_victim(&self, played: &[Played], findings: &mut Findings) -> Result<()> {
        for attack in played {
            let outcome = &attack.outcome;
            let side = |member| grouped(outcome, member);
            let bootstrap = GroupedBootstrap {
                replicates: self.replicates.max(400 * played.len() as u32),
                confidence: 1.0 - FAMILY_ERROR / played.len() as f64,
                ..GroupedBootstrap::new(self.seed.child("null victim"))
            };
            let auc = bootstrap.roc(&side(true)?, &side(false)?, &[RocStatistic::Auc])?[0];
            findings.measurements.push(
                Measurement::new(
                    format!("control.null_victim.{}.auc", outcome.attack),
                    Unit::Fraction,
                    auc.value,
                )
                .interval(auc.low, auc.high)
                .conditions(&self.conditions)
                .condition("attack", outcome.attack.as_str())
                .records(
                    outcome.member_scores().len() as u64,
                    outcome.non_member_scores().len() as u64,
                ),
            );
        }
        Ok(())
    }

    /// The blind control.
    pub(crate) fn blind(&self, outcome: &BlindOutcome, findings: &mut Findings) {
        let count = |member| {
            outcome
                .records
                .iter()
                .filter(|r| r.member == member)
                .count() as u64
        };
        findings.measurements.push(
            Measurement::new("control.blind.auc", Unit::Fraction, outcome.auc.value)
                .interval(outcome.auc.low, outcome.auc.high)
                .conditions(&self.conditions)
                .counts(Counts {
                    members: Some(count(true)),
                    non_members: Some(count(false)),
                    groups: Some(outcome.units as u64),
                    ..Counts::default()
                }),
        );
        for text in &outcome.warnings {
            findings.warnings.push(
                Warning::new("blind-control", format!("Blind control: {text}"))
                    .about("control.blind.auc"),
            );
        }
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

fn group_count(outcome: &MembershipOutcome) -> u64 {
    let groups: std::collections::BTreeSet<_> = outcome.records.iter().map(|r| &r.group).collect();
    groups.len() as u64
}

fn too_few(error: Error) -> Error {
    match error {
        Error::Numeric { problem, .. } if problem.contains("group") => Error::config(
            "the audited records",
            format!("intervals need at least two groups on each side: {problem}"),
        )
        .with_hint("audit more records, from more patients, drives or cities"),
        other => other,
    }
}
