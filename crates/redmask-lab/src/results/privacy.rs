//! Differential privacy on paper and in practice: the guarantee, and what the attacks refute.

use redmask_attacks::membership::MembershipOutcome;
use redmask_core::{Error, Result};
use redmask_metrics::epsilon::OneRunAudit;
use redmask_report::schema::{Cell as TableCell, Measurement, Table, Unit, Warning};
use redmask_train::private::{PrivacyReport, Severity};

use crate::plan::ModelUse;
use crate::results::outcomes::Outcomes;
use crate::results::seeds::combine_plain;
use crate::results::{AttackPair, Context, Findings, Setting, conditions_of_victim};

/// The privacy statement that a private training leaves.
const REPORT: &str = "privacy.json";
/// Records guessed "in", and as many "out", of all audited ones: fixed here, before any score is seen.
const GUESSED_SHARE: f64 = 0.1;
/// Chance of error of each lower bound, over all attacks on the victim together.
const SIGNIFICANCE: f64 = 0.05;

/// Prints the epsilon upper bound and the audited lower bound of every privately trained victim, and raises a flag where
/// they cross. `pairs` holds the outcomes of each cell, seed by seed.
pub(super) fn measure(
    setting: &Setting<'_>,
    outcomes: &Outcomes<'_>,
    pairs: &[Vec<AttackPair>],
    findings: &mut Findings,
) -> Result<()> {
    let plan = outcomes.plan;
    for cell in &plan.qualities {
        let mut reports: Vec<(u64, PrivacyReport)> = Vec::new();
        for (&seed, &stage) in plan.seeds.iter().zip(&cell.trainings) {
            let stored = outcomes.stage(stage)?;
            if stored.has(REPORT) {
                reports.push((seed, stored.read_json(REPORT)?));
            }
        }
        if reports.len() < plan.seeds.len() || reports.is_empty() {
            continue;
        }
        push_upper(setting, &cell.victim, &reports, findings);
        let lower = audited(
            plan.seeds.len(),
            plan,
            &cell.victim,
            pairs,
            reports[0].1.delta,
        )?;
        if lower.len() == plan.seeds.len() {
            let seeds: Vec<(u64, f64)> = plan.seeds.iter().copied().zip(lower).collect();
            push_lower(setting, &cell.victim, &reports, &seeds, findings);
        }
    }
    Ok(())
}

fn push_upper(
    setting: &Setting<'_>,
    victim: &ModelUse,
    reports: &[(u64, PrivacyReport)],
    findings: &mut Findings,
) {
    let first = &reports[0].1;
    let about = |m: Measurement| {
        m.conditions(&conditions_of_victim(setting, victim))
            .condition("delta", first.delta)
            .condition("guarantee", reports.iter().all(|(_, r)| r.guarantee))
    };
    type Of = fn(&PrivacyReport) -> Option<f64>;
    let bounds: [(&str, Of); 3] = [
        ("privacy.epsilon", |r| r.pld.map(|s| s.epsilon)),
        ("privacy.epsilon_rdp", |r| r.rdp.map(|s| s.epsilon)),
        ("privacy.epsilon_canaries", |r| r.audit.map(|a| a.epsilon)),
    ];
    for (name, of) in bounds {
        let values: Option<Vec<(u64, f64)>> = reports
            .iter()
            .map(|(seed, r)| Some((*seed, of(r)?)))
            .collect();
        if let Some(values) = values {
            findings
                .measurements
                .push(about(combine_plain(name, Unit::Epsilon, &values)));
        }
    }
    let noise: Vec<(u64, f64)> = reports
        .iter()
        .map(|(s, r)| (*s, r.noise_multiplier))
        .collect();
    findings.measurements.push(about(combine_plain(
        "privacy.noise_multiplier",
        Unit::Ratio,
        &noise,
    )));
    for finding in &first.findings {
        let code = match finding.severity {
            Severity::Refusal => "privacy-not-guaranteed",
            Severity::Warning => "privacy",
        };
        findings.warnings.push(
            Warning::new(
                code,
                format!("{}: {}", setting.label_of_use(victim), finding.message),
            )
            .about("privacy.*"),
        );
    }
}

