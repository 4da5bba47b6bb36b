//! Tables of pools.

use std::collections::BTreeSet;

use redmask_report::schema::{Cell, Conditions, Metric, Table};

use super::{conditions_of_cell, is_whole};
use crate::results::Context;
use crate::results::tables::cell;

/// The conditions that differ between the pools of the recipe, in the order in which they are printed.
fn telling(context: &Context<'_>) -> Vec<&'static str> {
    const NAMES: [&str; 6] = [
        "victim",
        "train_records",
        "width",
        "epochs",
        "mislabel",
        "copies",
    ];
    let rows = rows(context, true);
    NAMES
        .into_iter()
        .filter(|name| {
            let values: BTreeSet<String> = rows
                .iter()
                .map(|row| row.get(*name).map(ToString::to_string).unwrap_or_default())
                .collect();
            values.len() > 1
        })
        .collect()
}

/// The conditions of every cell, of those with all shadows or of the others.
fn rows(context: &Context<'_>, whole: bool) -> Vec<Conditions> {
    let setting = context.setting;
    let cells = context.outcomes.plan.pool_cells.iter();
    cells
        .filter(|cell| is_whole(setting, cell) == whole)
        .map(|cell| conditions_of_cell(setting, cell))
        .collect()
}

fn table(
    context: &Context<'_>,
    id: &str,
    title: &str,
    columns: &[&str],
    metrics: &[&str],
) -> Table {
    let head = |name: &str| name.replace('_', " ");
    let pool = telling(context).into_iter().map(|name| match name {
        "victim" => "Network".to_owned(),
        "train_records" => "Training records".to_owned(),
        "width" => "Width".to_owned(),
        "epochs" => "Epochs".to_owned(),
        "mislabel" => "Wrong mask".to_owned(),
        "copies" => "Copies".to_owned(),
        other => head(other),
    });
    let columns = columns.iter().map(|c| (*c).to_owned());
    let metrics = metrics
        .iter()
        .map(|m| Metric::of(m).map_or_else(|| head(m), |metric| metric.label.to_owned()));
    Table {
        columns: pool.chain(columns).chain(metrics).collect(),
        ..Table::new(id, title, &[])
    }
}

/// The pool's own cells of a row, then the attack.
fn keys(context: &Context<'_>, row: &Conditions) -> Vec<Cell> {
    let setting = context.setting;
    let text = |name: &str| {
        let value = row.get(name).map(ToString::to_string).unwrap_or_default();
        Cell::text(setting.label_of_value(name, &value))
    };
    telling(context)
        .into_iter()
        .chain(["attack"])
        .map(text)
        .collect()
}

/// The rates that were measured, as the last parts of their names.
fn rates(context: &Context<'_>) -> Vec<String> {
    let fpr = context.setting.recipe.statistics.fpr.iter();
    fpr.map(|fpr| format!("tpr_at_fpr_{fpr:e}"))
        .filter(|name| {
            let all = context.results.measurements().iter();
            all.filter(|m| m.conditions.contains_key("pool"))
                .any(|m| m.name.ends_with(name.as_str()))
        })
        .collect()
}

/// Every attack with all shadows.
pub(super) fn attacks(context: &Context<'_>) -> Table {
    let rates = rates(context);
    let metrics: Vec<&str> = std::iter::once("auc")
        .chain(rates.iter().map(String::as_str))
        .chain(["balanced_accuracy", "epsilon_one_run", "epsilon_lower"])
        .collect();
    let mut table = table(context, "pool-attacks", "Attacks across models", &["Attack"], &metrics)
        .caption(
            "Means over targets; the values in brackets after the interval are those of each target. Chance is 0.5 for the \
             area and the false positive rate itself for a rate. Thresholds come from shadows.",
        );
    for row in rows(context, true) {
        let attack = row["attack"].to_string();
        let values = metrics
            .iter()
            .map(|m| cell(context.results, &format!("membership.{attack}.{m}"), &row));
        table.push(keys(context, &row).into_iter().chain(values));
    }
    table
}

/// The same attacks with fewer shadows.
pub(super) fn shadows(context: &Context<'_>) -> Table {
    let mut table = table(
        context,
        "pool-shadows",
        "Fewer shadows",
        &["Attack", "Shadows"],
        &["auc", "tpr_at_fpr_1e-2"],
    )
    .caption("From the same trainings: half of the shadows saw any record.");
    let curves: BTreeSet<String> = rows(context, false)
        .iter()
        .map(|row| row["attack"].to_string())
        .collect();
    let mut all = rows(context, false);
    all.extend(
        rows(context, true)
            .into_iter()
            .filter(|row| curves.contains(&row["attack"].to_string())),
    );
    all.sort_by_key(|row| row["attack"].to_string());
    for row in all {
        let attack = row["attack"].to_string();
        let mut cells = keys(context, &row);
        cells.push(Cell::text(row["shadows"].to_string()));
        for metric in ["auc", "tpr_at_fpr_1e-2"] {
            let name = format!("membership.{attack}.{metric}");
            cells.push(cell(context.results, &name, &row));
        }
        table.push(cells);
    }
    table
}

/// The null victim of every attack, and the blind control of every pool.
pub(super) fn controls(context: &Context<'_>) -> Table {
    let mut table = table(
        context,
        "pool-controls-all",
        "Controls of the pool",
        &["Control"],
        &["auc"],
    )
    .caption("An interval that covers 0.5 is sound.");
    let mut blinds: Vec<Conditions> = Vec::new();
    for mut row in rows(context, true) {
        let null = format!("control.null_victim.{}.auc", row["attack"]);
        let mut cells = keys(context, &row);
        if let Some(Cell::Text { text }) = cells.last_mut() {
            *text = format!("Null victim, {text}");
        }
        cells.push(cell(context.results, &null, &row));
        row.remove("attack");
        if !blinds.contains(&row) {
            let mut blind = keys(context, &row);
            blind.pop();
            blind.push(Cell::text("Blind"));
            blind.push(cell(context.results, "control.blind.auc", &row));
            table.push(blind);
            blinds.push(row);
        }
        table.push(cells);
    }
    table
}

/// Whether two targets rank the same records high.
pub(super) fn stability(context: &Context<'_>) -> Table {
    let metrics = ["rank_correlation", "jaccard_top"];
    let mut table = table(
        context,
        "pool-stability",
        "Do two targets point at the same records?",
        &["Attack"],
        &metrics,
    )
    .caption(
        "Over the records that two targets both trained on: rank correlation of the attack's scores, and the overlap \
         (Jaccard) of the twentieth with the highest scores; 0.03 is chance. Mean over pairs of targets, from the least to \
         the largest. The gap is the median margin under models that saw a record minus that under the others, compared \
         between two halves of the pool.",
    );
    let mut gaps: Vec<Conditions> = Vec::new();
    for mut row in rows(context, true) {
        let attack = row["attack"].to_string();
        let values =
            metrics.map(|m| cell(context.results, &format!("membership.{attack}.{m}"), &row));
        table.push(keys(context, &row).into_iter().chain(values));
        row.remove("attack");
        if !gaps.contains(&row) {
            gaps.push(row);
        }
    }
    for row in gaps {
        let mut cells = keys(context, &row);
        cells.pop();
        cells.push(Cell::text("Gap of the median margin"));
        cells.extend(metrics.map(|m| cell(context.results, &format!("records.gap.{m}"), &row)));
        table.push(cells);
    }
    table
}
