//! The ROC curve of membership scores, and what is read off it. A higher score means "more likely a member".

mod counts;
mod curve;

pub use counts::BinaryCounts;
pub use curve::{Roc, RocPoint};

pub(crate) use curve::allowed_false_positives;
