//! `OUT/tables/*.csv`: every table, and every measurement in long form, at full precision.

use std::collections::BTreeSet;
use std::path::Path;

use redmask_core::{Error, Result};

use crate::grid::{Entry, Grid};
use crate::schema::{Counts, Measurement, Results, Table, write_atomic};

/// A table with, for each measured column, its interval, published number and seeds.
///
/// # Errors
/// If a row cannot be encoded.
pub fn table(table: &Table, results: &Results) -> Result<String> {
    let grid = Grid::of(table, results);
    let seeds = |column: usize| -> BTreeSet<u64> {
        let entries = grid.rows.iter().filter_map(|row| row.get(column));
        let seeds = entries.filter_map(|entry| match entry {
            Entry::Measured(m) => Some(m.seeds.iter().copied()),
            _ => None,
        });
        seeds.flatten().collect()
    };
    let mut head = Vec::new();
    for (i, column) in grid.heads.iter().enumerate() {
        let name = column_name(&column.label);
        if column.style.is_some() {
            let parts = ["low", "high", "published", "members", "non_members"]
                .map(|p| format!("{name}_{p}"));
            head.push(name.clone());
            head.extend(parts);
            head.extend(seeds(i).iter().map(|seed| format!("{name}_seed_{seed}")));
        } else {
            head.push(name);
        }
    }
    let rows = grid.rows.iter().map(|row| {
        let mut cells = Vec::new();
        for (i, (entry, column)) in row.iter().zip(&grid.heads).enumerate() {
            match entry {
                Entry::Text(text) if column.style.is_none() => cells.push(harmless(text)),
                Entry::Measured(m) => cells.extend(measured(m, &seeds(i))),
                Entry::Text(_) | Entry::Missing { .. } => {
                    let published = entry.published().map(|p| p.value);
                    cells.extend([
                        String::new(),
                        String::new(),
                        String::new(),
                        number(published),
                    ]);
                    cells.extend(std::iter::repeat_n(String::new(), 2 + seeds(i).len()));
                }
            }
        }
        cells
    });
    encode(head, rows)
}

fn measured(m: &Measurement, seeds: &BTreeSet<u64>) -> Vec<String> {
    let mut cells = vec![
        m.value.to_string(),
        number(m.low),
        number(m.high),
        number(m.published.as_ref().map(|p| p.value)),
        count(m.n.members),
        count(m.n.non_members),
    ];
    cells.extend(seeds.iter().map(|seed| {
        let at = m.seeds.iter().position(|s| s == seed);
        number(at.and_then(|i| m.per_seed.get(i).copied()))
    }));
    cells
}

/// Every measurement, one a line, with a column for each condition.
///
/// # Errors
/// If a row cannot be encoded.
pub fn measurements(results: &Results) -> Result<String> {
    let all = results.measurements();
    let conditions: BTreeSet<&String> = all.iter().flat_map(|m| m.conditions.keys()).collect();
    let fixed = [
        "name",
        "unit",
        "value",
        "low",
        "high",
        "control",
        "published",
        "published_source",
        "members",
        "non_members",
        "groups",
        "images",
        "pixels",
        "skipped",
        "seeds",
        "per_seed",
    ];
    let head = fixed.map(str::to_owned).into_iter();
    let head = head
        .chain(conditions.iter().map(|c| format!("condition_{c}")))
        .collect();
    let rows = all.iter().map(|m| {
        let Counts {
            members,
            non_members,
            groups,
            images,
            pixels,
            skipped,
        } = m.n;
        let mut cells = vec![
            m.name.clone(),
            m.unit.as_str().to_owned(),
            m.value.to_string(),
            number(m.low),
            number(m.high),
            m.control.to_string(),
            number(m.published.as_ref().map(|p| p.value)),
            harmless(m.published.as_ref().map_or("", |p| &p.source)),
        ];
        cells.extend([members, non_members, groups, images, pixels, skipped].map(count));
        cells.push(joined(&m.seeds));
        cells.push(joined(&m.per_seed));
        cells.extend(conditions.iter().map(|c| {
            m.conditions
                .get(*c)
                .map(|value| harmless(&value.to_string()))
                .unwrap_or_default()
        }));
        cells
    });
    encode(head, rows)
}

/// Writes all of `tables` and `measurements.csv` into `folder`.
///
/// # Errors
/// If a file cannot be written.
pub fn write_all<'a>(
    folder: &Path,
    tables: impl Iterator<Item = &'a Table>,
    results: &Results,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "creating", e))?;
    for each in tables {
        let path = folder.join(format!("{}.csv", each.id));
        write_atomic(&path, table(each, results)?.as_bytes())?;
    }
    write_atomic(
        &folder.join("measurements.csv"),
        measurements(results)?.as_bytes(),
    )
}

fn encode(head: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> Result<String> {
    let fault = |e: &dyn std::fmt::Display| Error::Internal(format!("a table as CSV: {e}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(head).chain(rows) {
        writer.write_record(row).map_err(|e| fault(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| fault(&e))?;
    String::from_utf8(bytes).map_err(|e| fault(&e))
}

fn number(value: Option<f64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn count(value: Option<u64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn joined<T: ToString>(values: &[T]) -> String {
    values
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(";")
}

/// Spreadsheets run cells that begin like a formula, and sample names come from files that others made.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// `F1 score` to `f1_score`.
fn column_name(label: &str) -> String {
    let simple = label.chars().map(|c| {
        if c.is_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    });
    let simple = simple.collect::<String>();
    let words = simple.split('_').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Cell, Unit};

    #[test]
    fn a_table_keeps_intervals_seeds_and_published_numbers() {
        let auc = Measurement::new("membership.loss.auc", Unit::Fraction, 0.8125)
            .interval(0.75, 0.875)
            .per_seed([(0, 0.8), (4, 0.825)])
            .records(20, 30)
            .published(0.9, "Table 1");
        let results = Results::new(vec![auc.clone()], vec![]).unwrap();
        let mut shown = Table::new("t", "T", &["Victim model", "AUC"]);
        shown.push([Cell::text("=HYPERLINK()"), Cell::measured(&auc)]);
        shown.push([Cell::text("VGG11, wide"), Cell::missing("not run")]);
        let text = table(&shown, &results).unwrap();
        insta::assert_snapshot!(text, @r#"
        victim_model,auc,auc_low,auc_high,auc_published,auc_members,auc_non_members,auc_seed_0,auc_seed_4
        '=HYPERLINK(),0.8125,0.75,0.875,0.9,20,30,0.8,0.825
        "VGG11, wide",,,,,,,,
        "#);
    }

    #[test]
    fn the_long_form_has_a_column_for_each_condition() {
        let at = |rate: f64| {
            Measurement::new("backdoor.asr", Unit::Fraction, rate).condition("rate", rate)
        };
        let miou =
            Measurement::new("segmentation.miou", Unit::Fraction, 0.75).condition("split", "test");
        let text =
            measurements(&Results::new(vec![at(0.5), at(0.25), miou], vec![]).unwrap()).unwrap();
        let lines = text.lines().collect::<Vec<_>>();
        assert!(lines[0].ends_with(",seeds,per_seed,condition_rate,condition_split"));
        assert!(
            lines[1].starts_with("backdoor.asr,fraction,0.25,") && lines[1].ends_with(",0.25,")
        );
        assert!(lines[3].ends_with(",,test"), "{}", lines[3]);
    }
}
