//! What a recipe shows: tables, figures, and the numbers a paper printed.

use redmask_report::schema::Condition;
use serde::{Deserialize, Serialize};

/// A table: one row for each distinct combination of `rows`, in the order of the audits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Names the CSV file.
    pub id: String,
    /// Heads the table.
    pub title: String,
    /// What is shown and how to read it.
    #[serde(default)]
    pub caption: String,
    /// Conditions that make a row: `victim`, `shadow`, `attack`, `train_records`, ...
    pub rows: Vec<String>,
    /// Measurement names; `{attack}` stands for the row's attack.
    pub columns: Vec<String>,
}

/// A figure of the paper that is drawn again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FigureConfig {
    /// A bar for each pair of victim and shadow, a panel for each attack.
    Bars {
        /// Anchor in the report.
        id: String,
        /// Heads the figure.
        title: String,
        /// The last part of the measurement's name, such as `accuracy`.
        metric: String,
    },
    /// One measurement against another over a sweep.
    Scatter {
        /// Anchor in the report.
        id: String,
        /// Heads the figure.
        title: String,
        /// The measurement on the horizontal axis.
        x: String,
        /// The last part of the name of the measurement on the vertical axis.
        y: String,
        /// The condition written beside each point.
        label: String,
    },
    /// A metric of every attack on pools against a numeric condition: `shadows`, `train_records`, `width`, `copies`.
    Sweep {
        /// Anchor in the report.
        id: String,
        /// Heads the figure.
        title: String,
        /// The condition on the horizontal axis.
        x: String,
        /// The last part of the measurement's name, such as `auc`.
        metric: String,
    },
    /// The leak against the utility, one point for each defence, under adversaries who know it.
    TradeOff {
        /// Anchor in the report.
        id: String,
        /// Heads the figure.
        title: String,
        /// The last part of the name of the attacks' measurement, such as `auc`.
        metric: String,
    },
    /// Utility above the success of one attack, a group for each defence and adversary.
    Defences {
        /// Anchor in the report.
        id: String,
        /// Heads the figure.
        title: String,
        /// The attack's id, such as `type_ii`.
        attack: String,
        /// The last part of the name of the attack's measurement, such as `accuracy`.
        metric: String,
    },
    /// Held-out images with their truth and what models predict. Drawn on procedural data, or when pictures are asked for.
    Panels {
        /// Anchor in the report.
        id: String,
        /// Heads the figure.
        title: String,
        /// Victims by model name, a column each.
        models: Vec<String>,
        /// Rows.
        records: usize,
    },
}

/// Numbers as a paper prints them: some columns say under which conditions, the others (dotted names) what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedTable {
    /// Where they are printed.
    pub source: String,
    /// Names of conditions, and of measurements.
    pub columns: Vec<String>,
    /// One cell for each column; rates are fractions.
    pub rows: Vec<Vec<Condition>>,
}
