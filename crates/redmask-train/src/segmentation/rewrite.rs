//! A loader that changes records anew in each epoch.

use redmask_core::{Fingerprint, Sample};

/// Changes records as they are loaded, before augmentation: an adversary in the data loader who poisons some records in each
/// epoch, say. A pure function of the record and the epoch, so that a resumed training sees what an unbroken one would.
pub trait EpochRewrite: Sync {
    /// The record as it is trained on in `epoch`, counted from 0; `None` leaves it as it is.
    fn rewrite(&self, sample: &Sample, epoch: u32) -> Option<Sample>;

    /// A hash of everything that decides what [`EpochRewrite::rewrite`] does.
    fn fingerprint(&self) -> Fingerprint;
}
