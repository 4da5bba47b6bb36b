//! Fully connected layer.

use burn::{backend::Dispatch, tensor::Tensor};

use super::{
    Rec, add_bias,
    extension::{CpuOps, on_cpu},
};

/// `x weight^T + bias` with `x` `[n, in]`, `weight` `[out, in]` (PyTorch's layout) and `bias` `[out]`.
///
/// `recs` are the tapes of the weight and the bias.
pub fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    recs: [Rec; 2],
) -> Tensor<2> {
    let [rec, bias_rec] = recs;
    // Ordinary training takes the stock product: it transposes nothing.
    let y = if rec.is_some() && on_cpu(&x) {
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_linear(x, weight, rec))
    } else {
        x.matmul(weight.transpose())
    };
    match bias {
        Some(bias) => add_bias(y, bias, bias_rec),
        None => y,
    }
}
