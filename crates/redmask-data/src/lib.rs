//! Readers, procedural scenes, decode limits, resizing, splits by group and data-set checks.

mod augment;
mod cached;
mod check;
mod crop;
pub mod files;
mod open;
pub mod predictions;
mod preview;
pub mod procedural;
pub mod readers;
mod resize;
mod spec;
mod split;
mod volume;

pub use augment::{Augmentation, Transform};
pub use cached::CachedDataset;
pub use check::{
    CheckOptions, CheckReport, ClassFrequency, LeakingGroup, NearDuplicate, PerceptualHash,
    Unreadable, check, near_duplicates_between,
};
pub use crop::crop;
pub use files::Limits;
pub use open::{OpenOptions, Reader, open, open_pairs, reader_table};
pub use preview::{PreviewOptions, colourise, overlay, preview};
pub use resize::{Resized, resize_image, resize_raster, resize_sample};
pub use spec::{DataSpec, Location};
pub use split::{GroupSplit, PartSpec, Split, stratum};
