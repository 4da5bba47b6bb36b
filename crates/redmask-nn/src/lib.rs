//! CPU ops, blocks, encoders and segmentation networks on Burn.
//!
//! Networks are plain Burn modules whose parameter paths are PyTorch's state-dict names. What Burn ties to devices and
//! global state is explicit here: a [`pass::Pass`] carries the mode, dropout seed and running statistics of one forward
//! pass, and [`init::Init`] draws every weight from the seed tree.

pub mod block;
pub mod classifier;
pub mod encoder;
pub mod init;
pub mod network;
pub mod ops;
pub mod pass;
pub mod predictor;
pub mod scaling;
pub mod weights;