fn push_lower(
    setting: &Setting<'_>,
    victim: &ModelUse,
    reports: &[(u64, PrivacyReport)],
    lower: &[(u64, f64)],
    findings: &mut Findings,
) {
    let delta = reports[0].1.delta;
    findings.measurements.push(
        combine_plain("privacy.epsilon_lower", Unit::Epsilon, lower)
            .conditions(&conditions_of_victim(setting, victim))
            .condition("delta", delta),
    );
    for ((seed, found), (_, report)) in lower.iter().zip(reports) {
        let Some(claimed) = report.pld.map(|s| s.epsilon) else {
            continue;
        };
        if *found > claimed {
            findings.warnings.push(
                Warning::new(
                    "epsilon-refuted",
                    format!(
                        "RED FLAG. {} under seed {seed}: the attacks refute epsilon {claimed:.2}; they show at least {found:.2} \
                         (delta {delta}). Clipping, noise, sampling or the split of the records is wrong.",
                        setting.label_of_use(victim)
                    ),
                )
                .about("privacy.*"),
            );
        }
    }
}

/// The largest lower bound over all attacks on a victim, for each seed: the one-run audit of Steinke, Nasr and Jagielski
/// (arXiv 2305.08846), with the chance of error shared among the attacks. Half of a shuffled pool of fixed size stands for
/// the fair coin of each record.
fn audited(
    seeds: usize,
    plan: &crate::plan::Plan,
    victim: &ModelUse,
    pairs: &[Vec<AttackPair>],
    delta: f64,
) -> Result<Vec<f64>> {
    let of_victim: Vec<&Vec<AttackPair>> = plan
        .cells
        .iter()
        .zip(pairs)
        .filter(|(cell, _)| cell.victim.reference == victim.reference)
        .map(|(_, pairs)| pairs)
        .collect();
    let significance = SIGNIFICANCE / of_victim.len().max(1) as f64;
    (0..if of_victim.is_empty() { 0 } else { seeds })
        .map(|seed| {
            let mut best: f64 = 0.0;
            for pairs in &of_victim {
                best = best.max(one_run(&pairs[seed].victim, delta, significance)?);
            }
            Ok(best)
        })
        .collect()
}

/// The epsilon that one attack's scores refute.
fn one_run(outcome: &MembershipOutcome, delta: f64, significance: f64) -> Result<f64> {
    let members = outcome.member_scores().into_iter().map(|s| (s, true));
    let others = outcome.non_member_scores().into_iter().map(|s| (s, false));
    let mut scored: Vec<(f64, bool)> = members.chain(others).collect();
    // Among equal scores non-members come first from either end: ties never help the auditor.
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let canaries = scored.len();
    let guesses = (GUESSED_SHARE * canaries as f64).floor().max(1.0) as usize;
    let right_in = scored[..guesses]
        .iter()
        .filter(|(_, member)| *member)
        .count();
    scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let right_out = scored[..guesses]
        .iter()
        .filter(|(_, member)| !*member)
        .count();
    OneRunAudit {
        canaries: canaries as u64,
        guesses: 2 * guesses as u64,
        correct: (right_in + right_out) as u64,
        delta,
    }
    .epsilon(significance)
    .map_err(|e| Error::numeric("the audited epsilon", e.to_string()))
}

/// Promise and audit of every privately trained victim; `None` without any.
pub(super) fn table(context: &Context<'_>) -> Option<Table> {
    let mut table = Table::new(
        "privacy-bounds",
        "Differential privacy, promised and audited",
        &[
            "Victim",
            "Epsilon, upper bound",
            "Epsilon, upper bound (Renyi)",
            "Epsilon, audited lower bound",
            "Noise multiplier",
            "Guarantee",
        ],
    )
    .caption(
        "Upper bounds for adding or removing one protected unit, at the stated delta. The lower bound is what the attacks refute in \
         one run, with 95 % confidence over all attacks together; above an upper bound it would be a red flag.",
    );
    for quality in &context.outcomes.plan.qualities {
        let row = conditions_of_victim(context.setting, &quality.victim);
        let find = |name: &str| {
            context.results.named(name).find(|m| {
                row.iter()
                    .all(|(key, value)| m.conditions.get(key) == Some(value))
            })
        };
        let Some(noise) = find("privacy.noise_multiplier") else {
            continue;
        };
        let measured = |name: &str| match find(name) {
            Some(m) => TableCell::measured(m),
            None => TableCell::missing("not measured"),
        };
        let held = noise.conditions.get("guarantee") == Some(&true.into());
        table.push([
            TableCell::text(context.setting.label_of_use(&quality.victim)),
            measured("privacy.epsilon"),
            measured("privacy.epsilon_rdp"),
            measured("privacy.epsilon_lower"),
            TableCell::measured(noise),
            TableCell::text(if held { "holds" } else { "does not hold" }),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}
