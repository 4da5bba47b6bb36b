//! Records of a binary classifier.

use redmask_core::{Error, Fingerprint, FingerprintBuilder, Result};

/// Labelled inputs of one shape, such as what a membership attack sees of each record. Inputs may be stored or made
/// on demand; they must be the same in every epoch.
pub trait ClassifierInputs: Sync {
    /// Number of records.
    fn len(&self) -> usize;

    /// Whether there is no record.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[channels, height, width]` of every input.
    fn shape(&self) -> [usize; 3];

    /// Name of record `index`, unique among the records. Batch order and flips follow from it.
    ///
    /// # Panics
    /// If `index >= len()`, here and in the other accessors.
    fn id(&self, index: usize) -> &str;

    /// What must not be torn apart by the held-out split; by default every record is on its own.
    fn group(&self, index: usize) -> &str {
        self.id(index)
    }

    /// What is to be recognised.
    fn target(&self, index: usize) -> bool;

    /// Writes the input of record `index`, contiguous `[channels, height, width]`.
    ///
    /// # Errors
    /// If it cannot be made.
    fn fill(&self, index: usize, out: &mut [f32]) -> Result<()>;

    /// A hash that changes whenever any record would.
    fn fingerprint(&self) -> Fingerprint;
}

/// Inputs held in memory.
#[derive(Debug, Clone)]
pub struct MemoryInputs {
    shape: [usize; 3],
    ids: Vec<String>,
    groups: Option<Vec<String>>,
    targets: Vec<bool>,
    data: Vec<f32>,
}

impl MemoryInputs {
    /// Wraps contiguous `[n, channels, height, width]` data.
    ///
    /// # Errors
    /// If lengths do not fit each other, or a value is not finite.
    pub fn new(
        shape: [usize; 3],
        ids: Vec<String>,
        targets: Vec<bool>,
        data: Vec<f32>,
    ) -> Result<Self> {
        if targets.len() != ids.len() || data.len() != ids.len() * shape.iter().product::<usize>() {
            return Err(Error::Internal(format!(
                "{} ids, {} targets and {} values for inputs of {shape:?}",
                ids.len(),
                targets.len(),
                data.len()
            )));
        }
        if data.iter().any(|v| !v.is_finite()) {
            return Err(Error::numeric("classifier inputs", "a value is not finite"));
        }
        Ok(Self {
            shape,
            ids,
            groups: None,
            targets,
            data,
        })
    }

    /// The same inputs with groups.
    ///
    /// # Errors
    /// If there is not one group for each record.
    pub fn with_groups(mut self, groups: Vec<String>) -> Result<Self> {
        if groups.len() != self.ids.len() {
            return Err(Error::Internal(format!(
                "{} groups for {} records",
                groups.len(),
                self.ids.len()
            )));
        }
        self.groups = Some(groups);
        Ok(self)
    }
}

impl ClassifierInputs for MemoryInputs {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn group(&self, index: usize) -> &str {
        match &self.groups {
            Some(groups) => &groups[index],
            None => &self.ids[index],
        }
    }

    fn target(&self, index: usize) -> bool {
        self.targets[index]
    }

    fn fill(&self, index: usize, out: &mut [f32]) -> Result<()> {
        let stride = self.shape.iter().product::<usize>();
        out.copy_from_slice(&self.data[index * stride..(index + 1) * stride]);
        Ok(())
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        for &d in &self.shape {
            builder.part("dim", &(d as u64).to_le_bytes());
        }
        for i in 0..self.len() {
            builder
                .part("id", self.id(i).as_bytes())
                .part("group", self.group(i).as_bytes())
                .part("target", &[u8::from(self.target(i))]);
        }
        let bytes: Vec<u8> = self.data.iter().flat_map(|v| v.to_le_bytes()).collect();
        builder.part("data", &bytes);
        builder.finish()
    }
}
