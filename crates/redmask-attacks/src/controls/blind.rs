//! The blind control: a classifier that sees records but no model.

use std::collections::BTreeMap;

use rayon::prelude::*;
use redmask_core::{Error, GroupId, Result, Seed, SegDataset, Session};
use redmask_metrics::Interval;
use serde::{Deserialize, Serialize};

use super::describe::descriptors;
use super::permutation::{CrossValidation, permute};
use crate::membership::RecordScore;

/// Configuration of [`blind`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlindConfig {
    /// Folds of the cross-validation.
    pub folds: usize,
    /// Permutations of the membership labels that make the null distribution.
    pub permutations: usize,
    /// Nominal coverage of the interval, in `(0, 1)`.
    pub confidence: f64,
    /// Ridge penalty, as a multiple of the mean variance of a descriptor times the number of training records.
    pub shrinkage: f64,
}

impl Default for BlindConfig {
    fn default() -> Self {
        Self {
            folds: 5,
            permutations: 999,
            confidence: 0.95,
            shrinkage: 0.3,
        }
    }
}

/// What the blind classifier could tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlindOutcome {
    /// Area under the ROC curve over pairs of one fold. The interval covers 0.5 exactly if a two-sided permutation test
    /// does not reject "membership has nothing to do with the records".
    pub auc: Interval,
    /// Share of permutations that reach this area or a larger one.
    pub p_value: f64,
    /// Held-out scores as ranks within their fold, in `(0, 1)`, members first.
    pub records: Vec<RecordScore>,
    /// Number of descriptors, squares included.
    pub descriptors: usize,
    /// Number of units that were permuted.
    pub units: usize,
    /// Warnings that change the meaning of the result.
    pub warnings: Vec<String>,
}

impl BlindOutcome {
    /// Whether members and non-members differ by themselves, at the configured confidence.
    pub fn beats_chance(&self) -> bool {
        self.auc.low > 0.5
    }
}

/// Tries to tell members from non-members by their images and masks alone.
///
/// **What it can see**: colour statistics and histograms, brightness on a coarse grid, edges and their orientation at
/// four scales, JPEG blockiness, image size; class areas, position, extent and number of foreground regions, outline
/// length, and the contrast between foreground and background. **What it cannot see**: what an object is. A data set
/// whose halves differ in content alone may pass; the null victim is the second line of defence.
///
/// A ridge classifier on these descriptors and their squares is cross-validated by group. Two traps are avoided. Scores
/// of different folds come from different classifiers, so the area compares records of one fold only; pooled, a fold
/// rich in members meets a classifier trained on few, and the area falls below one half. And every fold trains on the
/// others, so held-out scores are not independent, and a bootstrap of them would be too narrow; the interval comes from
/// permutations of membership over groups instead, with a refit for each.
///
/// # Errors
/// If a side is empty, fewer than four groups take part, the configuration is out of range, a record cannot be decoded,
/// or the session is cancelled.
pub fn blind(
    members: &dyn SegDataset,
    non_members: &dyn SegDataset,
    config: &BlindConfig,
    seed: Seed,
    session: &Session,
) -> Result<BlindOutcome> {
    check(config)?;
    if members.is_empty() || non_members.is_empty() {
        return Err(Error::config("blind control", "one side has no record"));
    }
    let rows = descriptors(&[members, non_members], session)?.concat();
    let mut records = Vec::with_capacity(rows.len());
    for (data, member) in [(members, true), (non_members, false)] {
        records.extend((0..data.len()).map(|i| RecordScore {
            id: data.id(i),
            group: data.group(i),
            member,
            score: 0.0,
        }));
    }
    let mut outcome = classify(&rows, records, config, seed, session)?;
    outcome.descriptors = rows.first().map_or(0, Vec::len);
    Ok(outcome)
}

fn check(config: &BlindConfig) -> Result<()> {
    let problem = if config.folds < 2 {
        Some(("folds", "at least 2 are needed"))
    } else if config.permutations < 19 {
        Some(("permutations", "at least 19 are needed"))
    } else if !(config.confidence > 0.0 && config.confidence < 1.0) {
        Some(("confidence", "must lie strictly between 0 and 1"))
    } else if !(config.shrinkage > 0.0 && config.shrinkage.is_finite()) {
        Some(("shrinkage", "must be positive"))
    } else {
        None
    };
    match problem {
        Some((what, problem)) => Err(Error::config(format!("blind {what}"), problem)),
        None => Ok(()),
    }
}

