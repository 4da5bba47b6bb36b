//! A table with its measurements looked up: what text, CSV and HTML print alike.

use crate::number::Style;
use crate::schema::{Cell, Measurement, Published, Results, Table};

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) label: String,
    /// Whether it holds measurements, and how they are written.
    pub(crate) style: Option<Style>,
    /// Whether a published number stands beside any of them.
    pub(crate) published: bool,
}

/// A cell with its measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Entry<'a> {
    Text(&'a str),
    Measured(&'a Measurement),
    Missing {
        reason: &'a str,
        published: Option<&'a Published>,
    },
}

impl<'a> Entry<'a> {
    pub(crate) fn published(self) -> Option<&'a Published> {
        match self {
            Self::Text(_) => None,
            Self::Measured(m) => m.published.as_ref(),
            Self::Missing { published, .. } => published,
        }
    }

    /// Measured minus published.
    pub(crate) fn difference(self) -> Option<f64> {
        match self {
            Self::Measured(m) => m.published.as_ref().map(|p| m.value - p.value),
            _ => None,
        }
    }
}

/// A table ready to print.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid<'a> {
    pub(crate) table: &'a Table,
    pub(crate) heads: Vec<Head>,
    pub(crate) rows: Vec<Vec<Entry<'a>>>,
}

impl<'a> Grid<'a> {
    /// Looks up every cell. A key that is not in `results` reads as missing; checked report data has none.
    pub(crate) fn of(table: &'a Table, results: &'a Results) -> Self {
        let entry = |cell: &'a Cell| match cell {
            Cell::Text { text } => Entry::Text(text),
            Cell::Measured { key } => results.by_key(key).map_or(
                Entry::Missing {
                    reason: "not in the result",
                    published: None,
                },
                Entry::Measured,
            ),
            Cell::Missing { reason, published } => Entry::Missing {
                reason,
                published: published.as_ref(),
            },
        };
        let rows: Vec<Vec<_>> = table
            .rows
            .iter()
            .map(|row| row.cells.iter().map(entry).collect())
            .collect();
        let head = |(i, label): (usize, &String)| {
            let column = || {
                rows.iter()
                    .filter_map(move |row: &Vec<Entry<'a>>| row.get(i).copied())
            };
            let measured = column().find_map(|entry| match entry {
                Entry::Measured(m) => Some(Style::of(m)),
                _ => None,
            });
            let missing = column().any(|entry| matches!(entry, Entry::Missing { .. }));
            Head {
                label: label.clone(),
                style: measured.or(missing.then_some(Style::Decimal(3))),
                published: column().any(|entry| entry.published().is_some()),
            }
        };
        let heads = table.columns.iter().enumerate().map(head).collect();
        Self { table, heads, rows }
    }
}
