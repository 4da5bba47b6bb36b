//! Losses, optimizers, the training loop, checkpoints and exact resume.
