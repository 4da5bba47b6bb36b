//! Saved predictions of any model: a folder that other tools can write, read as a [`redmask_core::Predictor`].
//!
//! ```text
//! DIR/predictions.toml
//! DIR/<split>/<stem>.npy     f32, [k, h, w], at the size of the labels
//! DIR/<split>/<stem>.png     instead, where only labels are known
//! ```
//!
//! ```toml
//! scores = "logits"                      # or "probabilities", or "labels"
//! classes = ["background", "polyp"]      # the order of the planes, or of the label ids
//! model = "b3:..."                       # optional: where the predictions come from
//! ```
//!
//! A binary model may write one plane, `[1, h, w]`: the logit or probability of the second class.

mod reader;
mod writer;

use redmask_core::{Error, Result, SampleId, ScoreKind};
use serde::{Deserialize, Serialize};

pub use reader::PredictionFolder;
pub use writer::PredictionWriter;

/// The name of the description in a folder of predictions.
pub const DESCRIPTION: &str = "predictions.toml";

/// What the files of a folder of predictions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PredictionKind {
    /// Unnormalised class scores.
    Logits,
    /// Class probabilities.
    Probabilities,
    /// Class ids only.
    Labels,
}

impl From<ScoreKind> for PredictionKind {
    fn from(kind: ScoreKind) -> Self {
        match kind {
            ScoreKind::Logits => Self::Logits,
            ScoreKind::Probabilities => Self::Probabilities,
        }
    }
}

/// `predictions.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionDescription {
    /// What the files hold.
    pub scores: PredictionKind,
    /// Class names in the order of planes or ids. Without it the data set's order is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// The model they come from, a hash by custom; shown in reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// `split/stem` as a relative path without extension. Ids come from data sets and could point anywhere.
fn relative(id: &SampleId) -> Result<&str> {
    let sound = id
        .as_str()
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'));
    if sound {
        Ok(id.as_str())
    } else {
        Err(Error::config(
            format!("record `{id}`"),
            "its id cannot be a file name",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_the_folder() {
        for id in ["../x", "/etc/passwd", "a/../../b", "a\\b/c", "a//b"] {
            assert!(relative(&SampleId::from(id.to_owned())).is_err(), "{id}");
        }
        assert_eq!(relative(&SampleId::new("test", "7.b")).unwrap(), "test/7.b");
    }
}
