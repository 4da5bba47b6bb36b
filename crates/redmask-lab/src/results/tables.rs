//! Tables: cells point at measurements.

use redmask_report::schema::{Cell as TableCell, Conditions, Measurement, Results, Table};

use crate::plan::Cell;
use crate::recipe::TableConfig;
use crate::results::utility::{HELD_OUT, MEMBERS, conditions_of_quality};
use crate::results::{Context, conditions_of, conditions_of_victim};

/// The measurement of a row: its conditions may say less than the row, never something else. Where a measurement was
/// made on several splits, the held-out one is meant.
pub(super) fn find<'a>(
    results: &'a Results,
    name: &str,
    row: &Conditions,
) -> Option<&'a Measurement> {
    results.named(name).find(|m| {
        m.conditions.iter().all(|(key, value)| match row.get(key) {
            Some(wanted) => wanted == value,
            None => key == "split" && *value == HELD_OUT.into(),
        })
    })
}

pub(super) fn cell(results: &Results, name: &str, row: &Conditions) -> TableCell {
    match find(results, name, row) {
        Some(measurement) => TableCell::measured(measurement),
        None => TableCell::missing("not measured"),
    }
}

/// The conditions of every cell, with the attack's id, in the recipe's order.
pub(super) fn rows(context: &Context<'_>) -> Vec<Conditions> {
    let cells = context.outcomes.plan.cells.iter().zip(context.pairs);
    cells
        .map(|(cell, pairs)| conditions_of(context.setting, cell, &pairs[0].victim.attack))
        .collect()
}

/// The rows that a table's columns can be measured for: audits, or poisoned models where no column is about membership.
fn rows_of(context: &Context<'_>, columns: &[String]) -> Vec<Conditions> {
    let backdoors = &context.outcomes.plan.backdoors;
    if columns.iter().any(|c| c.starts_with("membership.")) || backdoors.is_empty() {
        return rows(context);
    }
    let victims = backdoors.iter().map(|cell| &cell.victim);
    victims
        .map(|victim| conditions_of_victim(context.setting, victim))
        .collect()
}

/// A table as the recipe lays it out.
pub(super) fn of_recipe(context: &Context<'_>, config: &TableConfig) -> Table {
    let mut columns: Vec<String> = config.rows.clone();
    for name in &config.columns {
        columns.push(column_head(context, name));
    }
    let mut table = Table {
        columns,
        ..Table::new(&config.id, &config.title, &[])
    }
    .caption(config.caption.trim());
    let mut seen: Vec<Vec<String>> = Vec::new();
    for row in rows_of(context, &config.columns) {
        let keys: Vec<String> = config
            .rows
            .iter()
            .map(|key| {
                row.get(key)
                    .map_or_else(|| "-".to_owned(), ToString::to_string)
            })
            .collect();
        if seen.contains(&keys) {
            continue;
        }
        let attack = row
            .get("attack")
            .map(ToString::to_string)
            .unwrap_or_default();
        let texts = config
            .rows
            .iter()
            .zip(&keys)
            .map(|(key, value)| TableCell::text(context.setting.label_of_value(key, value)));
        let values = config
            .columns
            .iter()
            .map(|name| cell(context.results, &name.replace("{attack}", &attack), &row));
        table.push(texts.chain(values));
        seen.push(keys);
    }
    table
}

fn column_head(context: &Context<'_>, name: &str) -> String {
    use redmask_report::schema::Metric;
    let metric = Metric::of(name).map_or_else(
        || name.rsplit('.').next().unwrap_or(name).replace('_', " "),
        |m| m.label.to_owned(),
    );
    match name.split('.').collect::<Vec<_>>()[..] {
        ["membership", attack, _] if attack != "{attack}" && context.attack_count() > 1 => {
            format!("{}: {metric}", context.setting.label(attack))
        }
        _ => metric,
    }
}

