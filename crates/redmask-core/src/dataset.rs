//! Data sets as indexed records.

use std::sync::Arc;

use crate::{
    ClassTable, Error, Fingerprint, FingerprintBuilder, GroupId, Result, Sample, SampleId,
};

/// An indexed set of records. Identity and grouping are known without decoding, so splitting is cheap.
pub trait SegDataset: Send + Sync {
    /// Number of records.
    fn len(&self) -> usize;

    /// Whether there is no record.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes of its label maps.
    fn class_table(&self) -> &ClassTable;

    /// Channels of its images: 1 or 3.
    fn channels(&self) -> usize;

    /// Identity of record `index`.
    ///
    /// # Panics
    /// If `index >= len()`, here and in the other accessors.
    fn id(&self, index: usize) -> SampleId;

    /// Group of record `index`.
    fn group(&self, index: usize) -> GroupId;

    /// Decodes record `index`.
    ///
    /// # Errors
    /// If its files are missing, corrupt, over a decode limit, or disagree with each other.
    fn sample(&self, index: usize) -> Result<Sample>;

    /// A hash that changes whenever any record would.
    fn fingerprint(&self) -> Fingerprint;
}

/// Some records of a data set, in a given order.
#[derive(Clone)]
pub struct Subset {
    parent: Arc<dyn SegDataset>,
    indices: Vec<usize>,
}

impl std::fmt::Debug for Subset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subset")
            .field("indices", &self.indices)
            .finish_non_exhaustive()
    }
}

impl Subset {
    /// The records at `indices` of `parent`.
    ///
    /// # Errors
    /// If an index lies outside the parent.
    pub fn new(parent: Arc<dyn SegDataset>, indices: Vec<usize>) -> Result<Self> {
        match indices.iter().find(|&&i| i >= parent.len()) {
            Some(i) => Err(Error::Internal(format!(
                "record {i} of a set of {}",
                parent.len()
            ))),
            None => Ok(Self { parent, indices }),
        }
    }

    /// All records of `parent`.
    pub fn all(parent: Arc<dyn SegDataset>) -> Self {
        let indices = (0..parent.len()).collect();
        Self { parent, indices }
    }

    /// Other records of the same parent.
    ///
    /// # Errors
    /// If an index lies outside the parent.
    pub fn with_indices(&self, indices: Vec<usize>) -> Result<Self> {
        Self::new(Arc::clone(&self.parent), indices)
    }

    /// Positions in the parent.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl SegDataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn class_table(&self) -> &ClassTable {
        self.parent.class_table()
    }

    fn channels(&self) -> usize {
        self.parent.channels()
    }

    fn id(&self, index: usize) -> SampleId {
        self.parent.id(self.indices[index])
    }

    fn group(&self, index: usize) -> GroupId {
        self.parent.group(self.indices[index])
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        self.parent.sample(self.indices[index])
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder.part("parent", self.parent.fingerprint().to_hex().as_bytes());
        for &i in &self.indices {
            builder.part("record", self.parent.id(i).as_str().as_bytes());
        }
        builder.finish()
    }
}
