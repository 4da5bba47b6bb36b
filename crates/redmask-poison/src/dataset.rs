//! A poisoned data set in memory.

use std::sync::Arc;

use redmask_core::{
    ClassTable, Fingerprint, FingerprintBuilder, GroupId, Result, Sample, SampleId, SegDataset,
    Session,
};

use crate::bound::BoundAttack;
use crate::draft::{Draft, draw};
use crate::selection::DecoyKind;
use crate::survey::survey;

/// A data set some records of which are poisoned when they are decoded; the others are the parent's.
#[derive(Clone)]
pub struct PoisonedDataset {
    parent: Arc<dyn SegDataset>,
    attack: BoundAttack,
    draft: Draft,
}

impl std::fmt::Debug for PoisonedDataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoisonedDataset")
            .field("attack", &self.attack)
            .field("poisoned", &self.draft.poisoned.len())
            .finish_non_exhaustive()
    }
}

impl PoisonedDataset {
    /// Draws the records to poison among all of `parent`, once.
    ///
    /// # Errors
    /// If no record can be used, none has a legal place, or one cannot be decoded.
    pub fn draw(
        parent: Arc<dyn SegDataset>,
        attack: BoundAttack,
        session: &Session,
    ) -> Result<Self> {
        let ids: Vec<SampleId> = (0..parent.len()).map(|i| parent.id(i)).collect();
        let survey = survey(parent.len(), |i| Ok(parent.sample(i)?.labels), session)?;
        let annotation = |i: usize| {
            let sample = parent.sample(i)?;
            Ok((sample.labels, sample.instances))
        };
        let draft = draw(&attack, &ids, &survey, annotation, session)?;
        Ok(Self {
            parent,
            attack,
            draft,
        })
    }

    /// Which records are poisoned.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The attack.
    pub fn attack(&self) -> &BoundAttack {
        &self.attack
    }
}

impl BoundAttack {
    /// The record as the attacker leaves it.
    ///
    /// # Errors
    /// [`crate::Refusal`] if it has no legal place or nothing to relabel.
    pub fn poison(&self, mut sample: Sample) -> Result<Sample, crate::Refusal> {
        let planned = self.plan(&sample.id, &sample.labels, sample.instances.as_ref())?;
        self.stamp(&mut sample.image, &planned.boxes);
        sample.labels = planned.labels;
        Ok(sample)
    }

    /// The record with a trigger on it and its own labels.
    pub(crate) fn decoy(&self, mut sample: Sample) -> Sample {
        let placed = self.decoy_boxes(&sample.id, &sample.labels, sample.instances.as_ref());
        if let (Ok(boxes), Some(decoys)) = (placed, self.attack.decoys) {
            match decoys.kind {
                DecoyKind::WrongTrigger => _ = self.stamp_wrong(&mut sample.image, &boxes),
                DecoyKind::NoCondition => self.stamp(&mut sample.image, &boxes),
            }
        }
        sample
    }
}

impl SegDataset for PoisonedDataset {
    fn len(&self) -> usize {
        self.parent.len()
    }

    fn class_table(&self) -> &ClassTable {
        self.parent.class_table()
    }

    fn channels(&self) -> usize {
        self.parent.channels()
    }

    fn id(&self, index: usize) -> SampleId {
        self.parent.id(index)
    }

    fn group(&self, index: usize) -> GroupId {
        self.parent.group(index)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let mut sample = self.parent.sample(index)?;
        if self.draft.poisoned.binary_search(&index).is_ok() {
            return self.attack.poison(sample).map_err(|refusal| {
                redmask_core::Error::Internal(format!("a record that was placed before: {refusal}"))
            });
        }
        if self.draft.decoys.binary_search(&index).is_ok() {
            sample = self.attack.decoy(sample);
        }
        if self.attack.randomises_all() {
            sample.labels = self.attack.randomise(&sample.id, &sample.labels);
        }
        Ok(sample)
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder
            .part("parent", self.parent.fingerprint().to_hex().as_bytes())
            .part("attack", format!("{:?}", self.attack.attack).as_bytes())
            .part("trigger", self.attack.trigger_hash.to_hex().as_bytes())
            .part("seed", self.attack.seed.as_bytes());
        builder.finish()
    }
}
