//! Reference records must be nobody else's.

use std::collections::BTreeSet;

use redmask_core::{Error, Result, SegDataset};

/// Refuses a reference set that shares a record or a group with `other`: what is learned from the reference would then be
/// learned from the very records whose membership is asked.
pub(super) fn refuse_overlap(
    whose: &str,
    other: &dyn SegDataset,
    reference: &dyn SegDataset,
) -> Result<()> {
    let ids: BTreeSet<_> = (0..other.len()).map(|i| other.id(i)).collect();
    let groups: BTreeSet<_> = (0..other.len()).map(|i| other.group(i)).collect();
    for i in 0..reference.len() {
        let (id, group) = (reference.id(i), reference.group(i));
        let shared = if ids.contains(&id) {
            format!("record {id} is also among {whose}")
        } else if groups.contains(&group) {
            format!("record {id} is of group {group}, which is also among {whose}")
        } else {
            continue;
        };
        return Err(Error::config("reference records", shared)
            .with_hint("reference records are neither trained on nor audited"));
    }
    Ok(())
}
