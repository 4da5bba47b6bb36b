//! Fully connected layer.

use burn::tensor::Tensor;

use super::Rec;

/// `x weight^T + bias` with `x` `[n, in]`, `weight` `[out, in]` (PyTorch's layout) and `bias` `[out]`.
///
/// `recs` are the tapes of the weight and the bias.
pub fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    recs: [Rec; 2],
) -> Tensor<2> {
    debug_assert!(
        recs.iter().all(Option::is_none),
        "no tape can be constructed yet"
    );
    let y = x.matmul(weight.transpose());
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}
