//! Which records make which batch: a pure function of the seed, the epoch and the records' ids.

use redmask_core::Seed;

/// One batch of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Place in the epoch, from 0.
    pub position: u64,
    /// Step over the whole training, from 0.
    pub step: u64,
    /// Positions of the records in the data set.
    pub indices: Vec<usize>,
}

/// The order of `ids` in one epoch. Each record's place follows from a key of its own, so neither the order of the data
/// set nor the presence of other records changes which of two records comes first.
pub fn epoch_order<S: AsRef<str>>(ids: &[S], seed: Seed, epoch: u32) -> Vec<usize> {
    let node = seed.child("order").index(u64::from(epoch));
    let mut keyed: Vec<([u8; 32], usize)> = ids
        .iter()
        .enumerate()
        .map(|(i, id)| (*node.child(id.as_ref()).as_bytes(), i))
        .collect();
    keyed.sort_by(|a, b| (a.0, ids[a.1].as_ref(), a.1).cmp(&(b.0, ids[b.1].as_ref(), b.1)));
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// The shuffled batches of one epoch, see [`epoch_order`] and [`batches_per_epoch`].
pub fn shuffled_batches<S: AsRef<str>>(
    ids: &[S],
    seed: Seed,
    epoch: u32,
    batch_size: usize,
    drop_last: bool,
) -> Vec<Vec<usize>> {
    epoch_order(ids, seed, epoch)
        .chunks(batch_size)
        .take(batches_per_epoch(ids.len(), batch_size, drop_last))
        .map(<[usize]>::to_vec)
        .collect()
}

/// Batches of an epoch over `records` records: full ones, and the rest unless `drop_last`.
pub fn batches_per_epoch(records: usize, batch_size: usize, drop_last: bool) -> usize {
    if drop_last {
        records / batch_size
    } else {
        records.div_ceil(batch_size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_order_is_a_permutation_that_ignores_the_order_of_the_set(
            mut ids in prop::collection::btree_set("[a-z]{1,6}", 1..40),
            seed: u64,
            epoch in 0u32..5,
        ) {
            let forward: Vec<String> = std::mem::take(&mut ids).into_iter().collect();
            let backward: Vec<String> = forward.iter().rev().cloned().collect();
            let name = |ids: &[String]| -> Vec<String> {
                epoch_order(ids, Seed::root(seed), epoch).into_iter().map(|i| ids[i].clone()).collect()
            };
            let order = name(&forward);
            prop_assert_eq!(&order, &name(&backward));
            let mut sorted = order.clone();
            sorted.sort();
            prop_assert_eq!(&sorted, &forward);
            // Leaving one record out keeps the order of the others.
            let without: Vec<String> = forward[1..].to_vec();
            let expected: Vec<String> = order.into_iter().filter(|i| *i != forward[0]).collect();
            prop_assert_eq!(name(&without), expected);
        }
    }

    #[test]
    fn epochs_differ() {
        let ids: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        assert_ne!(
            epoch_order(&ids, Seed::root(0), 0),
            epoch_order(&ids, Seed::root(0), 1)
        );
    }

    #[test]
    fn partial_batches_count_unless_dropped() {
        assert_eq!(batches_per_epoch(500, 8, false), 63);
        assert_eq!(batches_per_epoch(500, 8, true), 62);
    }
}
