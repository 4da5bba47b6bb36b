//! The records of a data set as a transform shows them, for attacks that query a model more than once.

use redmask_core::{
    ClassTable, Fingerprint, FingerprintBuilder, GroupId, Result, Sample, SampleId, SegDataset,
};
use redmask_data::Transform;

/// A data set seen through a transform; labels move along.
///
/// Transformed records have identifiers of their own, so that a predictor that looks saved predictions up by identifier
/// reports them as missing instead of answering for the original.
pub struct View<'a> {
    data: &'a dyn SegDataset,
    transform: Transform,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("records", &self.data.len())
            .field("transform", &self.transform)
            .finish()
    }
}

impl<'a> View<'a> {
    /// `data` as `transform` shows it.
    pub fn new(data: &'a dyn SegDataset, transform: Transform) -> Self {
        Self { data, transform }
    }
}

impl SegDataset for View<'_> {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn class_table(&self) -> &ClassTable {
        self.data.class_table()
    }

    fn channels(&self) -> usize {
        self.data.channels()
    }

    fn id(&self, index: usize) -> SampleId {
        let id = self.data.id(index);
        if self.transform == Transform::IDENTITY {
            return id;
        }
        SampleId::from(format!("{id}#{:?}", self.transform))
    }

    fn group(&self, index: usize) -> GroupId {
        self.data.group(index)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let sample = self.data.sample(index)?;
        if self.transform == Transform::IDENTITY {
            return Ok(sample);
        }
        let mut seen = self.transform.apply(&sample);
        seen.id = self.id(index);
        Ok(seen)
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder.part("data", self.data.fingerprint().to_hex().as_bytes());
        builder.part("transform", format!("{:?}", self.transform).as_bytes());
        builder.finish()
    }
}
