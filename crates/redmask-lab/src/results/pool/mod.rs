//! Measurements of attacks on pools. What audits call a seed is here one target under one root seed.

mod figures;
mod records;
mod stability;
mod tables;

use std::collections::BTreeMap;

use redmask_attacks::membership::MembershipOutcome;
use redmask_core::{Result, Seed};
use redmask_metrics::epsilon::{OneRunAudit, ThresholdSelection, select_epsilon_bound};
use redmask_report::schema::{
    Block, Condition, Conditions, Counts, Measurement, Section, Unit, Warning,
};

use crate::plan::{Plan, PoolCell, attack_id};
use crate::results::membership::{counts, measure_pairs, statistics};
use crate::results::outcomes::{AttackPair, Outcomes};
use crate::results::seeds::{combine, combine_plain};
use crate::results::{Context, Findings, Setting, conditions_of_victim};

pub(super) use figures::sweep;
pub(crate) use records::RECORDS;
pub(super) use records::{gaps, table as records_csv};

/// Confidence of the lower bounds on epsilon.
const SIGNIFICANCE: f64 = 0.05;
/// One in so many records is guessed "in", and as many "out", by the one-run audit. Fixed before any score is seen.
const GUESSED: usize = 20;

/// A lower bound on epsilon from the outcome on one target, by its key.
type Bound = fn(u64, &MembershipOutcome) -> Result<f64>;

/// One pool cell with the outcome of each target.
pub(crate) struct PoolOutcomes {
    /// The attack's id in results.
    pub(crate) id: String,
    /// By target, in the order of the cell's.
    pub(crate) pairs: Vec<AttackPair>,
}

impl PoolOutcomes {
    /// Reads what the stages left.
    pub(super) fn read(outcomes: &Outcomes<'_>, cell: &PoolCell) -> Result<Self> {
        let id = attack_id(&cell.attack);
        let pairs = cell.outcomes.iter().enumerate().map(|(i, &(key, at))| {
            let mut pair = outcomes.attack(at)?;
            pair.victim.attack.clone_from(&id);
            if let Some(null) = &mut pair.null {
                null.attack.clone_from(&id);
            }
            // The members of a target are the non-members of its twin, so the null victim's two areas add up to one: with both, their
            // mean would be a half whatever the attack found.
            let twin_is_measured = cell.outcomes[..i]
                .iter()
                .any(|(other, _)| *other == key ^ 1);
            if twin_is_measured {
                pair.null = None;
            }
            Ok(pair)
        });
        Ok(Self {
            pairs: pairs.collect::<Result<_>>()?,
            id,
        })
    }
}

/// The conditions that tell one pool from another, the models' own aside.
pub(crate) fn conditions_of_pool(setting: &Setting<'_>, pool: usize) -> Conditions {
    let recipe = setting.recipe;
    let config = &recipe.pool[pool];
    let mut conditions = Conditions::new();
    let mut set = |name: &str, value: Condition| _ = conditions.insert(name.to_owned(), value);
    set("pool", config.records.into());
    let network = recipe
        .model(&config.model.model)
        .ok()
        .and_then(|model| serde_json::to_value(&recipe.network[&model.network]).ok());
    // Every architecture has this key.
    if let Some(width) = network.and_then(|n| n["width"].as_f64()) {
        set("width", width.into());
    }
    if let Some(replicas) = &config.replicas {
        set("copies", replicas.copies.into());
        if let Ok(serde_json::Value::String(name)) = serde_json::to_value(replicas.mislabel) {
            set("mislabel", name.into());
        }
    }
    conditions
}

/// Conditions of a cell's measurements.
pub(super) fn conditions_of_cell(setting: &Setting<'_>, cell: &PoolCell) -> Conditions {
    let mut conditions = conditions_of_victim(setting, &cell.model);
    conditions.extend(conditions_of_pool(setting, cell.pool));
    conditions.insert("attack".to_owned(), attack_id(&cell.attack).into());
    conditions.insert("shadows".to_owned(), cell.shadows.into());
    conditions
}

/// Whether the cell uses every shadow there is, rather than being a point of a curve.
pub(super) fn is_whole(setting: &Setting<'_>, cell: &PoolCell) -> bool {
    cell.shadows == setting.recipe.pool[cell.pool].shadows()
}

