//! What each attack is, for people.

use redmask_attacks::membership::ThresholdSource;
use redmask_report::schema::AttackStatement;

use crate::plan::attack_id;
use crate::results::pool::PoolOutcomes;
use crate::results::{AttackPair, Setting};

/// One statement for each attack, in order of appearance. What an adversary knows is what every one of its audits
/// grants: a model-agnostic pair takes the victim's architecture from the list.
pub(super) fn attacks(
    setting: &Setting<'_>,
    pairs: &[Vec<AttackPair>],
    pools: &[PoolOutcomes],
) -> Vec<AttackStatement> {
    let mut statements: Vec<AttackStatement> = Vec::new();
    let pools = pools.iter().flat_map(|pool| &pool.pairs);
    for outcome in pairs.iter().flatten().chain(pools).map(|pair| &pair.victim) {
        if let Some(known) = statements.iter_mut().find(|s| s.id == outcome.attack) {
            known
                .threat
                .knowledge
                .retain(|k| outcome.threat_model.knowledge.contains(k));
            continue;
        }
        statements.push(AttackStatement {
            id: outcome.attack.clone(),
            label: setting.label(&outcome.attack),
            threat: outcome.threat_model.clone(),
            calibration: calibration(outcome.decision.source).to_owned(),
            note: note(setting, &outcome.attack),
        });
    }
    statements
}

/// What an attack across models reads.
fn note(setting: &Setting<'_>, id: &str) -> String {
    let mut attacks = setting.recipe.attack.iter();
    let attack = attacks.find(|(name, _)| attack_id(name) == id);
    let score = attack.and_then(|(_, config)| config.score());
    score.map_or_else(String::new, |score| score.describe())
}

pub(crate) fn calibration(source: ThresholdSource) -> &'static str {
    match source {
        ThresholdSource::Oracle => "oracle: the audited records themselves",
        ThresholdSource::Population => "held-out population records",
        ThresholdSource::LikelihoodRatio => "none: a likelihood ratio of one",
        ThresholdSource::ShadowLastEpochLoss => {
            "shadow's training loss of the last epoch, as published"
        }
        _ => "shadow records only",
    }
}
