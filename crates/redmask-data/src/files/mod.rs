//! Data sets of image files with mask files: decoding under limits, label codes, pairing.

mod decode;
mod encode;
mod labels;
mod listing;
mod pairs;

pub use decode::{Limits, RawMask, RawPixels, decode_image, decode_mask, dimensions};
pub use encode::{write_image, write_mask};
pub use labels::{InstanceCode, LabelCode};
pub use listing::{images_in, pair};
pub(crate) use pairs::file_hash;
pub use pairs::{Coding, PairDataset, Record};
