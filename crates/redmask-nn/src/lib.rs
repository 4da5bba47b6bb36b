//! CPU ops, blocks, encoders and segmentation networks on Burn.

pub mod ops;
