//! A record: one image with its labels, its identity and its group.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Image, InstanceMap, LabelMap};

/// `split/stem`, unique in a data set. Stems alone are not: data sets repeat them across split folders.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleId(String);

impl SampleId {
    /// Joins a split folder and a file stem.
    pub fn new(split: &str, stem: &str) -> Self {
        Self(format!("{split}/{stem}"))
    }

    /// The whole identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `/`, empty if there is none.
    pub fn split(&self) -> &str {
        self.0.split_once('/').map_or("", |(split, _)| split)
    }

    /// The part after the first `/`.
    pub fn stem(&self) -> &str {
        self.0
            .split_once('/')
            .map_or(self.0.as_str(), |(_, stem)| stem)
    }
}

impl From<String> for SampleId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unit that must not be torn apart by a split: a patient, a drive, a block of frames. A record on its own is
/// its own group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub String);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part of a data set its publisher put a record in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Meant for training.
    Train,
    /// Meant for model selection.
    Val,
    /// Meant for the final measurement.
    Test,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Who it is.
    pub id: SampleId,
    /// What it belongs to.
    pub group: GroupId,
    /// The picture, `[c, h, w]`.
    pub image: Image,
    /// The truth, `[h, w]`, the size of the picture.
    pub labels: LabelMap,
    /// Instance ids where the data set has them, the size of the picture.
    pub instances: Option<InstanceMap>,
    /// Metadata such as `weather` or `city`, by name.
    pub attributes: BTreeMap<String, String>,
}
