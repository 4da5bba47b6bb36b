//! Reference records with the teacher's labels.

use redmask_core::{
    ClassTable, Error, Fingerprint, FingerprintBuilder, GroupId, LabelMap, Result, Sample,
    SampleId, SegDataset,
};
use serde::Serialize;

use super::lesson::Labels;

/// The kept records of a reference set; their own masks are not seen.
pub(super) struct PseudoLabelled<'a> {
    reference: &'a dyn SegDataset,
    kept: &'a [usize],
    labels: &'a Labels,
    fingerprint: Fingerprint,
}

impl<'a> PseudoLabelled<'a> {
    /// `method` is what the labels follow from besides the reference records.
    pub(super) fn new(
        reference: &'a dyn SegDataset,
        kept: &'a [usize],
        labels: &'a Labels,
        method: &impl Serialize,
    ) -> Result<Self> {
        let method = serde_json::to_vec(method)
            .map_err(|e| Error::Internal(format!("a distillation: {e}")))?;
        let mut builder = FingerprintBuilder::new();
        builder
            .part("reference", reference.fingerprint().to_hex().as_bytes())
            .part("method", &method);
        for &i in kept {
            builder.part("record", reference.id(i).as_str().as_bytes());
        }
        Ok(Self {
            reference,
            kept,
            labels,
            fingerprint: builder.finish(),
        })
    }
}

impl SegDataset for PseudoLabelled<'_> {
    fn len(&self) -> usize {
        self.kept.len()
    }

    fn class_table(&self) -> &ClassTable {
        self.reference.class_table()
    }

    fn channels(&self) -> usize {
        self.reference.channels()
    }

    fn id(&self, index: usize) -> SampleId {
        self.reference.id(self.kept[index])
    }

    fn group(&self, index: usize) -> GroupId {
        self.reference.group(self.kept[index])
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let mut sample = self.reference.sample(self.kept[index])?;
        sample.labels = match self.labels {
            Labels::Hard(maps) => maps[index].clone(),
            // Soft targets are looked up by the objective; the true mask must not be there by mistake.
            Labels::Soft(_) => LabelMap::filled(sample.labels.height(), sample.labels.width(), 0),
        };
        sample.instances = None;
        Ok(sample)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
