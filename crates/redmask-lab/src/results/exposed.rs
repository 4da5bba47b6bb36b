//! The records that attacks find most surely.

use std::collections::BTreeMap;

use redmask_attacks::membership::MembershipOutcome;
use redmask_core::SampleId;
use redmask_report::schema::{ExposedRecord, ExposedRecords};

use crate::quality::RecordQuality;
use crate::results::{AttackPair, Context};

/// Records listed.
const LISTED: usize = 20;

/// Members of the recipe's first victim, ranked by the share of non-members below them, averaged over attacks and over
/// the seeds in which the record was a member. `None` without members.
pub(super) fn most_exposed(context: &Context<'_>) -> Option<ExposedRecords> {
    let audits = first_pair(context);
    let attacks: Vec<String> = audits
        .iter()
        .map(|pairs| pairs[0].victim.attack.clone())
        .collect();
    let exposures = exposures(&audits);
    let exposed_in = seeds_at_the_top(&audits);
    let quality = qualities(context);
    let mut records: Vec<(f64, ExposedRecord)> = exposures
        .into_iter()
        .filter_map(|(id, by_attack)| {
            let percentiles: Vec<Option<f64>> = by_attack.iter().map(|p| mean(p)).collect();
            let overall = mean(&percentiles.iter().flatten().copied().collect::<Vec<_>>())?;
            let seen = quality.get(&id)?;
            let record = ExposedRecord {
                exposed_in: exposed_in.get(&id).copied().unwrap_or(0),
                group: Some(seen[0].group.to_string()).filter(|group| group != id.as_str()),
                id: id.to_string(),
                loss: mean(&seen.iter().map(|r| r.dice_loss).collect::<Vec<_>>())?,
                percentiles,
                image: None,
                truth: None,
                loss_map: None,
            };
            Some((overall, record))
        })
        .collect();
    records.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
    records.truncate(LISTED);
    (!records.is_empty()).then(|| ExposedRecords {
        id: "exposed-records".to_owned(),
        title: "Most exposed training records".to_owned(),
        caption: format!(
            "Ranked by the share of non-members with a lower score, averaged over attacks and over the seeds in which \
             the record was a member. The last column counts the seeds that place it among their first {LISTED}."
        ),
        attacks,
        seeds: context.outcomes.plan.seeds.len() as u64,
        records: records.into_iter().map(|(_, record)| record).collect(),
    })
}

/// The outcomes of each attack on the recipe's first pair of victim and shadow; of an attack in two forms, the first.
fn first_pair<'a>(context: &Context<'a>) -> Vec<&'a [AttackPair]> {
    let cells = &context.outcomes.plan.cells;
    let mut audits: Vec<&[AttackPair]> = Vec::new();
    for (cell, pairs) in cells.iter().zip(context.pairs) {
        let known = |a: &&[AttackPair]| a[0].victim.attack == pairs[0].victim.attack;
        if cell.victim == cells[0].victim
            && cell.shadow == cells[0].shadow
            && !audits.iter().any(known)
        {
            audits.push(pairs);
        }
    }
    audits
}

/// For each record, for each attack: its percentile under every seed in which it was a member.
fn exposures(audits: &[&[AttackPair]]) -> BTreeMap<SampleId, Vec<Vec<f64>>> {
    let mut exposures: BTreeMap<SampleId, Vec<Vec<f64>>> = BTreeMap::new();
    for (i, pairs) in audits.iter().enumerate() {
        for (id, percentile) in pairs.iter().flat_map(|pair| ranked(&pair.victim)) {
            let by_attack = exposures
                .entry(id)
                .or_insert_with(|| vec![Vec::new(); audits.len()]);
            by_attack[i].push(percentile);
        }
    }
    exposures
}

/// In how many seeds each record is among the first, over all attacks.
fn seeds_at_the_top(audits: &[&[AttackPair]]) -> BTreeMap<SampleId, u64> {
    let seeds = audits.first().map_or(0, |pairs| pairs.len());
    let mut counts: BTreeMap<SampleId, u64> = BTreeMap::new();
    for seed in 0..seeds {
        let mut sums: BTreeMap<SampleId, f64> = BTreeMap::new();
        for (id, percentile) in audits.iter().flat_map(|pairs| ranked(&pairs[seed].victim)) {
            *sums.entry(id).or_default() += percentile;
        }
        let mut order: Vec<(SampleId, f64)> = sums.into_iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        for (id, _) in order.into_iter().take(LISTED) {
            *counts.entry(id).or_default() += 1;
        }
    }
    counts
}

/// Each member with the share of non-members that score lower.
fn ranked(outcome: &MembershipOutcome) -> Vec<(SampleId, f64)> {
    let mut others = outcome.non_member_scores();
    others.sort_unstable_by(f64::total_cmp);
    let members = outcome.records.iter().filter(|r| r.member);
    members
        .map(|r| {
            let below = others.partition_point(|&s| s < r.score);
            (r.id.clone(), below as f64 / others.len() as f64)
        })
        .collect()
}

/// The first victim's quality on each of its members, under every seed.
fn qualities<'a>(context: &Context<'a>) -> BTreeMap<SampleId, Vec<&'a RecordQuality>> {
    let plan = context.outcomes.plan;
    let mut by_record: BTreeMap<SampleId, Vec<&RecordQuality>> = BTreeMap::new();
    for (cell, of_seeds) in plan.qualities.iter().zip(context.qualities) {
        if cell.victim == plan.cells[0].victim {
            for record in of_seeds.iter().flat_map(|quality| &quality.members) {
                by_record.entry(record.id.clone()).or_default().push(record);
            }
        }
    }
    by_record
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