/// Every attack on every victim.
pub(super) fn attacks(context: &Context<'_>) -> Table {
    let finest = context
        .setting
        .recipe
        .statistics
        .fpr
        .iter()
        .copied()
        .filter(|fpr| {
            let name = format!("tpr_at_fpr_{fpr:e}");
            context
                .results
                .measurements()
                .iter()
                .any(|m| m.name.ends_with(&name))
        })
        .reduce(f64::min);
    let rate = finest.map(|fpr| format!("tpr_at_fpr_{fpr:e}"));
    let metrics: Vec<&str> = ["auc", "accuracy", "f1", "advantage"]
        .into_iter()
        .chain(rate.as_deref())
        .collect();
    let heads = metrics.iter().map(|m| {
        redmask_report::schema::Metric::of(m)
            .map_or_else(|| m.replace('_', " "), |m| m.label.to_owned())
    });
    let mut table = Table {
        columns: ["Victim", "Shadow", "Attack"]
            .map(str::to_owned)
            .into_iter()
            .chain(heads)
            .collect(),
        ..Table::new("attacks-all", "Membership attacks", &[])
    }
    .caption("Thresholds come from shadow records. Higher AUC, accuracy and F1 mean a larger leak; chance is 0.5.");
    let plan = context.outcomes.plan;
    for (row, plan_cell) in rows(context).into_iter().zip(&plan.cells) {
        let attack = row["attack"].to_string();
        let values = metrics
            .iter()
            .map(|m| cell(context.results, &format!("membership.{attack}.{m}"), &row));
        table.push(
            keys(context, plan_cell, &attack, &row)
                .into_iter()
                .chain(values),
        );
    }
    table
}

/// Victim, shadow and attack as printed.
fn keys(context: &Context<'_>, cell: &Cell, attack: &str, row: &Conditions) -> [TableCell; 3] {
    let published_form = if row.contains_key("paper_compat") {
        " (as published)"
    } else {
        ""
    };
    [
        TableCell::text(context.setting.label_of_use(&cell.victim)),
        TableCell::text(context.setting.label_of_use(&cell.shadow)),
        TableCell::text(format!("{}{published_form}", context.setting.label(attack))),
    ]
}

/// Both controls.
pub(super) fn controls(context: &Context<'_>) -> Table {
    let mut table = Table::new(
        "controls-all",
        "Controls",
        &["Control", "Victim", "Shadow", "AUC"],
    )
    .caption("An interval that covers 0.5 is sound.");
    for blind in context.results.named("control.blind.auc") {
        table.push([
            TableCell::text("Blind"),
            TableCell::text("-"),
            TableCell::text("-"),
            TableCell::measured(blind),
        ]);
    }
    let plan = context.outcomes.plan;
    for (row, plan_cell) in rows(context).into_iter().zip(&plan.cells) {
        let attack = row["attack"].to_string();
        let [victim, shadow, attack_cell] = keys(context, plan_cell, &attack, &row);
        let name = match attack_cell {
            TableCell::Text { text } => format!("Null victim, {text}"),
            _ => "Null victim".to_owned(),
        };
        table.push([
            TableCell::text(name),
            victim,
            shadow,
            cell(
                context.results,
                &format!("control.null_victim.{attack}.auc"),
                &row,
            ),
        ]);
    }
    table
}

/// The audited models on what they saw and did not see.
pub(super) fn utility(context: &Context<'_>) -> Table {
    let mut table = Table::new(
        "models-all",
        "Audited models",
        &[
            "Victim",
            "Training records",
            "mIoU, training",
            "mIoU, held out",
            "Dice, training",
            "Dice, held out",
            "Generalisation gap",
        ],
    );
    for quality in &context.outcomes.plan.qualities {
        let row = conditions_of_quality(context.setting, quality);
        let on = |metric: &str, split: &str| {
            let mut row = row.clone();
            row.insert("split".to_owned(), split.into());
            cell(context.results, &format!("segmentation.{metric}"), &row)
        };
        table.push([
            TableCell::text(context.setting.label_of_use(&quality.victim)),
            TableCell::text(quality.victim.train_records.to_string()),
            on("miou", MEMBERS),
            on("miou", HELD_OUT),
            on("dice", MEMBERS),
            on("dice", HELD_OUT),
            cell(context.results, "segmentation.gap", &row),
        ]);
    }
    table
}
