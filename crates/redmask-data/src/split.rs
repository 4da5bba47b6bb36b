//! Seeded splits that never tear a group apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::seq::SliceRandom;
use redmask_core::{Error, GroupId, Result, Seed, SegDataset, Subset};
use serde::{Deserialize, Serialize};

/// The stratum a group belongs to: what stands before the last `:` of its id (`0016E5` of `0016E5:block-03`), empty if
/// there is none. Readers of drives, volumes and the like name their groups so.
pub fn stratum(group: &GroupId) -> &str {
    group.0.rsplit_once(':').map_or("", |(stratum, _)| stratum)
}

/// A part that a split shall have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartSpec {
    /// Its name: `victim-train`, `shadow-train`, `holdout`.
    pub name: String,
    /// Its number of records.
    pub count: usize,
}

/// Draws disjoint parts of named sizes from a data set, by group.
///
/// Groups are drawn in a seeded order. A part takes whole groups until it is full; what is left of its last group goes
/// to no part, so counts are exact and no group is in two parts. With strata, every part gets its share of each.
///
/// ```
/// use redmask_core::Seed;
/// use redmask_data::{GroupSplit, OpenOptions, open};
/// let scenes = open(&"polyp:0?count=10".parse()?, &OpenOptions::default())?;
/// let split = GroupSplit::new([("train", 6), ("test", 3)]).draw(&*scenes, &Seed::root(0))?;
/// assert_eq!(split.part("train")?.len(), 6);
/// assert_eq!(split.unused(), 1);
/// # Ok::<(), redmask_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSplit {
    parts: Vec<PartSpec>,
    stratified: bool,
}

impl GroupSplit {
    /// Parts by name and record count.
    pub fn new<N: Into<String>>(parts: impl IntoIterator<Item = (N, usize)>) -> Self {
        Self {
            parts: parts
                .into_iter()
                .map(|(name, count)| PartSpec {
                    name: name.into(),
                    count,
                })
                .collect(),
            stratified: false,
        }
    }

    /// Gives every part the same mix of strata (see [`stratum`]), as far as whole groups allow.
    #[must_use]
    pub fn stratified(mut self) -> Self {
        self.stratified = true;
        self
    }

    /// Draws the parts. The result depends on the seed, the records' ids and groups, and the parts, and not on anything
    /// that was decoded.
    ///
    /// # Errors
    /// If a name is used twice or the groups do not suffice.
    pub fn draw(&self, dataset: &dyn SegDataset, seed: &Seed) -> Result<Split> {
        if let Some((i, part)) = self
            .parts
            .iter()
            .enumerate()
            .find(|(i, part)| self.parts[..*i].iter().any(|p| p.name == part.name))
        {
            return Err(Error::config(
                format!("part {i} of a split"),
                format!("`{}` is used twice", part.name),
            ));
        }
        let mut strata: BTreeMap<String, BTreeMap<GroupId, Vec<usize>>> = BTreeMap::new();
        for index in 0..dataset.len() {
            let group = dataset.group(index);
            let key = if self.stratified { stratum(&group) } else { "" };
            strata
                .entry(key.to_owned())
                .or_default()
                .entry(group)
                .or_default()
                .push(index);
        }
        let mut indices = vec![Vec::new(); self.parts.len()];
        let mut spare = Vec::new();
        for (name, groups) in strata {
            let size: usize = groups.values().map(Vec::len).sum();
            let mut order: Vec<Vec<usize>> = groups.into_values().collect();
            order.shuffle(&mut seed.child("split").child(&name).rng());
            for (part, wanted) in indices.iter_mut().zip(self.quotas(size, dataset.len())) {
                let goal = part.len() + wanted;
                while part.len() < goal
                    && let Some(mut group) = order.pop()
                {
                    group.truncate(goal - part.len());
                    part.extend(group);
                }
            }
            spare.extend(order);
        }
        // Rounding of quotas and short strata leave gaps; groups that nobody took fill them.
        spare.shuffle(&mut seed.child("split-spare").rng());
        for (part, spec) in indices.iter_mut().zip(&self.parts) {
            while part.len() < spec.count
                && let Some(mut group) = spare.pop()
            {
                group.truncate(spec.count - part.len());
                part.extend(group);
            }
            if part.len() < spec.count {
                return Err(self.too_few(dataset, spec, part.len()));
            }
            part.sort_unstable();
        }
        let used: usize = indices.iter().map(Vec::len).sum();
        Ok(Split {
            parts: self
                .parts
                .iter()
                .map(|p| p.name.clone())
                .zip(indices)
                .collect(),
            unused: dataset.len() - used,
        })
    }

    /// The parts' shares of a stratum of `size` among `total` records, rounded down so that no stratum is oversold.
    fn quotas(&self, size: usize, total: usize) -> Vec<usize> {
        self.parts
            .iter()
            .map(|part| {
                if size == total {
                    part.count
                } else {
                    part.count * size / total
                }
            })
            .collect()
    }

    fn too_few(&self, dataset: &dyn SegDataset, part: &PartSpec, found: usize) -> Error {
        let wanted: usize = self.parts.iter().map(|p| p.count).sum();
        Error::config(
            format!("part `{}` of a split", part.name),
            format!(
                "{found} of {} records left: the parts ask for {wanted} of {} records, in whole groups",
                part.count,
                dataset.len()
            ),
        )
        .with_hint("ask for fewer records, or bind a larger data set")
    }
}

