//! Losses, optimizers, the training loop, checkpoints and exact resume.

mod checkpoint;
mod classifier;
pub mod defence;
mod finished;
mod identity;
mod log;
pub mod loss;
pub mod optim;
pub mod private;
pub mod sampler;
mod segmentation;
mod trainer;

pub use classifier::{
    ClassifierInputs, ClassifierOutcome, ClassifierReport, ClassifierTrainConfig, HeldOut,
    MemoryInputs, train_classifier,
};
pub use segmentation::{
    EpochRewrite, Evaluation, SegmentationReport, TrainConfig, TrainOutcome, train_rewritten,
    train_segmentation,
};
pub use trainer::{EpochRecord, TrainRun};