/// Measures one cell.
pub(super) fn measure(
    setting: &Setting<'_>,
    cell: &PoolCell,
    outcomes: &PoolOutcomes,
    findings: &mut Findings,
) -> Result<()> {
    let conditions = conditions_of_cell(setting, cell);
    let keys: Vec<u64> = cell.outcomes.iter().map(|(key, _)| *key).collect();
    if !is_whole(setting, cell) {
        return measure_point(setting, &keys, outcomes, &conditions, findings);
    }
    measure_pairs(
        setting,
        &keys,
        &outcomes.id,
        &conditions,
        &outcomes.pairs,
        findings,
    )?;
    let prefix = format!("membership.{}", outcomes.id);
    let first = &outcomes.pairs[0].victim;
    let n = Counts {
        members: Some(first.member_scores().len() as u64),
        non_members: Some(first.non_member_scores().len() as u64),
        ..Counts::default()
    };
    let mut push = |name: &str, values: Vec<(u64, f64)>| {
        let m = combine_plain(format!("{prefix}.{name}"), Unit::Epsilon, &values);
        findings
            .measurements
            .push(m.conditions(&conditions).counts(n));
    };
    let bounds: [(&str, Bound); 2] = [("epsilon_lower", split_bound), ("epsilon_one_run", one_run)];
    for (name, bound) in bounds {
        let values = keys.iter().zip(&outcomes.pairs);
        let values = values.map(|(&key, pair)| Ok((key, bound(key, &pair.victim)?)));
        push(name, values.collect::<Result<_>>()?);
    }
    stability::measure(&outcomes.pairs, &prefix, &conditions, findings);
    Ok(())
}

/// A point of a curve: areas and rates alone.
fn measure_point(
    setting: &Setting<'_>,
    keys: &[u64],
    outcomes: &PoolOutcomes,
    conditions: &Conditions,
    findings: &mut Findings,
) -> Result<()> {
    let measured = statistics(
        setting,
        keys,
        outcomes.pairs.iter().map(|p| Some(&p.victim)),
    )?;
    let prefix = format!("membership.{}", outcomes.id);
    let mut push = |name: String, values: &[(u64, redmask_metrics::Interval)]| {
        let m: Measurement = combine(format!("{prefix}.{name}"), Unit::Fraction, values);
        findings
            .measurements
            .push(m.conditions(conditions).counts(counts(&measured)));
    };
    let areas: Vec<_> = measured.iter().map(|(key, m)| (*key, m.auc)).collect();
    push("auc".to_owned(), &areas);
    for (i, fpr) in setting.recipe.statistics.fpr.iter().enumerate() {
        let rates = measured
            .iter()
            .map(|(key, m)| Some((*key, m.tpr_at_fpr[i].tpr?)));
        if let Some(rates) = rates.collect::<Option<Vec<_>>>() {
            push(format!("tpr_at_fpr_{fpr:e}"), &rates);
        }
    }
    Ok(())
}

/// The lower bound on epsilon of the best threshold on half of the records, tested on the other half.
fn split_bound(key: u64, outcome: &MembershipOutcome) -> Result<f64> {
    let selection = ThresholdSelection::Split(Seed::root(key).child("epsilon"));
    let bound = select_epsilon_bound(
        &outcome.member_scores(),
        &outcome.non_member_scores(),
        &selection,
        0.0,
        SIGNIFICANCE,
    )?;
    Ok(bound.bound.epsilon)
}

/// The one-run audit, in which a fair coin for each record is what it asks for: of records that share one, the first counts.
fn one_run(_: u64, outcome: &MembershipOutcome) -> Result<f64> {
    let mut first_of_group = BTreeMap::new();
    for record in &outcome.records {
        let first = first_of_group.entry(&record.group).or_insert(record);
        if record.id < first.id {
            *first = record;
        }
    }
    let mut records: Vec<_> = first_of_group.into_values().collect();
    // Ties go by identifier, which knows nothing of membership; the order of the outcome does.
    records.sort_by(|a, b| a.score.total_cmp(&b.score).then_with(|| a.id.cmp(&b.id)));
    let side = (records.len() / GUESSED).max(1);
    let out = records[..side].iter().filter(|r| !r.member).count();
    let inside = records[records.len() - side..].iter().filter(|r| r.member);
    let audit = OneRunAudit {
        canaries: records.len() as u64,
        guesses: 2 * side as u64,
        correct: (out + inside.count()) as u64,
        delta: 0.0,
    };
    Ok(audit.epsilon(SIGNIFICANCE)?)
}

