//! Defences summed up: protection, utility, cost, in numbers and in words.

use redmask_core::{Capability, Result};
use redmask_defences::{Guarantee, Need};
use redmask_report::schema::{Cell as TableCell, Conditions, Measurement, Table, Unit, Warning};

use crate::plan::{Cell, QualityCell};
use crate::quality::Quality;
use crate::recipe::OverviewConfig;
use crate::results::cost::undefended;
use crate::results::seeds::combine_plain;
use crate::results::tables::find;
use crate::results::{AttackPair, Context, Findings, Setting, conditions_of_victim};

/// Chance.
const CHANCE: f64 = 0.5;
/// Below this much above chance there is nothing that a defence could take away.
const LEAST_LEAK: f64 = 0.01;

/// Everything that the overview is made of.
pub(super) struct Measured<'a> {
    pub(super) setting: &'a Setting<'a>,
    pub(super) plan: &'a crate::plan::Plan,
    /// By cell, by seed.
    pub(super) pairs: &'a [Vec<AttackPair>],
    /// By quality cell, by seed.
    pub(super) qualities: &'a [Vec<Quality>],
}

/// Measures protection and utility loss of every defended victim against the undefended one, seed by seed.
pub(super) fn measure(measured: &Measured<'_>, findings: &mut Findings) -> Result<()> {
    let plan = measured.plan;
    for (at, cell) in plan.qualities.iter().enumerate() {
        if cell.victim.defence.is_none() {
            continue;
        }
        let Some(base) = undefended(&plan.qualities, cell) else {
            continue;
        };
        let conditions = conditions_of_victim(measured.setting, &cell.victim);
        let losses: Vec<(u64, f64)> = plan
            .seeds
            .iter()
            .enumerate()
            .map(|(i, &seed)| {
                let dice = |q: usize| mean_dice(&measured.qualities[q][i]);
                (seed, dice(base) - dice(at))
            })
            .collect();
        findings.measurements.push(
            combine_plain("defence.utility_loss", Unit::Difference, &losses)
                .conditions(&conditions),
        );
        if let Some(shares) = protection(measured, cell, &plan.qualities[base])? {
            findings.measurements.push(
                combine_plain("defence.protection", Unit::Score, &shares).conditions(&conditions),
            );
        } else {
            findings.warnings.push(
                Warning::new(
                    "protection-not-measured",
                    format!(
                        "{}: its protection is not measured; either no adaptive attack was run, or the undefended model does \
                         not leak enough to take anything away.",
                        measured.setting.label_of_use(&cell.victim)
                    ),
                )
                .about("defence.protection"),
            );
        }
    }
    Ok(())
}

fn mean_dice(quality: &Quality) -> f64 {
    let sum: f64 = quality.held_out.iter().map(|r| 1.0 - r.dice_loss).sum();
    sum / quality.held_out.len().max(1) as f64
}

/// `1 - (AUC - 0.5) / (undefended AUC - 0.5)`, each of the worst attack whose shadows are trained as the victim is.
fn protection(
    measured: &Measured<'_>,
    defended: &QualityCell,
    base: &QualityCell,
) -> Result<Option<Vec<(u64, f64)>>> {
    let mut shares = Vec::new();
    for (i, &seed) in measured.plan.seeds.iter().enumerate() {
        let worst = |of: &QualityCell| -> Result<Option<f64>> {
            let mut worst: Option<f64> = None;
            for (cell, pairs) in measured.plan.cells.iter().zip(measured.pairs) {
                if adaptive(cell, of) {
                    let auc = auc(&pairs[i])?;
                    worst = Some(worst.map_or(auc, |w| w.max(auc)));
                }
            }
            Ok(worst)
        };
        let (Some(own), Some(plain)) = (worst(defended)?, worst(base)?) else {
            return Ok(None);
        };
        if plain - CHANCE < LEAST_LEAK {
            return Ok(None);
        }
        shares.push((seed, 1.0 - (own - CHANCE) / (plain - CHANCE)));
    }
    Ok(Some(shares))
}

/// Whether a cell attacks this victim with shadows of the same training and defence.
fn adaptive(cell: &Cell, victim: &QualityCell) -> bool {
    cell.victim.reference == victim.victim.reference && cell.victim.defence == cell.shadow.defence
}

fn auc(pair: &AttackPair) -> Result<f64> {
    redmask_metrics::Roc::new(
        &pair.victim.member_scores(),
        &pair.victim.non_member_scores(),
    )
    .map(|roc| roc.auc())
    .map_err(|e| redmask_core::Error::numeric("the AUC of an attack", e.to_string()))
}

