//! Which classes are in which records.

use std::sync::Mutex;

use rayon::prelude::*;
use redmask_core::{LabelMap, Result, Session};

/// Pixels of each class, record by record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// One row a record, in the order surveyed; indexed by class id, ignored pixels at 255.
    pub pixels: Vec<[u64; 256]>,
}

/// Counts the pixels of each class in `count` records, in parallel. `labels` decodes a record's labels.
///
/// # Errors
/// The error of the first record that cannot be decoded, or [`redmask_core::Error::Interrupted`].
pub fn survey(
    count: usize,
    labels: impl Fn(usize) -> Result<LabelMap> + Sync,
    session: &Session,
) -> Result<Survey> {
    let task = Mutex::new(session.progress.start("survey", count as u64, "image"));
    let pixels = (0..count)
        .into_par_iter()
        .map(|index| {
            session.cancel.check()?;
            let counted = count_pixels(&labels(index)?);
            if let Ok(mut task) = task.lock() {
                task.advance(1);
            }
            Ok(counted)
        })
        .collect::<Vec<Result<_>>>();
    Ok(Survey {
        pixels: pixels.into_iter().collect::<Result<_>>()?,
    })
}

/// Pixels of each class in one map.
pub(crate) fn count_pixels(labels: &LabelMap) -> [u64; 256] {
    let mut counted = [0; 256];
    for &class in labels.data() {
        counted[usize::from(class)] += 1;
    }
    counted
}