/// Disjoint parts of a data set: positions by part name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    parts: Vec<(String, Vec<usize>)>,
    unused: usize,
}

impl Split {
    /// The positions of a part, ascending.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn part(&self, name: &str) -> Result<&[usize]> {
        self.parts
            .iter()
            .find(|(part, _)| part == name)
            .map(|(_, indices)| indices.as_slice())
            .ok_or_else(|| Error::config("split", format!("there is no part `{name}`")))
    }

    /// A part as a data set.
    ///
    /// # Errors
    /// If there is no such part, or `dataset` is shorter than the one that was split.
    pub fn subset(&self, dataset: &Arc<dyn SegDataset>, name: &str) -> Result<Subset> {
        Subset::new(Arc::clone(dataset), self.part(name)?.to_vec())
    }

    /// All parts in the order asked for.
    pub fn parts(&self) -> &[(String, Vec<usize>)] {
        &self.parts
    }

    /// Records in no part.
    pub fn unused(&self) -> usize {
        self.unused
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use redmask_core::{ClassKind, ClassTable, Fingerprint, Sample, SampleId};

    use super::*;

    /// Records with groups and no pixels.
    struct Groups(Vec<String>, ClassTable);

    impl Groups {
        fn new(groups: Vec<String>) -> Self {
            Self(
                groups,
                ClassTable::from_rows(&[("all", [0; 3], ClassKind::Stuff)]),
            )
        }
    }

    impl SegDataset for Groups {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn class_table(&self) -> &ClassTable {
            &self.1
        }
        fn channels(&self) -> usize {
            3
        }
        fn id(&self, index: usize) -> SampleId {
            SampleId::new("all", &index.to_string())
        }
        fn group(&self, index: usize) -> GroupId {
            GroupId(self.0[index].clone())
        }
        fn sample(&self, _: usize) -> Result<Sample> {
            Err(Error::unsupported(
                "decoding",
                "these records are names only",
            ))
        }
        fn fingerprint(&self) -> Fingerprint {
            Fingerprint::of(self.0.join("\n").as_bytes())
        }
    }

    proptest! {
        #[test]
        fn parts_are_exact_disjoint_and_keep_groups(
            sizes in proptest::collection::vec((0usize..3, 1usize..7), 1..40),
            shares in (0.0f64..0.4, 0.0f64..0.4),
            stratified: bool,
            seed: u64,
        ) {
            let groups: Vec<String> = sizes.iter().enumerate()
                .flat_map(|(g, &(s, n))| vec![format!("drive{s}:block{g}"); n]).collect();
            let n = groups.len();
            let dataset = Groups::new(groups);
            let counts = [(shares.0 * n as f64) as usize, (shares.1 * n as f64) as usize];
            let mut split = GroupSplit::new([("a", counts[0]), ("b", counts[1])]);
            if stratified { split = split.stratified(); }
            // Truncated groups can make a tight request impossible; then the split must say so rather than be short.
            if let Ok(drawn) = split.draw(&dataset, &Seed::root(seed)) {
                prop_assert_eq!(&drawn, &split.draw(&dataset, &Seed::root(seed)).unwrap());
                let (a, b) = (drawn.part("a").unwrap(), drawn.part("b").unwrap());
                prop_assert_eq!([a.len(), b.len()], counts);
                let of = |part: &[usize]| part.iter().map(|&i| dataset.group(i)).collect::<BTreeSet<_>>();
                prop_assert!(of(a).is_disjoint(&of(b)));
                let unique: BTreeSet<_> = a.iter().chain(b).collect();
                prop_assert_eq!(unique.len(), a.len() + b.len());
            }
        }
    }

    #[test]
    fn strata_are_spread_over_the_parts() {
        let groups = (0..300).map(|i| format!("d{}:b{}", i % 3, i / 6)).collect();
        let dataset = Groups::new(groups);
        let split = GroupSplit::new([("train", 150), ("test", 90)])
            .stratified()
            .draw(&dataset, &Seed::root(4))
            .unwrap();
        for (_, indices) in split.parts() {
            for drive in 0..3 {
                let share = indices.iter().filter(|&&i| i % 3 == drive).count() as f64
                    / indices.len() as f64;
                assert!((share - 1.0 / 3.0).abs() < 0.05, "{share}");
            }
        }
    }

    #[test]
    fn seeds_differ_and_shortage_is_told() {
        let dataset = Groups::new((0..40).map(|i| i.to_string()).collect());
        let split = GroupSplit::new([("a", 20), ("b", 20)]);
        let draw = |seed| split.draw(&dataset, &Seed::root(seed)).unwrap();
        assert_ne!(draw(0), draw(1));
        let error = GroupSplit::new([("a", 20), ("b", 21)])
            .draw(&dataset, &Seed::root(0))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`b`") && error.contains("41 of 40"),
            "{error}"
        );
        let twice = GroupSplit::new([("a", 1), ("a", 1)]).draw(&dataset, &Seed::root(0));
        assert!(twice.unwrap_err().to_string().contains("used twice"));
    }
}
