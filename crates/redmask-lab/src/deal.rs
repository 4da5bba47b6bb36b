//! Dealing records out to victim and shadow, whole groups at a time.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::seq::SliceRandom;
use redmask_core::{Error, GroupId, Result, SampleId, Seed, SegDataset};
use redmask_data::stratum;
use serde::{Deserialize, Serialize};

use crate::recipe::{PublishedSplit, SplitConfig};

/// Whose records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The audited model's owner.
    Victim,
    /// The adversary; the number tells shadow models apart.
    Shadow(u32),
    /// A model of a pool, by its number; each is a target and the shadow of others.
    Pool(u32),
    /// A model that saw no audited record.
    Null,
}

impl Side {
    /// For labels: `victim`, `shadow`, `shadow 2`.
    pub fn describe(self) -> String {
        match self {
            Self::Victim => "victim".to_owned(),
            Self::Shadow(0) => "shadow".to_owned(),
            Self::Shadow(i) => format!("shadow {}", i + 1),
            Self::Pool(i) => format!("pool model {i}"),
            Self::Null => "null victim".to_owned(),
        }
    }

    /// The node of the seed tree for everything this side trains.
    pub fn seed(self, root: &Seed) -> Seed {
        match self {
            Self::Victim => root.child("victim"),
            Self::Shadow(i) => root.child("shadow").index(i.into()),
            Self::Pool(i) => root.child("pool").index(i.into()),
            Self::Null => root.child("pool").child("null"),
        }
    }
}

/// Members and held-out records of one model, as positions in the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealt {
    /// The training set.
    pub members: Vec<usize>,
    /// Records of the same side that the model does not see.
    pub held_out: Vec<usize>,
}

/// The shuffled groups of a data set, cut into a victim's and a shadow's half.
#[derive(Debug, Clone)]
pub struct Deal {
    victim: Half,
    shadows: Vec<Half>,
}

/// The records of a half in dealing order, with the group of each.
#[derive(Debug, Clone)]
struct Half {
    records: Vec<usize>,
    groups: Vec<usize>,
    /// Where a published split ends its training records; neither set crosses it.
    boundary: Option<usize>,
}

impl Deal {
    /// Shuffles and cuts. The same data, pool and seed give the same halves in every recipe.
    ///
    /// # Errors
    /// If the data set has fewer records than the recipe needs.
    pub fn new(
        dataset: &dyn SegDataset,
        config: &SplitConfig,
        largest_train: usize,
        root: &Seed,
    ) -> Result<Self> {
        let needed = config.needed(largest_train);
        if dataset.len() < needed {
            return Err(Error::config(
                format!("data role {}", config.data),
                format!(
                    "it has {} records, the recipe needs {needed}",
                    dataset.len()
                ),
            )
            .with_hint(
                "bind a larger data set, or lower split.train and split.held_out in a recipe of your own",
            ));
        }
        let seed = root.child("split");
        let order = stratified_order(dataset, &seed);
        if let Some(published) = &config.published {
            return Self::published(dataset, &order, published);
        }
        let pool = config.pool.unwrap_or(dataset.len());
        let mut half = vec![Vec::new(), Vec::new()];
        let mut taken = 0;
        for group in order {
            // A group that crosses the middle stays whole on the victim's side.
            let side = usize::from(!config.one_sided && taken >= pool / 2);
            taken += group.len();
            half[side].push(group);
            if taken >= pool {
                break;
            }
        }
        let shadow_groups = half.pop().unwrap_or_default();
        let victim = Half::new(half.pop().unwrap_or_default());
        let shadows = (0..config.shadows)
            .map(|i| {
                let mut groups = shadow_groups.clone();
                if i > 0 {
                    groups.shuffle(&mut seed.child("shadow").index(i as u64).rng());
                }
                Half::new(groups)
            })
            .collect();
        Ok(Self { victim, shadows })
    }

    /// The victim's records alone: those of the training splits, then those of the held-out ones, each in the dealt order.
    ///
    /// # Errors
    /// If the data set has no split of a name.
    fn published(
        dataset: &dyn SegDataset,
        order: &[Vec<usize>],
        published: &PublishedSplit,
    ) -> Result<Self> {
        let there: BTreeSet<String> = (0..dataset.len())
            .map(|record| dataset.id(record).split().to_owned())
            .collect();
        let named = published.train.iter().chain(&published.held_out);
        if let Some(missing) = named.into_iter().find(|name| !there.contains(*name)) {
            let there: Vec<String> = there.into_iter().collect();
            return Err(Error::config(
                "split.published",
                format!("the data set has no split `{missing}`"),
            )
            .with_hint(format!("it has {}", there.join(", "))));
        }
        let of = |splits: &[String]| -> Vec<Vec<usize>> {
            let inside = |record: &usize| {
                let id = dataset.id(*record);
                splits.iter().any(|split| split == id.split())
            };
            let groups = order.iter();
            groups
                .map(|group| group.iter().copied().filter(inside).collect())
                .filter(|group: &Vec<usize>| !group.is_empty())
                .collect()
        };
        let mut groups = of(&published.train);
        let trained = groups.iter().map(Vec::len).sum();
        groups.extend(of(&published.held_out));
        let victim = Half {
            boundary: Some(trained),
            ..Half::new(groups)
        };
        Ok(Self {
            victim,
            shadows: Vec::new(),
        })
    }

