//! Decoded records, shared by all stages of a run.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use redmask_core::{Error, Result, SegDataset, Session, Subset};
use redmask_data::CachedDataset;

use crate::deal::Dealt;

/// The records a plan touches, decoded once, when the first stage needs them.
pub(crate) struct Records {
    source: Arc<dyn SegDataset>,
    /// Positions in the source, ascending.
    used: Vec<usize>,
    decoded: OnceLock<Arc<dyn SegDataset>>,
}

/// Members and held-out records of a model, decoded.
#[derive(Debug, Clone)]
pub(crate) struct DealtRecords {
    pub(crate) members: Subset,
    pub(crate) held_out: Subset,
}

impl Records {
    pub(crate) fn new(source: Arc<dyn SegDataset>, used: Vec<usize>) -> Self {
        Self {
            source,
            used,
            decoded: OnceLock::new(),
        }
    }

    /// The data set they come from, not decoded.
    pub(crate) fn source(&self) -> &dyn SegDataset {
        self.source.as_ref()
    }

    /// The same, to share.
    pub(crate) fn source_arc(&self) -> Arc<dyn SegDataset> {
        self.source.clone()
    }

    fn decoded(&self, session: &Session) -> Result<Arc<dyn SegDataset>> {
        if let Some(decoded) = self.decoded.get() {
            return Ok(decoded.clone());
        }
        let subset = Subset::new(self.source.clone(), self.used.clone())?;
        let decoded: Arc<dyn SegDataset> = Arc::new(CachedDataset::load(&subset, session)?);
        Ok(self.decoded.get_or_init(|| decoded).clone())
    }

    pub(crate) fn dealt(&self, dealt: &Dealt, session: &Session) -> Result<DealtRecords> {
        Ok(DealtRecords {
            members: self.subset(&dealt.members, session)?,
            held_out: self.subset(&dealt.held_out, session)?,
        })
    }

    /// The records as their data set has them, for trainings: the fingerprint of such a set does not depend on what else
    /// the plan touches, so a checkpoint fits whichever recipe goes on with it.
    pub(crate) fn originals(&self, dealt: &Dealt) -> Result<DealtRecords> {
        Ok(DealtRecords {
            members: Subset::new(self.source.clone(), dealt.members.clone())?,
            held_out: Subset::new(self.source.clone(), dealt.held_out.clone())?,
        })
    }

    /// Some records as their data set has them, see [`Records::originals`].
    pub(crate) fn original(&self, records: &[usize]) -> Result<Subset> {
        Subset::new(self.source.clone(), records.to_vec())
    }

    pub(crate) fn subset(&self, records: &[usize], session: &Session) -> Result<Subset> {
        let places: BTreeMap<usize, usize> =
            self.used.iter().enumerate().map(|(i, &r)| (r, i)).collect();
        let indices = records
            .iter()
            .map(|r| {
                places
                    .get(r)
                    .copied()
                    .ok_or_else(|| Error::Internal(format!("record {r} is not in the plan")))
            })
            .collect::<Result<Vec<_>>>()?;
        Subset::new(self.decoded(session)?, indices)
    }
}