/// What each defence of the plan needs, whom it is meant for, and what it promises; `None` without defences.
pub(super) fn statements(context: &Context<'_>) -> Option<Table> {
    let mut table = Table::new(
        "defence-statements",
        "What defences need and promise",
        &["Defence", "Its owner needs", "Meant for an adversary who sees", "Promise"],
    )
    .caption(
        "Every adversary is taken to know true masks, records of the same distribution, the architecture, and, if adaptive, the \
         defence. An empirical defence is as good as the attacks it was tried against.",
    );
    let mut named: Vec<&str> = Vec::new();
    for quality in &context.outcomes.plan.qualities {
        let Some(defence) = &quality.victim.defence else {
            continue;
        };
        if named.contains(&defence.name.as_str()) {
            continue;
        }
        named.push(&defence.name);
        let statement = defence.config.statement();
        let needs: Vec<&str> = statement
            .needs
            .iter()
            .map(|need| need_in_words(*need))
            .collect();
        table.push([
            TableCell::text(context.setting.label_of_value("defence", &defence.name)),
            TableCell::text(needs.join(", ")),
            TableCell::text(match statement.against.access {
                Capability::Labels => "labels",
                Capability::Scores => "class scores",
                Capability::Gradients => "the weights",
            }),
            TableCell::text(match statement.guarantee {
                Guarantee::Empirical => "none (empirical)",
                Guarantee::DifferentialPrivacy => "differential privacy",
            }),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

fn need_in_words(need: Need) -> &'static str {
    match need {
        Need::Answers => "control of the answers",
        Need::Training => "control of the training",
        Need::ReferenceRecords => "reference records",
        Need::AdditionalModel => "an additional model",
    }
}

/// The table in words.
pub(super) fn table(context: &Context<'_>, config: &OverviewConfig) -> Table {
    let mut table = Table::new(
        &config.id,
        &config.title,
        &[
            "Defence",
            "Protection",
            "Protection, share",
            "Utility decrease",
            "Dice lost",
            "Cost",
            "Cost, ratio",
            "Additional model",
            "Published",
        ],
    )
    .caption(format!(
        "Protection: the share of (AUC - 0.5) that the defence takes from the worst attack whose shadows are defended too; medium \
         from {:.2}, high from {:.2}. Utility: mean Dice lost on held-out records; medium from {}, high from {}. Cost: training \
         FLOPs relative to the undefended training; medium from {}, high from {}. Published: protection, utility decrease, cost, \
         additional model.",
        config.protection[0],
        config.protection[1],
        config.utility_loss[0],
        config.utility_loss[1],
        config.cost[0],
        config.cost[1],
    ));
    for quality in &context.outcomes.plan.qualities {
        let Some(defence) = &quality.victim.defence else {
            continue;
        };
        let row = conditions_of_victim(context.setting, &quality.victim);
        let mut cells = vec![TableCell::text(
            context.setting.label_of_value("defence", &defence.name),
        )];
        for (name, limits) in [
            ("defence.protection", config.protection),
            ("defence.utility_loss", config.utility_loss),
            ("training.cost", config.cost),
        ] {
            cells.extend(in_words(context, name, &row, limits));
        }
        let another = defence.config.statement().trains_another_model();
        cells.push(TableCell::text(if another { "yes" } else { "no" }));
        cells.push(match config.published.get(&defence.name) {
            Some(words) => TableCell::text(words.join(" / ")),
            None => TableCell::missing("not in the paper"),
        });
        table.push(cells);
    }
    table
}

fn in_words(
    context: &Context<'_>,
    name: &str,
    row: &Conditions,
    limits: [f64; 2],
) -> [TableCell; 2] {
    match find(context.results, name, row) {
        Some(measurement) => [
            TableCell::text(word(measurement, limits)),
            TableCell::measured(measurement),
        ],
        None => [
            TableCell::missing("not measured"),
            TableCell::missing("not measured"),
        ],
    }
}

/// The word of the mean; where seeds disagree, the words they span.
fn word(measurement: &Measurement, limits: [f64; 2]) -> String {
    let mean = OverviewConfig::word(measurement.value, limits);
    let mut others: Vec<&str> = Vec::new();
    for &value in &measurement.per_seed {
        let word = OverviewConfig::word(value, limits);
        if word != mean && !others.contains(&word) {
            others.push(word);
        }
    }
    if others.is_empty() {
        mean.to_owned()
    } else {
        format!("{mean} (some seeds {})", others.join(", "))
    }
}
