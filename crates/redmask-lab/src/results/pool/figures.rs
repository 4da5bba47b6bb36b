//! Figures of pools.

use std::collections::BTreeMap;

use redmask_metrics::Roc;
use redmask_report::schema::{
    Axis, Condition, Figure, Line, LinePanel, LinePlot, LinePoint, Measurement, Plot, RocAttack,
    RocCurve, RocPlot,
};

use super::{conditions_of_cell, is_whole};
use crate::plan::PoolCell;
use crate::results::Context;
use crate::results::figures::{metric_label, thinned};
use crate::results::outcomes::AttackPair;
use crate::results::tables::find;

/// The curves of every attack on the recipe's first pool, one for each target, and of its null victim.
pub(super) fn roc(context: &Context<'_>) -> Figure {
    let setting = context.setting;
    let mut attacks = Vec::new();
    let mut controls = Vec::new();
    for (cell, outcomes) in context.outcomes.plan.pool_cells.iter().zip(context.pools) {
        if cell.pool != 0 || !is_whole(setting, cell) {
            continue;
        }
        let row = conditions_of_cell(setting, cell);
        let entry = |control: bool, name: String| {
            let chosen = |pair: &AttackPair| {
                if control {
                    pair.null.clone()
                } else {
                    Some(pair.victim.clone())
                }
            };
            let keys = cell.outcomes.iter().map(|(key, _)| *key);
            let outcomes_of: Vec<_> = keys
                .zip(&outcomes.pairs)
                .filter_map(|(key, pair)| Some((key, chosen(pair)?)))
                .collect();
            let curves: Vec<RocCurve> = outcomes_of
                .iter()
                .filter_map(|(key, outcome)| {
                    let roc =
                        Roc::new(&outcome.member_scores(), &outcome.non_member_scores()).ok()?;
                    Some(RocCurve {
                        seed: *key,
                        points: thinned(&roc),
                    })
                })
                .collect();
            (!curves.is_empty()).then(|| RocAttack {
                attack: outcomes.id.clone(),
                auc: find(context.results, &name, &row).map(Measurement::key),
                control,
                members: outcomes_of[0].1.member_scores().len() as u64,
                non_members: outcomes_of[0].1.non_member_scores().len() as u64,
                curves,
            })
        };
        attacks.extend(entry(false, format!("membership.{}.auc", outcomes.id)));
        controls.extend(entry(
            true,
            format!("control.null_victim.{}.auc", outcomes.id),
        ));
    }
    attacks.extend(controls);
    Figure {
        id: "pool-roc".to_owned(),
        title: "Receiver operating characteristics".to_owned(),
        caption: "One curve for each target of the first pool. The logarithmic panel shows what matters for single records: \
                  true positives at few false ones. Grey: the same attacks on a model that saw no audited record."
            .to_owned(),
        plot: Plot::Roc(RocPlot { attacks }),
    }
}

/// The area against the number of shadows.
pub(super) fn shadows(context: &Context<'_>) -> Figure {
    sweep(
        context,
        "pool-curve",
        "The area against the number of shadows",
        "shadows",
        "auc",
    )
}

/// A metric of every attack against a numeric condition of the pools: a panel for each kind of wrong mask, a line for each
/// attack.
pub(crate) fn sweep(context: &Context<'_>, id: &str, title: &str, x: &str, metric: &str) -> Figure {
    let setting = context.setting;
    let mut panels: BTreeMap<String, BTreeMap<String, Vec<LinePoint>>> = BTreeMap::new();
    let shown = |cell: &&PoolCell| x == "shadows" || is_whole(setting, cell);
    for cell in context.outcomes.plan.pool_cells.iter().filter(shown) {
        let row = conditions_of_cell(setting, cell);
        let attack = row["attack"].to_string();
        let name = format!("membership.{attack}.{metric}");
        let at = match row.get(x) {
            Some(Condition::Number(value)) => *value,
            Some(Condition::Count(value)) => *value as f64,
            _ => continue,
        };
        let Some(m) = find(context.results, &name, &row) else {
            continue;
        };
        let panel = row
            .get("mislabel")
            .map(ToString::to_string)
            .unwrap_or_default();
        let point = LinePoint {
            x: at,
            y: m.value,
            low: m.low,
            high: m.high,
        };
        let lines = panels.entry(panel).or_default();
        lines.entry(attack).or_default().push(point);
    }
    let panels = panels.into_iter().map(|(title, lines)| LinePanel {
        title: title.replace('-', " "),
        lines: lines
            .into_iter()
            // A single point is no curve.
            .filter(|(_, points)| points.len() > 1)
            .map(|(label, mut points)| {
                points.sort_by(|a, b| a.x.total_cmp(&b.x));
                Line {
                    label,
                    control: false,
                    points,
                }
            })
            .collect(),
        marks: Vec::new(),
    });
    let horizontal = Axis::new(x.replace('_', " "));
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: "Mean over targets with the mean interval within one target.".to_owned(),
        plot: Plot::Lines(LinePlot {
            x: match x {
                "train_records" => horizontal.log(),
                _ => horizontal,
            },
            y: Axis::new(metric_label(metric)),
            chance: (metric == "auc").then_some(0.5),
            panels: panels.collect(),
        }),
    }
}
