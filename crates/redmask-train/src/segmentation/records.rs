//! Decoded records, in memory as far as the budget goes.

use std::borrow::Cow;

use rayon::prelude::*;
use redmask_core::{Error, IGNORE, Result, Sample, SegDataset, Session};
use redmask_data::CachedDataset;

/// The records of one side of a training.
pub(crate) struct Records<'a> {
    source: &'a dyn SegDataset,
    decoded: Option<CachedDataset>,
    ids: Vec<String>,
    classes: usize,
}

impl<'a> Records<'a> {
    /// Decodes `source` once if it fits `budget` bytes; otherwise each access decodes.
    pub(crate) fn open(
        source: &'a dyn SegDataset,
        classes: usize,
        budget: u64,
        session: &Session,
    ) -> Result<Self> {
        let ids = (0..source.len())
            .map(|i| source.id(i).to_string())
            .collect();
        let decoded = if estimate(source)? <= budget {
            Some(CachedDataset::load(source, session)?)
        } else {
            None
        };
        let records = Self {
            source,
            decoded,
            ids,
            classes,
        };
        if let Some(decoded) = &records.decoded {
            for sample in decoded.samples() {
                records.check(sample)?;
            }
        }
        Ok(records)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The records at `indices`, decoded in parallel where they are not in memory.
    pub(crate) fn get(&self, indices: &[usize]) -> Result<Vec<Cow<'_, Sample>>> {
        if let Some(decoded) = &self.decoded {
            return Ok(indices
                .iter()
                .map(|&i| Cow::Borrowed(&decoded.samples()[i]))
                .collect());
        }
        indices
            .par_iter()
            .map(|&i| {
                let sample = self.source.sample(i)?;
                self.check(&sample)?;
                Ok(Cow::Owned(sample))
            })
            .collect()
    }

    fn check(&self, sample: &Sample) -> Result<()> {
        let bad = sample
            .labels
            .data()
            .iter()
            .find(|&&l| l != IGNORE && usize::from(l) >= self.classes);
        match bad {
            Some(label) => Err(Error::unsupported(
                format!("record {}", sample.id),
                format!(
                    "its mask has class {label}, the network {} classes",
                    self.classes
                ),
            )),
            None => Ok(()),
        }
    }
}

/// Bytes of all records, taking the first one for typical.
fn estimate(source: &dyn SegDataset) -> Result<u64> {
    if source.is_empty() {
        return Ok(0);
    }
    let first = source.sample(0)?;
    let bytes = first.image.data().len() + first.labels.data().len();
    Ok(bytes as u64 * source.len() as u64)
}
