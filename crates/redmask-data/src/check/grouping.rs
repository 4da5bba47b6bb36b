//! Which records to put in one group, so that a split cannot separate what looks alike.

use std::collections::BTreeMap;

use redmask_core::{GroupId, SampleId, SegDataset};

use super::NearDuplicate;

/// Joins the groups that `pairs` link, directly or through others. Sets are in the order of their first record, records
/// in the data set's; a group without a near-duplicate in another is not listed.
pub(super) fn suggest(dataset: &dyn SegDataset, pairs: &[NearDuplicate]) -> Vec<Vec<SampleId>> {
    let groups: BTreeMap<SampleId, GroupId> = (0..dataset.len())
        .map(|i| (dataset.id(i), dataset.group(i)))
        .collect();
    // Every linked group points at a group of its set; the smallest name points at itself.
    let mut parent: BTreeMap<&GroupId, &GroupId> = BTreeMap::new();
    for pair in pairs {
        let (a, b) = (&groups[&pair.a], &groups[&pair.b]);
        let (a, b) = (root(&parent, a), root(&parent, b));
        let (first, other) = if a <= b { (a, b) } else { (b, a) };
        parent.insert(first, first);
        parent.insert(other, first);
    }
    let mut sets: Vec<(&GroupId, Vec<SampleId>)> = Vec::new();
    for index in 0..dataset.len() {
        let id = dataset.id(index);
        let group = &groups[&id];
        if !parent.contains_key(group) {
            continue;
        }
        let set = root(&parent, group);
        match sets.iter_mut().find(|(name, _)| *name == set) {
            Some((_, ids)) => ids.push(id),
            None => sets.push((set, vec![id])),
        }
    }
    sets.into_iter().map(|(_, ids)| ids).collect()
}

fn root<'a>(parent: &BTreeMap<&'a GroupId, &'a GroupId>, group: &'a GroupId) -> &'a GroupId {
    let mut group = group;
    while let Some(&up) = parent.get(group)
        && up != group
    {
        group = up;
    }
    group
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use redmask_core::{ClassKind, ClassTable};

    use crate::files::{Coding, InstanceCode, LabelCode, Limits, PairDataset, Record};

    use super::*;

    /// Records `0`, `1`, ... in the groups named; their files do not exist.
    fn records(groups: &[&str]) -> PairDataset {
        let records = groups.iter().enumerate().map(|(i, group)| {
            let id = SampleId::new("all", &i.to_string());
            let mut record = Record::new(id, PathBuf::new(), PathBuf::new());
            record.group = GroupId((*group).to_owned());
            record
        });
        let coding = Coding {
            classes: ClassTable::from_rows(&[("ground", [0; 3], ClassKind::Stuff)]),
            channels: 3,
            labels: LabelCode::Threshold(0),
            instances: InstanceCode::default(),
        };
        PairDataset::new(PathBuf::new(), records.collect(), coding, Limits::default()).unwrap()
    }

    fn suggested(groups: &[&str], pairs: &[(usize, usize)]) -> Vec<Vec<String>> {
        let data = records(groups);
        let pairs: Vec<NearDuplicate> = pairs
            .iter()
            .map(|&(a, b)| NearDuplicate {
                a: data.id(a),
                b: data.id(b),
                distance: 0,
                correlation: 1.0,
                across_splits: false,
            })
            .collect();
        let sets = suggest(&data, &pairs);
        sets.iter()
            .map(|ids| ids.iter().map(|id| id.stem().to_owned()).collect())
            .collect()
    }

    #[test]
    fn pairs_chain_and_draw_their_groups_with_them() {
        assert!(suggested(&["a", "b"], &[]).is_empty());
        assert_eq!(suggested(&["a", "b", "c"], &[(2, 0)]), [["0", "2"]]);
        // 1-3 and 3-4 chain; 0 shares a group with 1; 2 and 5 are a set of their own.
        assert_eq!(
            suggested(
                &["d", "d", "x", "c", "b", "a", "z"],
                &[(1, 3), (2, 5), (3, 4)]
            ),
            [vec!["0", "1", "3", "4"], vec!["2", "5"]]
        );
        // A ring, met from both ends.
        assert_eq!(
            suggested(&["c", "b", "a", "d"], &[(0, 1), (2, 3), (1, 2), (3, 0)]),
            [["0", "1", "2", "3"]]
        );
    }
}
