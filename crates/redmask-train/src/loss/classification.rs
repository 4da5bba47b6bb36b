//! The loss of binary classifiers.

use burn::tensor::Tensor;

use super::evaluate::LossValue;
use super::probability::{binary_entropy, sigmoid};
use super::{Loss, node};

/// Binary cross-entropy with logits `[n, 1]`: one value per row, `-t ln s(z) - (1 - t) ln(1 - s(z))`. Targets are
/// probabilities; hard ones are 0 and 1.
///
/// # Panics
/// If the lengths differ.
pub fn binary_cross_entropy(logits: Tensor<2>, targets: &[f32]) -> Loss {
    let shape = logits.dims();
    let z = node::to_vec(logits.clone());
    let (rows, gradient) = binary_cross_entropy_rows(&z, targets);
    node::attach(
        logits,
        LossValue {
            rows,
            shape: [shape[0], shape[1], 1, 1],
            gradient,
        },
    )
}

/// The values of [`binary_cross_entropy`] and their derivatives, outside of any graph.
///
/// # Panics
/// If the lengths differ.
pub fn binary_cross_entropy_rows(logits: &[f32], targets: &[f32]) -> (Vec<f64>, Vec<f32>) {
    assert_eq!(logits.len(), targets.len(), "one target for each logit");
    logits
        .iter()
        .zip(targets)
        .map(|(&z, &t)| (f64::from(binary_entropy(z, t)), sigmoid(z) - t))
        .unzip()
}
