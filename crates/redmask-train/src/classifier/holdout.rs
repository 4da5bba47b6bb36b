//! Sets records aside, whole groups at a time, the same share of each target.

use std::collections::BTreeMap;

use redmask_core::Seed;

use super::inputs::ClassifierInputs;

/// Positions to train on and positions held out, both ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holdout {
    pub(super) train: Vec<usize>,
    pub(super) held_out: Vec<usize>,
}

/// Holds out about `share` of the records of each target; at least one of each where `share` is positive and another one
/// stays. A group with both targets counts for that of its first record.
pub(super) fn hold_out(inputs: &dyn ClassifierInputs, share: f64, seed: Seed) -> Holdout {
    let node = seed.child("held-out");
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for i in 0..inputs.len() {
        groups.entry(inputs.group(i)).or_default().push(i);
    }
    let mut held_out = Vec::new();
    for target in [false, true] {
        let mut stratum: Vec<(&str, &Vec<usize>)> = groups
            .iter()
            .filter(|(_, members)| inputs.target(members[0]) == target)
            .map(|(name, members)| (*name, members))
            .collect();
        stratum.sort_by_key(|(name, _)| *node.child(name).as_bytes());
        let total: usize = stratum.iter().map(|(_, members)| members.len()).sum();
        let wanted = (share * total as f64).round().max(f64::from(share > 0.0)) as usize;
        let mut taken = 0;
        // The last group stays, whatever the share.
        for (_, members) in stratum.iter().take(stratum.len().saturating_sub(1)) {
            if taken >= wanted {
                break;
            }
            held_out.extend_from_slice(members);
            taken += members.len();
        }
    }
    held_out.sort_unstable();
    let train = (0..inputs.len())
        .filter(|i| held_out.binary_search(i).is_err())
        .collect();
    Holdout { train, held_out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::MemoryInputs;

    fn inputs(n: usize) -> MemoryInputs {
        let ids = (0..n).map(|i| format!("r{i}")).collect();
        let targets = (0..n).map(|i| i % 4 == 0).collect();
        MemoryInputs::new([1, 1, 1], ids, targets, vec![0.0; n]).unwrap()
    }

    #[test]
    fn both_targets_give_the_same_share() {
        let inputs = inputs(80);
        let split = hold_out(&inputs, 0.2, Seed::root(0));
        let members = split.held_out.iter().filter(|&&i| inputs.target(i)).count();
        assert_eq!((members, split.held_out.len()), (4, 16));
        assert_eq!(split.train.len(), 64);
        assert_ne!(split, hold_out(&inputs, 0.2, Seed::root(1)));
    }

    #[test]
    fn groups_stay_together() {
        let groups = (0..80).map(|i| format!("g{}", i / 8)).collect();
        let inputs = inputs(80).with_groups(groups).unwrap();
        let split = hold_out(&inputs, 0.2, Seed::root(0));
        assert!(!split.held_out.is_empty());
        for i in &split.held_out {
            assert!(
                split
                    .train
                    .iter()
                    .all(|t| inputs.group(*t) != inputs.group(*i))
            );
        }
    }

    #[test]
    fn nothing_is_held_out_at_share_zero() {
        assert!(hold_out(&inputs(9), 0.0, Seed::root(0)).held_out.is_empty());
    }
}
