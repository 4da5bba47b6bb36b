//! The layers networks are made of, with PyTorch's field names, so that a module path is a state-dict name.

mod batch_norm;
mod conv;
mod dense;
mod group_norm;
mod norm;
mod sequential;

pub use batch_norm::BatchNorm2d;
pub use conv::{Conv2d, Conv2dConfig};
pub use dense::Dense;
pub use group_norm::GroupNorm;
pub use norm::{Norm, NormKind};
pub use sequential::{AdaptiveAverage, Dropout, Layer, MaxPool, Relu, Relu6, Sequential};