    /// `train` records from the front of a side, and `held_out` from its back. Where groups have several records, those
    /// of a group on both sides of a cut are left out of the held-out set.
    ///
    /// # Errors
    /// If the side has too few records, which happens when large groups are cut.
    pub fn records(&self, side: Side, train: usize, held_out: usize) -> Result<Dealt> {
        let half = self.half(side)?;
        half.cut(train, held_out).ok_or_else(|| {
            Error::config(
                "split",
                format!(
                    "the {} has {} records, too few for {train} to train on and {held_out} held out of other groups",
                    side.describe(),
                    half.records.len()
                ),
            )
        })
    }

    /// `count` records of a side that are neither trained on nor held out: those before the held-out ones, from the back. No
    /// group is shared with either.
    ///
    /// # Errors
    /// If the side has too few records.
    pub fn reference(
        &self,
        side: Side,
        train: usize,
        held_out: usize,
        count: usize,
    ) -> Result<Vec<usize>> {
        let half = self.half(side)?;
        half.middle(train, held_out, count).ok_or_else(|| {
            Error::config(
                "split.reference",
                format!(
                    "the {} has {} records, too few for {count} of reference beside {train} to train on and {held_out} held \
                     out, all of other groups",
                    side.describe(),
                    half.records.len()
                ),
            )
        })
    }

    fn half(&self, side: Side) -> Result<&Half> {
        let half = match side {
            Side::Victim => Some(&self.victim),
            Side::Shadow(i) => self.shadows.get(i as usize),
            Side::Pool(_) | Side::Null => None,
        };
        half.ok_or_else(|| Error::Internal(format!("no side {}", side.describe())))
    }
}

impl Half {
    fn new(groups: Vec<Vec<usize>>) -> Self {
        let numbers = groups
            .iter()
            .enumerate()
            .flat_map(|(g, records)| std::iter::repeat_n(g, records.len()));
        Self {
            groups: numbers.collect(),
            records: groups.concat(),
            boundary: None,
        }
    }

    fn cut(&self, train: usize, held_out: usize) -> Option<Dealt> {
        let apart = self
            .boundary
            .is_none_or(|boundary| train <= boundary && held_out <= self.records.len() - boundary);
        if !apart {
            return None;
        }
        let members = self.records.get(..train)?.to_vec();
        let last_group = *self.groups.get(train.checked_sub(1)?)?;
        let first_free = self.groups.partition_point(|&g| g <= last_group);
        let free = &self.records[first_free..];
        let start = free.len().checked_sub(held_out)?;
        Some(Dealt {
            members,
            held_out: free[start..].iter().rev().copied().collect(),
        })
    }

    fn middle(&self, train: usize, held_out: usize, count: usize) -> Option<Vec<usize>> {
        let last_group = *self.groups.get(train.checked_sub(1)?)?;
        let first_free = self.groups.partition_point(|&g| g <= last_group);
        let held_out_from = self.records.len().checked_sub(held_out)?;
        let first_held_out = *self.groups.get(held_out_from)?;
        let end = self.groups.partition_point(|&g| g < first_held_out);
        let start = end.checked_sub(count).filter(|s| *s >= first_free)?;
        Some(self.records[start..end].iter().rev().copied().collect())
    }
}

/// Whole groups in a seeded order of which every stretch holds its share of each stratum (see [`stratum`]): a drive or a
/// hospital is spread over all sides.
pub(crate) fn stratified_order(dataset: &dyn SegDataset, seed: &Seed) -> Vec<Vec<usize>> {
    let mut strata: BTreeMap<String, BTreeMap<GroupId, Vec<usize>>> = BTreeMap::new();
    for i in 0..dataset.len() {
        let group = dataset.group(i);
        let groups = strata.entry(stratum(&group).to_owned()).or_default();
        groups.entry(group).or_default().push(i);
    }
    let mut placed: Vec<(f64, Vec<usize>)> = Vec::new();
    for (name, groups) in strata {
        let mut rng = seed.child(&name).rng();
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.shuffle(&mut rng);
        let n = groups.len() as f64;
        for (i, group) in groups.into_iter().enumerate() {
            placed.push(((i as f64 + rng.random::<f64>()) / n, group));
        }
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    placed.into_iter().map(|(_, group)| group).collect()
}

/// What a split stage writes, for people and for other tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitFile {
    /// Records by side.
    pub sides: BTreeMap<String, SideFile>,
}

