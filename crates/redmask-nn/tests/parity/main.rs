//! Our networks against PyTorch's: logits, running statistics, gradients.
//!
//! `fixtures/parity/export.py` wrote the fixtures with segmentation-models-pytorch and torchvision.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test reports by panicking, and the measured error is worth a line"
)]

mod classifier;
mod deeplab;
mod fixture;
mod formula;
mod ops;
mod pspnet;
mod swiftnet;
mod unet;
