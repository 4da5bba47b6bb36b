//! Tables as data: what stands in a cell is a measurement, not a copy of its number.

use serde::{Deserialize, Serialize};

use super::{Measurement, MeasurementKey, Published};

/// A table of the report, written to `OUT/tables/<id>.csv` too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// File name and anchor: lower-case letters, digits and `-`.
    pub id: String,
    /// Short.
    pub title: String,
    /// What is shown, and how to read it.
    #[serde(default)]
    pub caption: String,
    /// Column heads, left to right.
    pub columns: Vec<String>,
    /// One cell for each column.
    pub rows: Vec<Row>,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// From left to right.
    pub cells: Vec<Cell>,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Cell {
    /// A key of the row, such as an encoder.
    Text {
        /// As printed.
        text: String,
    },
    /// A measurement of the result, printed with its interval, seeds and published number.
    Measured {
        /// Which one.
        key: MeasurementKey,
    },
    /// Not measured, and why.
    Missing {
        /// A few words.
        reason: String,
        /// What the paper printed all the same.
        published: Option<Published>,
    },
}

impl Table {
    /// An empty table.
    pub fn new(id: &str, title: &str, columns: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: String::new(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Sets the caption.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Appends a line.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row {
            cells: cells.into_iter().collect(),
        });
    }
}

impl Cell {
    /// A text cell.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// A cell that shows `measurement`.
    pub fn measured(measurement: &Measurement) -> Self {
        Self::Measured {
            key: measurement.key(),
        }
    }

    /// A cell without a measurement.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self::Missing {
            reason: reason.into(),
            published: None,
        }
    }
}