/// What is permuted: groups, unless one has records on both sides; then records.
struct Units {
    of_record: Vec<usize>,
    member: Vec<bool>,
    warnings: Vec<String>,
}

fn units(records: &[RecordScore]) -> Units {
    let mut groups: BTreeMap<&GroupId, (usize, [bool; 2])> = BTreeMap::new();
    for record in records {
        let next = groups.len();
        let entry = groups.entry(&record.group).or_insert((next, [false; 2]));
        entry.1[usize::from(record.member)] = true;
    }
    if groups.values().any(|(_, sides)| sides[0] && sides[1]) {
        return Units {
            of_record: (0..records.len()).collect(),
            member: records.iter().map(|r| r.member).collect(),
            warnings: vec![
                "some groups have members and non-members, so the blind control cannot be split by group".to_owned(),
            ],
        };
    }
    let mut member = vec![false; groups.len()];
    for (unit, sides) in groups.values() {
        member[*unit] = sides[1];
    }
    Units {
        of_record: records.iter().map(|r| groups[&r.group].0).collect(),
        member,
        warnings: Vec::new(),
    }
}

fn classify(
    rows: &[Vec<f64>],
    mut records: Vec<RecordScore>,
    config: &BlindConfig,
    seed: Seed,
    session: &Session,
) -> Result<BlindOutcome> {
    let units = units(&records);
    let count = units.member.len();
    if count < 4 {
        return Err(Error::config(
            "blind control",
            format!("{count} groups take part, at least 4 are needed"),
        ));
    }
    let folds = config.folds.min(count / 2);
    let validation =
        CrossValidation::new(rows, &units.of_record, count, folds, config.shrinkage, seed)?;
    let member: Vec<bool> = records.iter().map(|r| r.member).collect();
    let Some(auc) = validation.auc(&member) else {
        return Err(Error::config(
            "blind control",
            "no fold holds both members and non-members; there are too few groups",
        ));
    };
    session.cancel.check()?;
    let mut null: Vec<f64> = (0..config.permutations as u64)
        .into_par_iter()
        .filter_map(|i| {
            let labels = permute(
                &units.member,
                &units.of_record,
                seed.child("permutation").index(i),
            );
            validation.auc(&labels)
        })
        .collect();
    null.sort_unstable_by(f64::total_cmp);
    let reached = null.len() - null.partition_point(|&a| a < auc);
    set_ranks(&mut records, &validation.scores(&member), folds);
    Ok(BlindOutcome {
        auc: invert_test(auc, &null, config.confidence),
        p_value: (reached + 1) as f64 / (null.len() + 1) as f64,
        records,
        descriptors: 0,
        units: count,
        warnings: units.warnings,
    })
}

/// The areas `a` for which "the null distribution, moved from 0.5 to `a`" is not rejected.
fn invert_test(auc: f64, sorted_null: &[f64], confidence: f64) -> Interval {
    // Of B permutations and the observed labelling, B + 1 exchangeable areas, k may lie strictly beyond each end.
    let k = ((1.0 - confidence) / 2.0 * (sorted_null.len() + 1) as f64).floor() as usize;
    let k = k.clamp(1, sorted_null.len());
    let (low, high) = (sorted_null[k - 1], sorted_null[sorted_null.len() - k]);
    Interval {
        value: auc,
        low: (auc - (high - 0.5)).clamp(0.0, auc),
        high: (auc + (0.5 - low)).clamp(auc, 1.0),
    }
}

