//! Decoded records in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use redmask_core::{
    ClassTable, Error, Fingerprint, GroupId, Result, Sample, SampleId, SegDataset, Session,
};

/// A data set decoded once, in parallel, and kept: training reads every record many times.
#[derive(Debug, Clone)]
pub struct CachedDataset {
    samples: Vec<Sample>,
    class_table: ClassTable,
    channels: usize,
    fingerprint: Fingerprint,
}

impl CachedDataset {
    /// Decodes all records of `dataset`, in its order. Memory: about `(channels + 1)` bytes a pixel.
    ///
    /// # Errors
    /// The error of the lowest-numbered record that cannot be decoded, or [`redmask_core::Error::Interrupted`].
    pub fn load(dataset: &dyn SegDataset, session: &Session) -> Result<Self> {
        let task = Mutex::new(
            session
                .progress
                .start("decode", dataset.len() as u64, "image"),
        );
        // Work after a failure is wasted, but what lies before it decides which error is told.
        let first_failure = AtomicUsize::new(usize::MAX);
        let decoded: Vec<Result<Sample>> = (0..dataset.len())
            .into_par_iter()
            .map(|index| {
                session.cancel.check()?;
                if index > first_failure.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let sample = dataset.sample(index).inspect_err(|_| {
                    first_failure.fetch_min(index, Ordering::Relaxed);
                })?;
                if let Ok(mut task) = task.lock() {
                    task.advance(1);
                }
                Ok(sample)
            })
            .collect();
        Ok(Self {
            samples: decoded.into_iter().collect::<Result<_>>()?,
            class_table: dataset.class_table().clone(),
            channels: dataset.channels(),
            fingerprint: dataset.fingerprint(),
        })
    }

    /// All records, in order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}

impl SegDataset for CachedDataset {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn class_table(&self) -> &ClassTable {
        &self.class_table
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn id(&self, index: usize) -> SampleId {
        self.samples[index].id.clone()
    }

    fn group(&self, index: usize) -> GroupId {
        self.samples[index].group.clone()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.samples[index].clone())
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