/// What must be said of every pool.
pub(super) fn warn(setting: &Setting<'_>, plan: &Plan, findings: &mut Findings) {
    if plan.pool_cells.is_empty() {
        return;
    }
    findings.warnings.push(Warning::new(
        "pool-seeds",
        "In a pool, the seeds of a measurement are its targets: root seed times the models of the pool, plus the model's \
         number. Targets of one pool share its other models as shadows, so they vary less than independent audits would.",
    ));
    findings.warnings.push(Warning::new(
        "epsilon-heuristic",
        "epsilon_lower treats the records of one model as independent trials, which they are not; epsilon_one_run does not. \
         Both are at 95 % for one target and one attack, not for the best of several.",
    ));
    if setting.recipe.pool.iter().any(|p| p.targets() < 3) && plan.seeds.len() < 3 {
        findings.warnings.push(Warning::new(
            "few-targets",
            "A pool was attacked at fewer than three targets: how much another training would move the numbers is not known.",
        ));
    }
}

/// The report's sections on pools.
pub(super) fn sections(context: &Context<'_>) -> Vec<Section> {
    let section = |id: &str, title: &str, lead: &str, blocks: Vec<Block>| Section {
        id: id.to_owned(),
        title: title.to_owned(),
        lead: lead.to_owned(),
        blocks,
    };
    let mut attacks = vec![
        Block::Table(tables::attacks(context)),
        Block::Figure(figures::roc(context)),
    ];
    let whole = |cell: &PoolCell| is_whole(context.setting, cell);
    if !context.outcomes.plan.pool_cells.iter().all(whole) {
        attacks.push(Block::Table(tables::shadows(context)));
        attacks.push(Block::Figure(figures::shadows(context)));
    }
    vec![
        section(
            "pool",
            "Attacks across models",
            "Models on complementary halves of the same records; each target is attacked with the others, its own complement \
             left out. Attacks of one pool are measured on the same records of the same targets.",
            attacks,
        ),
        section(
            "pool-controls",
            "Controls of the pool",
            "Both must be at chance. A blind control above it: the records differ by themselves. A null victim above it: the \
             attack measures something other than membership.",
            vec![Block::Table(tables::controls(context))],
        ),
        section(
            "pool-records",
            "Single records",
            "Whether another target, or other shadows, would point at the same records. records.csv has every record.",
            vec![Block::Table(tables::stability(context))],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use redmask_attacks::membership::{Decision, RecordScore, ThresholdSource};
    use redmask_core::{Access, GroupId, SampleId, ThreatModel};

    use super::*;

    fn outcome(n: usize, score: impl Fn(usize, bool) -> f64, group: usize) -> MembershipOutcome {
        let record = |i: usize| RecordScore {
            id: SampleId::new("all", &format!("{:04}", i * 7919 % n)),
            group: GroupId((i / group).to_string()),
            member: i < n / 2,
            score: score(i, i < n / 2),
        };
        MembershipOutcome::of_records(
            "test",
            ThreatModel {
                access: Access::Scores,
                knowledge: Vec::new(),
            },
            false,
            (0..n).map(record).collect(),
            Decision {
                threshold: 0.5,
                source: ThresholdSource::ShadowRecords,
            },
        )
        .unwrap()
    }

    #[test]
    fn the_one_run_audit_knows_a_perfect_attack_from_none() {
        let perfect = outcome(400, |_, member| f64::from(u8::from(member)), 1);
        // 40 of 40 guesses right: the bound is that of the audit's own test vectors.
        let audit = OneRunAudit {
            canaries: 400,
            guesses: 40,
            correct: 40,
            delta: 0.0,
        };
        let found = one_run(0, &perfect).unwrap();
        assert_eq!(found, audit.epsilon(0.05).unwrap());
        assert!(found > 2.0);
        let constant = outcome(400, |_, _| 0.0, 1);
        assert!(one_run(0, &constant).unwrap() < 0.6);
        // Two records a coin: half as many canaries.
        let grouped = outcome(400, |_, member| f64::from(u8::from(member)), 2);
        let half = OneRunAudit {
            canaries: 200,
            guesses: 20,
            correct: 20,
            delta: 0.0,
        };
        assert_eq!(one_run(0, &grouped).unwrap(), half.epsilon(0.05).unwrap());
    }

    #[test]
    fn a_split_bound_is_finite_and_not_negative() {
        let none = outcome(200, |i, _| (i as f64 * 12.9898).sin(), 1);
        assert!(split_bound(3, &none).unwrap() < 0.5);
        let perfect = outcome(200, |_, member| f64::from(u8::from(member)), 1);
        assert!(split_bound(3, &perfect).unwrap() > 2.0);
    }
}