/// The records of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFile {
    /// Training records, in dealing order; smaller training sets are prefixes.
    pub members: Vec<SampleId>,
    /// Held-out records, in dealing order; audited sets are prefixes.
    pub held_out: Vec<SampleId>,
}

#[cfg(test)]
pub(crate) mod numbered {
    use redmask_core::{ClassKind, ClassTable, Fingerprint, Sample};

    use super::*;

    /// `n` records in groups of `per_group`; nothing to decode.
    pub(crate) struct Numbered {
        n: usize,
        per_group: usize,
        table: ClassTable,
    }

    impl Numbered {
        pub(crate) fn new(n: usize, per_group: usize) -> Self {
            let rows = [
                ("a", [0; 3], ClassKind::Stuff),
                ("b", [1; 3], ClassKind::Thing),
            ];
            Self {
                n,
                per_group,
                table: ClassTable::from_rows(&rows),
            }
        }
    }

    impl SegDataset for Numbered {
        fn len(&self) -> usize {
            self.n
        }
        fn class_table(&self) -> &ClassTable {
            &self.table
        }
        fn channels(&self) -> usize {
            3
        }
        fn id(&self, index: usize) -> SampleId {
            let split = if index.is_multiple_of(4) {
                "test"
            } else {
                "train"
            };
            SampleId::new(split, &index.to_string())
        }
        fn group(&self, index: usize) -> GroupId {
            let group = index / self.per_group;
            GroupId(format!("drive{}:{group}", group % 3))
        }
        fn sample(&self, _: usize) -> Result<Sample> {
            Err(Error::Internal("nothing to decode".into()))
        }
        fn fingerprint(&self) -> Fingerprint {
            Fingerprint::of(b"numbered")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::numbered::Numbered;
    use super::*;

    fn config(train: usize, held_out: usize) -> SplitConfig {
        SplitConfig {
            data: "d".into(),
            pool: Some(100),
            train,
            held_out,
            shadows: 2,
            audited: None,
            reference: 0,
            one_sided: false,
            published: None,
        }
    }

    fn all(dealt: &Dealt) -> BTreeSet<usize> {
        dealt
            .members
            .iter()
            .chain(&dealt.held_out)
            .copied()
            .collect()
    }

    #[test]
    fn victim_and_shadow_share_nothing_and_all_is_seeded() {
        let data = Numbered::new(120, 1);
        let deal = |seed| Deal::new(&data, &config(30, 20), 30, &Seed::root(seed)).unwrap();
        let victim = deal(0).records(Side::Victim, 30, 20).unwrap();
        let shadow = deal(0).records(Side::Shadow(0), 30, 20).unwrap();
        let second = deal(0).records(Side::Shadow(1), 30, 20).unwrap();
        assert_eq!((victim.members.len(), victim.held_out.len()), (30, 20));
        assert_eq!(all(&victim).len(), 50);
        assert!(all(&victim).is_disjoint(&all(&shadow)));
        assert_eq!(all(&shadow), all(&second));
        assert_ne!(shadow.members, second.members);
        assert_eq!(victim, deal(0).records(Side::Victim, 30, 20).unwrap());
        assert_ne!(victim, deal(1).records(Side::Victim, 30, 20).unwrap());
    }

    #[test]
    fn without_a_shadow_everything_is_the_victim_s() {
        let data = Numbered::new(100, 1);
        let one_sided = SplitConfig {
            one_sided: true,
            pool: None,
            ..config(70, 30)
        };
        let deal = Deal::new(&data, &one_sided, 70, &Seed::root(0)).unwrap();
        let victim = deal.records(Side::Victim, 70, 30).unwrap();
        assert_eq!(all(&victim).len(), 100);
        assert!(deal.records(Side::Shadow(0), 1, 1).is_err());
    }

    #[test]
    fn a_published_split_is_kept() {
        let data = Numbered::new(100, 10);
        let split = |name: &str| vec![name.to_owned()];
        let config = SplitConfig {
            one_sided: true,
            pool: None,
            published: Some(PublishedSplit {
                train: split("train"),
                held_out: split("test"),
            }),
            ..config(75, 25)
        };
        let deal = Deal::new(&data, &config, 75, &Seed::root(0)).unwrap();
        let victim = deal.records(Side::Victim, 75, 25).unwrap();
        assert_eq!((victim.members.len(), victim.held_out.len()), (75, 25));
        assert!(victim.members.iter().all(|r| r % 4 != 0));
        assert!(victim.held_out.iter().all(|r| r % 4 == 0));
        // Neither set takes records of the other's split, however many are asked for.
        assert!(deal.records(Side::Victim, 76, 10).is_err());
        assert!(deal.records(Side::Victim, 10, 26).is_err());
        let fewer = deal.records(Side::Victim, 40, 10).unwrap();
        assert_eq!(fewer.members, victim.members[..40]);
        let misspelt = SplitConfig {
            published: Some(PublishedSplit {
                train: split("train"),
                held_out: split("tset"),
            }),
            ..config.clone()
        };
        let error = Deal::new(&data, &misspelt, 75, &Seed::root(0)).unwrap_err();
        assert!(error.to_string().contains("no split `tset`"), "{error}");
    }

    #[test]
    fn a_sweep_over_sizes_keeps_its_held_out_records() {
        let data = Numbered::new(100, 1);
        let deal = Deal::new(&data, &config(10, 10), 40, &Seed::root(0)).unwrap();
        let small = deal.records(Side::Victim, 10, 10).unwrap();
        let large = deal.records(Side::Victim, 40, 10).unwrap();
        assert_eq!(small.members, large.members[..10]);
        assert_eq!(small.held_out, large.held_out);
        // Fewer held-out records are a prefix as well.
        let fewer = deal.records(Side::Victim, 10, 4).unwrap();
        assert_eq!(fewer.held_out, small.held_out[..4]);
    }

    #[test]
    fn no_group_is_on_two_sides() {
        let data = Numbered::new(100, 7);
        let deal = Deal::new(&data, &config(20, 10), 20, &Seed::root(0)).unwrap();
        let groups =
            |records: &[usize]| -> BTreeSet<usize> { records.iter().map(|r| r / 7).collect() };
        let victim = deal.records(Side::Victim, 20, 10).unwrap();
        let shadow = deal.records(Side::Shadow(0), 20, 10).unwrap();
        let sets = [
            &victim.members,
            &victim.held_out,
            &shadow.members,
            &shadow.held_out,
        ];
        for (i, a) in sets.iter().enumerate() {
            for b in &sets[i + 1..] {
                assert!(groups(a).is_disjoint(&groups(b)));
            }
        }
    }

    #[test]
    fn reference_records_are_nobody_elses() {
        for per_group in [1, 3] {
            let data = Numbered::new(100, per_group);
            let config = SplitConfig {
                reference: 12,
                ..config(18, 12)
            };
            let deal = Deal::new(&data, &config, 18, &Seed::root(0)).unwrap();
            for side in [Side::Victim, Side::Shadow(0), Side::Shadow(1)] {
                let dealt = deal.records(side, 18, 12).unwrap();
                let reference = deal.reference(side, 18, 12, 12).unwrap();
                assert_eq!(reference.len(), 12);
                let groups = |records: &[usize]| -> BTreeSet<usize> {
                    records.iter().map(|r| r / per_group).collect()
                };
                assert!(groups(&reference).is_disjoint(&groups(&dealt.members)));
                assert!(groups(&reference).is_disjoint(&groups(&dealt.held_out)));
                assert!(deal.reference(side, 18, 12, 40).is_err());
            }
            let victim = deal.reference(Side::Victim, 18, 12, 12).unwrap();
            let shadow = deal.reference(Side::Shadow(0), 18, 12, 12).unwrap();
            assert!(victim.iter().all(|r| !shadow.contains(r)));
        }
    }

    #[test]
    fn every_side_gets_its_share_of_each_stratum() {
        let data = Numbered::new(300, 2);
        let config = SplitConfig {
            pool: None,
            ..config(60, 30)
        };
        let deal = Deal::new(&data, &config, 60, &Seed::root(5)).unwrap();
        for side in [Side::Victim, Side::Shadow(0)] {
            let dealt = deal.records(side, 60, 30).unwrap();
            for set in [&dealt.members, &dealt.held_out] {
                for drive in 0..3 {
                    let share = set.iter().filter(|&&r| r / 2 % 3 == drive).count() as f64;
                    let share = share / set.len() as f64;
                    assert!((share - 1.0 / 3.0).abs() < 0.12, "{share}");
                }
            }
        }
    }

    #[test]
    fn too_few_records_are_said() {
        let data = Numbered::new(40, 1);
        let error = Deal::new(&data, &config(30, 20), 30, &Seed::root(0)).unwrap_err();
        assert!(error.to_string().contains("40 records"), "{error}");
        let tight = Numbered::new(100, 25);
        let deal = Deal::new(&tight, &config(30, 20), 30, &Seed::root(0)).unwrap();
        let error = deal.records(Side::Victim, 30, 20).unwrap_err();
        assert!(error.to_string().contains("too few"), "{error}");
    }
}
