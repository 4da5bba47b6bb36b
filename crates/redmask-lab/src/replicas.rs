//! Mislabelled replicas: poison that makes a record's membership easier to see (Tramer et al., CCS 2022, arXiv 2204.00032).
//!
//! Copies of an attacked record with a wrong mask go into *every* training set, whether or not the clean record does. A
//! model that never saw the clean record believes the wrong mask; one that did must hold both against each other. The
//! attack then reads the clean record only.

use std::sync::Arc;

use redmask_core::{
    ClassTable, Error, Fingerprint, FingerprintBuilder, GroupId, IGNORE, LabelMap, Result, Sample,
    SampleId, SegDataset,
};
use serde::{Deserialize, Serialize};

/// Which records are copied, how often, and what becomes of their masks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaConfig {
    /// The pool's first records: those that are attacked, and copied. No others are audited.
    pub targets: usize,
    /// Copies of each; none gives what the attack reaches without poison on the same records.
    pub copies: usize,
    /// The wrong mask.
    pub mislabel: Mislabel,
}

/// The copies of one training: which records of the data set they are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replicas {
    /// How often, and with which masks.
    pub config: ReplicaConfig,
    /// Positions in the data set.
    #[serde(skip)]
    pub records: Vec<usize>,
}

/// How a mask is made wrong. Ignored pixels stay ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mislabel {
    /// The two most frequent classes of the mask change places; of a single class every pixel becomes the next class.
    ClassSwap,
    /// Class `k` becomes `k + 1`, the last one the first. With two classes this swaps them.
    LabelShift,
    /// Every pixel is of class 0.
    EmptyMask,
}

impl ReplicaConfig {
    pub(crate) fn validate(&self, at: &str, records: usize) -> Result<()> {
        if !(4..=records).contains(&self.targets) {
            return Err(Error::config(
                format!("{at}.targets"),
                format!("must be 4 to the pool's {records} records"),
            ));
        }
        if self.copies > 64 {
            return Err(Error::config(format!("{at}.copies"), "must be 64 or fewer"));
        }
        Ok(())
    }
}

impl Mislabel {
    /// The wrong mask, for a data set of `classes` classes.
    pub fn apply(self, labels: &LabelMap, classes: usize) -> LabelMap {
        let classes = classes.clamp(1, usize::from(IGNORE)) as u8;
        let next = |k: u8| if k + 1 < classes { k + 1 } else { 0 };
        let map = |new: &dyn Fn(u8) -> u8| {
            let data = labels.data().iter();
            let data = data.map(|&k| if k == IGNORE { k } else { new(k) });
            LabelMap::new(labels.height(), labels.width(), data.collect())
        };
        match self {
            Self::LabelShift => map(&next),
            Self::EmptyMask => map(&|_| 0),
            Self::ClassSwap => {
                let mut counts = [0usize; 256];
                for &k in labels.data().iter().filter(|&&k| k != IGNORE) {
                    counts[usize::from(k)] += 1;
                }
                let mut present: Vec<u8> = (0..IGNORE)
                    .filter(|&k| counts[usize::from(k)] > 0)
                    .collect();
                // Ties go to the lower class: the sort is stable.
                present.sort_by_key(|&k| std::cmp::Reverse(counts[usize::from(k)]));
                match present[..] {
                    [a, b, ..] => map(&|k| match k {
                        k if k == a => b,
                        k if k == b => a,
                        k => k,
                    }),
                    _ => map(&next),
                }
            }
        }
    }
}

/// A training set with mislabelled copies of some records behind it.
#[derive(Clone)]
pub(crate) struct WithReplicas<D> {
    clean: D,
    source: Arc<dyn SegDataset>,
    /// Positions in the source.
    targets: Vec<usize>,
    copies: usize,
    mislabel: Mislabel,
}