fn set_ranks(records: &mut [RecordScore], scores: &[(usize, f64)], folds: usize) {
    for fold in 0..folds {
        let mut inside: Vec<usize> = (0..scores.len()).filter(|&i| scores[i].0 == fold).collect();
        inside.sort_by(|&a, &b| scores[a].1.total_cmp(&scores[b].1));
        let n = inside.len() as f64;
        let mut start = 0;
        for tied in inside.chunk_by(|&a, &b| scores[a].1 == scores[b].1) {
            let rank = start as f64 + tied.len() as f64 / 2.0;
            for &i in tied {
                records[i].score = rank / n;
            }
            start += tied.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::{ClassTable, Fingerprint, Sample, SampleId};

    use super::*;
    use crate::testing::{Discs, part};

    fn quick() -> BlindConfig {
        BlindConfig {
            permutations: 199,
            ..BlindConfig::default()
        }
    }

    /// The same records, a little brighter.
    struct Brighter<T>(T, u8);

    impl<T: SegDataset> SegDataset for Brighter<T> {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn class_table(&self) -> &ClassTable {
            self.0.class_table()
        }

        fn channels(&self) -> usize {
            self.0.channels()
        }

        fn id(&self, index: usize) -> SampleId {
            self.0.id(index)
        }

        fn group(&self, index: usize) -> GroupId {
            self.0.group(index)
        }

        fn sample(&self, index: usize) -> Result<Sample> {
            let mut sample = self.0.sample(index)?;
            for v in sample.image.data_mut() {
                *v = v.saturating_add(self.1);
            }
            Ok(sample)
        }

        fn fingerprint(&self) -> Fingerprint {
            self.0.fingerprint()
        }
    }

    /// Twenty independent data sets whose split is random: the share of intervals that cover 0.5 is near the nominal
    /// one, with single records and with groups.
    #[test]
    fn random_splits_stay_at_chance() {
        for group_size in [1, 4] {
            let mut covered = 0;
            let mut mean = 0.0;
            for seed in 0..20 {
                let data: Arc<dyn SegDataset> =
                    Arc::new(Discs::new(80, 16, group_size, Seed::root(100 + seed)));
                let outcome = blind(
                    &part(&data, 0..40),
                    &part(&data, 40..80),
                    &quick(),
                    Seed::root(seed),
                    &Session::default(),
                )
                .expect("sound records");
                covered += u32::from(outcome.auc.covers(0.5));
                mean += outcome.auc.value / 20.0;
                assert!(outcome.warnings.is_empty());
                assert_eq!(outcome.units, 80 / group_size);
            }
            assert!(covered >= 17, "groups of {group_size}: {covered} of 20");
            assert!(
                (0.44..0.56).contains(&mean),
                "groups of {group_size}: mean area {mean}"
            );
        }
    }

    #[test]
    fn a_slight_difference_in_brightness_voids_the_audit() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(120, 16, 1, Seed::root(7)));
        let members = Brighter(part(&data, 0..60), 3);
        let outcome = blind(
            &members,
            &part(&data, 60..120),
            &quick(),
            Seed::root(0),
            &Session::default(),
        )
        .expect("sound records");
        assert!(outcome.beats_chance(), "{:?}", outcome.auc);
        assert!(outcome.p_value < 0.02);
        let mean = |member| {
            let side = outcome.records.iter().filter(|r| r.member == member);
            side.map(|r| r.score).sum::<f64>() / 60.0
        };
        assert!(mean(true) > mean(false));
    }

    #[test]
    fn torn_groups_are_said() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(42, 16, 4, Seed::root(7)));
        let outcome = blind(
            &part(&data, 0..21),
            &part(&data, 21..42),
            &quick(),
            Seed::root(0),
            &Session::default(),
        )
        .expect("sound records");
        assert_eq!((outcome.units, outcome.warnings.len()), (42, 1));
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(24, 16, 1, Seed::root(7)));
        let run = |seed| {
            blind(
                &part(&data, 0..12),
                &part(&data, 12..24),
                &quick(),
                Seed::root(seed),
                &Session::default(),
            )
            .expect("sound records")
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).records, run(2).records);
    }

    #[test]
    fn too_little_to_tell_is_an_error() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(4, 16, 2, Seed::root(7)));
        let session = Session::default();
        let (members, others) = (part(&data, 0..2), part(&data, 2..4));
        let error = blind(&members, &others, &quick(), Seed::root(0), &session);
        assert!(
            error
                .expect_err("two groups")
                .to_string()
                .contains("at least 4")
        );
        let config = BlindConfig {
            folds: 1,
            ..quick()
        };
        assert!(blind(&members, &others, &config, Seed::root(0), &session).is_err());
    }
}
