//! Access to the numbers inside of Burn's CPU tensors.

use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape},
};

/// The tensor with its elements in row-major order; no copy where they are already.
pub(super) fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.as_slice::<f32>().is_some() {
        x
    } else {
        x.to_contiguous()
    }
}

/// The elements of a [`contiguous`] f32 tensor.
///
/// # Panics
///
/// If it is not one.
pub(super) fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice::<f32>()
        .expect("the caller made the tensor contiguous and checked its type")
}

/// The shape of a tensor of known rank.
///
/// # Panics
///
/// If the rank differs.
pub(super) fn dims<const D: usize>(x: &FlexTensor) -> [usize; D] {
    x.layout().shape().dims()
}

/// A tensor that takes over `values`.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    // Not FlexTensor::zeros: it allocates twice and copies.
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(Shape::from(shape)),
        DType::F32,
    )
}

/// The elements of a contiguous f32 tensor for changing, its own if nobody else holds them, else a copy's.
pub(super) fn values_mut(x: &mut FlexTensor) -> &mut [f32] {
    let (start, end) = x
        .layout()
        .contiguous_offsets()
        .expect("the caller made the tensor contiguous");
    &mut x.storage_mut::<f32>()[start..end]
}
