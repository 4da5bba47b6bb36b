//! Losses, optimizers, the training loop, checkpoints and exact resume.

pub mod loss;
pub mod optim;
