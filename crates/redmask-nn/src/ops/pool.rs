//! Max pooling.

use burn::tensor::{Tensor, module, ops::MaxPoolOptions};

/// Maximum over `kernel` windows, `padding` by minus infinity on both sides; output sizes are rounded down.
///
/// Where several inputs tie, the gradient goes to the first in row-major order, as in PyTorch.
pub fn max_pool2d(
    x: Tensor<4>,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Tensor<4> {
    let options = MaxPoolOptions {
        kernel_size: kernel,
        stride,
        padding: [(padding[0], padding[0]), (padding[1], padding[1])],
        dilation: [1, 1],
        ceil_mode: false,
    };
    module::max_pool2d(x, options)
}
