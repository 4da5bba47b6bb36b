//! What is wrong with a data set, found before hours of compute.

mod grouping;
mod phash;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use rayon::prelude::*;
use redmask_core::{Error, GroupId, IGNORE, Result, Sample, SampleId, SegDataset, Session};
use serde::Serialize;

pub use phash::PerceptualHash;

/// When two pictures count as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckOptions {
    /// Largest distance of perceptual hashes, bits.
    pub max_hash_distance: u32,
    /// Smallest correlation of 32 x 32 grey thumbnails.
    pub min_correlation: f32,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            max_hash_distance: 10,
            min_correlation: 0.95,
        }
    }
}

/// The outcome of [`check`]. Everything is in a fixed order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// Records the reader found.
    pub records: usize,
    /// Records that cannot be decoded, with the reason.
    pub unreadable: Vec<Unreadable>,
    /// Records of each published split.
    pub splits: BTreeMap<String, usize>,
    /// Number of groups.
    pub groups: usize,
    /// Records of each size, `HEIGHTxWIDTH`.
    pub sizes: BTreeMap<String, usize>,
    /// One row a class, in id order.
    pub classes: Vec<ClassFrequency>,
    /// Share of all pixels without a class.
    pub ignored: f64,
    /// Records with no labelled pixel at all.
    pub unlabelled: Vec<SampleId>,
    /// Pictures that look alike although a split by group may separate them.
    pub near_duplicates: Vec<NearDuplicate>,
    /// What would keep the near-duplicates together: sets of records that should be one group each, whole groups of the
    /// data set joined by what looks alike in them. A reader's rule (`[groups]` of the reader `folder`) can say so.
    pub suggested_groups: Vec<Vec<SampleId>>,
    /// Groups with records in more than one published split.
    pub leaking_groups: Vec<LeakingGroup>,
}

/// A record that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The record.
    pub id: SampleId,
    /// The error, which names the file.
    pub problem: String,
}

/// How often a class occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFrequency {
    /// Its name.
    pub name: String,
    /// Share of the labelled pixels.
    pub share: f64,
    /// Records that show it.
    pub records: usize,
}

/// Two records of different groups that look alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearDuplicate {
    /// The first record.
    pub a: SampleId,
    /// The second record.
    pub b: SampleId,
    /// Bits in which their perceptual hashes differ.
    pub distance: u32,
    /// Correlation of their thumbnails.
    pub correlation: f32,
    /// Whether they are in different published splits.
    pub across_splits: bool,
}

/// A group that the published split tore apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeakingGroup {
    /// The group.
    pub group: GroupId,
    /// Its records by split.
    pub splits: BTreeMap<String, usize>,
}

impl CheckReport {
    /// Whether every record can be used: nothing unreadable, nothing without a label.
    pub fn is_usable(&self) -> bool {
        self.unreadable.is_empty() && self.unlabelled.is_empty()
    }

    /// Whether the published splits are apart: no near-duplicate and no group in two of them.
    pub fn splits_are_apart(&self) -> bool {
        self.leaking_groups.is_empty()
            && self.near_duplicates.iter().all(|pair| !pair.across_splits)
    }

    /// Classes that no record shows.
    pub fn absent_classes(&self) -> impl Iterator<Item = &str> {
        self.classes
            .iter()
            .filter(|c| c.records == 0)
            .map(|c| c.name.as_str())
    }
}

/// What is kept of a decoded record.
struct Facts {
    size: (usize, usize),
    pixels: Vec<u64>,
    hash: PerceptualHash,
}

impl Facts {
    fn of(sample: &Sample) -> Result<Self> {
        let mut pixels = vec![0; 256];
        for &class in sample.labels.data() {
            pixels[class as usize] += 1;
        }
        Ok(Self {
            size: (sample.image.height(), sample.image.width()),
            pixels,
            hash: PerceptualHash::of(&sample.image)?,
        })
    }
}

