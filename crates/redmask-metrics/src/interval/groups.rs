//! Records in groups: the unit that a bootstrap draws.

use std::collections::BTreeMap;

use redmask_core::GroupId;

use crate::error::{MetricError, Result, no_nan};

/// Which group each record of one stratum belongs to. Frames of a drive and slices of a patient are not independent, so
/// a resample draws whole groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Group number of each record.
    of_record: Vec<u32>,
    /// Number of groups.
    count: u32,
}

impl Groups {
    /// Numbers the groups by their names, so that the order of records does not matter.
    pub fn new(ids: &[GroupId]) -> Self {
        let mut numbers: BTreeMap<&GroupId, u32> = ids.iter().map(|id| (id, 0)).collect();
        for (number, slot) in numbers.values_mut().enumerate() {
            *slot = number as u32;
        }
        Self {
            of_record: ids.iter().map(|id| numbers[id]).collect(),
            count: numbers.len() as u32,
        }
    }

    /// Every record is its own group.
    pub fn singletons(records: usize) -> Self {
        Self {
            of_record: (0..records as u32).collect(),
            count: records as u32,
        }
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.of_record.len()
    }

    /// Number of groups.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Group number of each record, below [`Groups::count`].
    pub fn of_record(&self) -> &[u32] {
        &self.of_record
    }
}

/// The scores of one stratum (members, or non-members) with their groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupedScores {
    scores: Vec<f64>,
    groups: Groups,
}

impl GroupedScores {
    /// Pairs scores with the groups of their records.
    ///
    /// # Errors
    /// If there is no score, a score is NaN, or the lengths differ.
    pub fn new(scores: Vec<f64>, groups: &[GroupId]) -> Result<Self> {
        Self::with_groups(scores, Groups::new(groups))
    }

    /// Scores of independent records.
    ///
    /// # Errors
    /// If there is no score or a score is NaN.
    pub fn ungrouped(scores: Vec<f64>) -> Result<Self> {
        let groups = Groups::singletons(scores.len());
        Self::with_groups(scores, groups)
    }

    fn with_groups(scores: Vec<f64>, groups: Groups) -> Result<Self> {
        if scores.is_empty() {
            return Err(MetricError::Empty("the set of scores"));
        }
        if scores.len() != groups.records() {
            return Err(MetricError::SizeMismatch {
                what: "scores and groups",
                left: scores.len().to_string(),
                right: groups.records().to_string(),
            });
        }
        no_nan("score", &scores)?;
        Ok(Self { scores, groups })
    }

    /// The scores.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Their groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_numbered_by_name() {
        let ids = ["b", "a", "b"].map(|s| GroupId(s.to_owned()));
        let groups = Groups::new(&ids);
        assert_eq!(groups.of_record(), &[1, 0, 1]);
        assert_eq!(groups.count(), 2);
    }

    #[test]
    fn scores_must_fit_their_groups() {
        let ids = [GroupId("a".to_owned())];
        assert!(GroupedScores::new(vec![0.0, 1.0], &ids).is_err());
        assert!(GroupedScores::new(vec![f64::NAN], &ids).is_err());
        assert!(GroupedScores::new(vec![], &[]).is_err());
    }
}