impl<D: SegDataset> WithReplicas<D> {
    /// `clean` and, behind it, the copies of the records at `targets` of `source`.
    pub(crate) fn new(
        clean: D,
        source: Arc<dyn SegDataset>,
        targets: Vec<usize>,
        config: &ReplicaConfig,
    ) -> Self {
        Self {
            clean,
            source,
            targets,
            copies: config.copies,
            mislabel: config.mislabel,
        }
    }

    /// The target and the number of the copy, or `None` for a clean record.
    fn replica(&self, index: usize) -> Option<(usize, usize)> {
        let at = index.checked_sub(self.clean.len())?;
        Some((self.targets[at / self.copies], at % self.copies))
    }
}

impl<D: SegDataset> SegDataset for WithReplicas<D> {
    fn len(&self) -> usize {
        self.clean.len() + self.targets.len() * self.copies
    }

    fn class_table(&self) -> &ClassTable {
        self.source.class_table()
    }

    fn channels(&self) -> usize {
        self.source.channels()
    }

    fn id(&self, index: usize) -> SampleId {
        match self.replica(index) {
            Some((target, copy)) => {
                SampleId::from(format!("{}~{}", self.source.id(target), copy + 1))
            }
            None => self.clean.id(index),
        }
    }

    fn group(&self, index: usize) -> GroupId {
        match self.replica(index) {
            Some((target, _)) => self.source.group(target),
            None => self.clean.group(index),
        }
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let Some((target, _)) = self.replica(index) else {
            return self.clean.sample(index);
        };
        let mut sample = self.source.sample(target)?;
        sample.labels = self
            .mislabel
            .apply(&sample.labels, self.source.class_table().len());
        // Instances belong to the true mask.
        sample.instances = None;
        sample.id = self.id(index);
        Ok(sample)
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder.part("clean", self.clean.fingerprint().to_hex().as_bytes());
        builder.part("copies", &self.copies.to_le_bytes());
        builder.part("mislabel", format!("{:?}", self.mislabel).as_bytes());
        for &target in &self.targets {
            builder.part("target", self.source.id(target).as_str().as_bytes());
        }
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::Subset;
    use redmask_data::{OpenOptions, open};

    use super::*;

    #[test]
    fn masks_are_made_wrong_by_hand() {
        let mask = LabelMap::new(1, 6, vec![0, 0, 0, 2, 2, IGNORE]);
        let of = |mislabel: Mislabel| mislabel.apply(&mask, 3).data().to_vec();
        assert_eq!(of(Mislabel::ClassSwap), [2, 2, 2, 0, 0, IGNORE]);
        assert_eq!(of(Mislabel::LabelShift), [1, 1, 1, 0, 0, IGNORE]);
        assert_eq!(of(Mislabel::EmptyMask), [0, 0, 0, 0, 0, IGNORE]);
        let plain = LabelMap::new(1, 2, vec![0, 0]);
        assert_eq!(Mislabel::ClassSwap.apply(&plain, 2).data(), [1, 1]);
    }

    #[test]
    fn copies_stand_behind_the_clean_records() {
        let spec = "polyp:3?count=8".parse().unwrap();
        let options = OpenOptions {
            size: Some((16, 16)),
            ..OpenOptions::default()
        };
        let source = open(&spec, &options).unwrap();
        let clean = Subset::new(source.clone(), vec![5, 6]).unwrap();
        let config = ReplicaConfig {
            targets: 4,
            copies: 2,
            mislabel: Mislabel::LabelShift,
        };
        let data = WithReplicas::new(clean, source.clone(), vec![0, 5], &config);
        assert_eq!(data.len(), 6);
        assert_eq!(data.id(1), source.id(6));
        let (copy, original) = (data.sample(4).unwrap(), source.sample(5).unwrap());
        assert_eq!(copy.image, original.image);
        assert_eq!(copy.group, original.group);
        assert_ne!(copy.labels, original.labels);
        assert_eq!(copy.id.as_str(), format!("{}~1", original.id));
        let ids: std::collections::BTreeSet<_> = (0..6).map(|i| data.id(i)).collect();
        assert_eq!(ids.len(), 6);
    }
}
