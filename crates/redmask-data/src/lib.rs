//! Readers, procedural scenes, decode limits, resizing, splits by group and data-set checks.

mod augment;
mod cached;
mod open;
pub mod procedural;
mod resize;
mod spec;
mod split;

pub use augment::{Augmentation, Transform};
pub use cached::CachedDataset;
pub use open::{OpenOptions, Reader, open, readers};
pub use resize::{Resized, resize_image, resize_raster, resize_sample};
pub use spec::{DataSpec, Location};
pub use split::{GroupSplit, PartSpec, Split, stratum};
