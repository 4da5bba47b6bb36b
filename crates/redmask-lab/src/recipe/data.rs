//! Which data a recipe needs, and how records are dealt out.

use redmask_core::{Error, Result};
use redmask_data::DataSpec;
use serde::{Deserialize, Serialize};

/// A data set that a recipe names by its role and the command line binds to files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRole {
    /// What the recipe was written for, for people: `MSD Task03 liver, axial slices`.
    pub expected: String,
    /// The readers whose data is what the recipe was written for; any other is a substitution, and said in the output.
    #[serde(default)]
    pub readers: Vec<String>,
    /// Height and width that every record is brought to.
    pub size: [usize; 2],
    /// What serves where the command line binds nothing.
    #[serde(default)]
    pub bind: Option<DataSpec>,
}

/// How the records of a data set become members and non-members. Victim and shadow never share a group.
///
/// The shuffled groups are cut into a victim's half and a shadow's half. In each half, training sets are taken from
/// the front and held-out sets from the back, so a sweep over training-set sizes keeps its held-out records, and equal
/// sizes mean equal records in every recipe. A recipe of pools alone says no more than which data it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// The role of the data set.
    pub data: String,
    /// How many records take part; all by default.
    #[serde(default)]
    pub pool: Option<usize>,
    /// Records the victim trains on.
    #[serde(default)]
    pub train: usize,
    /// Records held out from the victim, and from its shadow.
    #[serde(default)]
    pub held_out: usize,
    /// Records of each side that are neither trained on nor audited, for defences that learn from such. They are dealt after the
    /// held-out ones, from the back, so that the other sets are the same with and without them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reference: usize,
    /// Shadow models; the second and later ones draw their training sets anew from the shadow's half.
    #[serde(default = "one")]
    pub shadows: usize,
    /// Members and non-members that attacks are trained and measured on, each; all by default.
    #[serde(default)]
    pub audited: Option<usize>,
    /// No shadow's half: every record may be the victim's. For experiments without membership attacks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_sided: bool,
    /// Keep to the data set's own split instead of dealing at random; one-sided only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedSplit>,
}

/// The splits of a data set, as the first part of its records' ids names them, that records are taken from: `train/0001` is of
/// `train`. Which of them, and in which order, still follows from the seed. Blocks of frames that a published split cuts stay cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSplit {
    /// Splits that the training records come from.
    pub train: Vec<String>,
    /// Splits that the held-out records come from.
    pub held_out: Vec<String>,
}

impl PublishedSplit {
    fn validate(&self) -> Result<()> {
        for (key, splits) in [("train", &self.train), ("held_out", &self.held_out)] {
            if splits.is_empty() {
                let at = format!("split.published.{key}");
                return Err(Error::config(at, "names no split"));
            }
        }
        match self.train.iter().find(|name| self.held_out.contains(name)) {
            Some(both) => Err(Error::config(
                "split.published",
                format!("`{both}` is both trained on and held out"),
            )),
            None => Ok(()),
        }
    }
}

fn one() -> usize {
    1
}

/// Splits without reference records are written as they were before there were any, and keep their names in the store.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference"
)]
fn is_zero(records: &usize) -> bool {
    *records == 0
}

impl SplitConfig {
    /// Records in each of the two audited sets of a side whose training set has `train` records.
    pub fn audited_of(&self, train: usize) -> usize {
        self.audited
            .unwrap_or(usize::MAX)
            .min(train)
            .min(self.held_out)
    }

    pub(super) fn validate(&self, largest_train: usize) -> Result<()> {
        let positive = |key: &str, value: usize| {
            if value == 0 {
                return Err(Error::config(format!("split.{key}"), "must be at least 1"));
            }
            Ok(())
        };
        positive("train", self.train)?;
        positive("held_out", self.held_out)?;
        positive("shadows", self.shadows)?;
        positive("audited", self.audited.unwrap_or(1))?;
        if let Some(published) = &self.published {
            published.validate()?;
            if !self.one_sided || self.pool.is_some() {
                return Err(Error::config(
                    "split.published",
                    "it needs split.one_sided = true and no split.pool: a published split has no shadow's half",
                ));
            }
        }
        let least = self.sides() * (largest_train + self.held_out + self.reference);
        match self.pool {
            Some(pool) if pool < least => Err(Error::config(
                "split.pool",
                format!(
                    "{pool} records cannot hold {} side(s) of {largest_train} + {} records",
                    self.sides(),
                    self.held_out + self.reference
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Records that the data set must have.
    pub fn needed(&self, largest_train: usize) -> usize {
        self.pool
            .unwrap_or(self.sides() * (largest_train + self.held_out + self.reference))
    }

    /// Victim and shadow, or the victim alone.
    fn sides(&self) -> usize {
        if self.one_sided { 1 } else { 2 }
    }
}
