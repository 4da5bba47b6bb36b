//! Losses, optimizers, the training loop, checkpoints and exact resume.

mod checkpoint;
mod log;
pub mod loss;
pub mod optim;
pub mod parameters;
pub mod sampler;
mod segmentation;
mod trainer;

pub use segmentation::{
    Evaluation, SegmentationReport, TrainConfig, TrainOutcome, train_segmentation,
};
pub use trainer::{EpochRecord, TrainRun};
