//! A target that saw neither the members nor the non-members.

use std::collections::BTreeSet;

use redmask_core::{Error, Result, SegDataset};

use crate::membership::{Shadow, Target, TargetRole};

/// Makes a shadow stand in for the victim, over the victim's audited records.
///
/// Every attack on this target should be at chance: the shadow cannot remember what it never saw. If it is not, the
/// members are easier (or harder) than the non-members for any model, and the attack measures that.
///
/// # Errors
/// [`Error::Config`] if an audited record is among the shadow's training records.
pub fn null_victim<'a>(
    shadow: &Shadow<'a>,
    members: &'a dyn SegDataset,
    non_members: &'a dyn SegDataset,
) -> Result<Target<'a>> {
    let seen: BTreeSet<_> = (0..shadow.members.len())
        .map(|i| shadow.members.id(i))
        .collect();
    let audited = [members, non_members];
    for data in audited {
        if let Some(id) = (0..data.len())
            .map(|i| data.id(i))
            .find(|id| seen.contains(id))
        {
            return Err(Error::config(
                "null victim",
                format!("the shadow was trained on the audited record {id}"),
            ));
        }
    }
    Ok(Target {
        role: TargetRole::NullVictim,
        predictor: shadow.predictor,
        members,
        non_members,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;

    use super::*;
    use crate::testing::{Discs, Memoriser, part};

    #[test]
    fn a_shadow_that_saw_an_audited_record_is_refused_by_name() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(8, 8, 1, Seed::root(1)));
        let trained_on = part(&data, 3..6);
        let model = Memoriser::new(&trained_on, 1.0, Seed::root(2));
        let shadow = Shadow {
            predictor: &model,
            members: &trained_on,
            non_members: &part(&data, 6..8),
            last_epoch_losses: &[],
        };
        let (clean, tainted) = (part(&data, 0..3), part(&data, 3..4));
        assert!(null_victim(&shadow, &clean, &part(&data, 6..8)).is_ok());
        let error = null_victim(&shadow, &clean, &tainted).expect_err("record 3 was seen");
        assert!(error.to_string().contains("all/0003"), "{error}");
    }
}