/// Decodes every record and reports what is wrong with the set. Bad records are listed, not fatal.
///
/// # Errors
/// If the session is cancelled.
pub fn check(
    dataset: &dyn SegDataset,
    options: &CheckOptions,
    session: &Session,
) -> Result<CheckReport> {
    let facts = each(dataset, session, Facts::of)?;
    let mut sizes = BTreeMap::new();
    let mut pixels = vec![0u64; 256];
    let mut shown = vec![0; 256];
    let (mut unreadable, mut unlabelled) = (Vec::new(), Vec::new());
    for (index, outcome) in facts.iter().enumerate() {
        match outcome {
            Err(error) => unreadable.push(Unreadable {
                id: dataset.id(index),
                problem: error.to_string(),
            }),
            Ok(facts) => {
                *sizes
                    .entry(format!("{}x{}", facts.size.0, facts.size.1))
                    .or_insert(0) += 1;
                for (class, &n) in facts.pixels.iter().enumerate() {
                    pixels[class] += n;
                    shown[class] += usize::from(n > 0);
                }
                if facts.pixels[..IGNORE as usize].iter().all(|&n| n == 0) {
                    unlabelled.push(dataset.id(index));
                }
            }
        }
    }
    let labelled: u64 = pixels[..IGNORE as usize].iter().sum();
    let total = labelled + pixels[IGNORE as usize];
    let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
    let classes = dataset
        .class_table()
        .classes()
        .iter()
        .enumerate()
        .map(|(class, info)| ClassFrequency {
            name: info.name.clone(),
            share: share(pixels[class], labelled),
            records: shown[class],
        })
        .collect();
    let hashes: Vec<Option<PerceptualHash>> = facts
        .into_iter()
        .map(|outcome| outcome.ok().map(|f| f.hash))
        .collect();
    let mut splits = BTreeMap::new();
    for index in 0..dataset.len() {
        *splits
            .entry(dataset.id(index).split().to_owned())
            .or_insert(0) += 1;
    }
    let near_duplicates = duplicates_within(dataset, &hashes, *options);
    Ok(CheckReport {
        records: dataset.len(),
        unreadable,
        splits,
        groups: (0..dataset.len())
            .map(|i| dataset.group(i))
            .collect::<BTreeSet<_>>()
            .len(),
        sizes,
        classes,
        ignored: share(pixels[IGNORE as usize], total),
        unlabelled,
        suggested_groups: grouping::suggest(dataset, &near_duplicates),
        near_duplicates,
        leaking_groups: leaking_groups(dataset),
    })
}

/// Pairs of records, one of each set, that look alike: what a membership experiment must not have between members and
/// non-members.
///
/// # Errors
/// If a record cannot be decoded or the session is cancelled.
pub fn near_duplicates_between(
    a: &dyn SegDataset,
    b: &dyn SegDataset,
    options: &CheckOptions,
    session: &Session,
) -> Result<Vec<NearDuplicate>> {
    let hash = |dataset| -> Result<Vec<PerceptualHash>> {
        each(dataset, session, |sample| PerceptualHash::of(&sample.image))?
            .into_iter()
            .collect()
    };
    let (hashes_a, hashes_b) = (hash(a)?, hash(b)?);
    let found = hashes_a.par_iter().enumerate().flat_map_iter(|(i, x)| {
        hashes_b.iter().enumerate().filter_map(move |(j, y)| {
            near(x, y, *options).map(|(distance, correlation)| NearDuplicate {
                a: a.id(i),
                b: b.id(j),
                distance,
                correlation,
                across_splits: a.id(i).split() != b.id(j).split(),
            })
        })
    });
    Ok(found.collect())
}

/// Applies `of` to every record, in parallel, in order.
fn each<T: Send>(
    dataset: &dyn SegDataset,
    session: &Session,
    of: impl Fn(&Sample) -> Result<T> + Sync,
) -> Result<Vec<Result<T>>> {
    let task = Mutex::new(
        session
            .progress
            .start("check", dataset.len() as u64, "image"),
    );
    let outcomes: Vec<Result<T>> = (0..dataset.len())
        .into_par_iter()
        .map(|index| {
            session.cancel.check()?;
            let outcome = dataset.sample(index).and_then(|sample| of(&sample));
            if let Ok(mut task) = task.lock() {
                task.advance(1);
            }
            outcome
        })
        .collect();
    if outcomes
        .iter()
        .any(|o| matches!(o, Err(Error::Interrupted)))
    {
        return Err(Error::Interrupted);
    }
    Ok(outcomes)
}

fn near(x: &PerceptualHash, y: &PerceptualHash, options: CheckOptions) -> Option<(u32, f32)> {
    let distance = x.distance(y);
    // The correlation costs a hundred times as much as the distance.
    let correlation = (distance <= options.max_hash_distance).then(|| x.correlation(y))?;
    (correlation >= options.min_correlation).then_some((distance, correlation))
}

fn duplicates_within(
    dataset: &dyn SegDataset,
    hashes: &[Option<PerceptualHash>],
    options: CheckOptions,
) -> Vec<NearDuplicate> {
    let found = hashes.par_iter().enumerate().flat_map_iter(|(i, x)| {
        hashes[i + 1..]
            .iter()
            .enumerate()
            .filter_map(move |(offset, y)| {
                let (distance, correlation) = near(x.as_ref()?, y.as_ref()?, options)?;
                let j = i + 1 + offset;
                let (a, b) = (dataset.id(i), dataset.id(j));
                (dataset.group(i) != dataset.group(j)).then(|| NearDuplicate {
                    across_splits: a.split() != b.split(),
                    a,
                    b,
                    distance,
                    correlation,
                })
            })
    });
    found.collect()
}

fn leaking_groups(dataset: &dyn SegDataset) -> Vec<LeakingGroup> {
    let mut groups: BTreeMap<GroupId, BTreeMap<String, usize>> = BTreeMap::new();
    for index in 0..dataset.len() {
        let splits = groups.entry(dataset.group(index)).or_default();
        *splits
            .entry(dataset.id(index).split().to_owned())
            .or_insert(0) += 1;
    }
    groups
        .into_iter()
        .filter(|(_, splits)| splits.len() > 1)
        .map(|(group, splits)| LeakingGroup { group, splits })
        .collect()
}
