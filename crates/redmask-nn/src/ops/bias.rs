//! One number for each channel, added everywhere.

use burn::{
    backend::{Dispatch, flex::FlexTensor},
    tensor::Tensor,
};

use super::{
    Rec,
    autodiff::Gradient,
    extension::{CpuOps, on_cpu},
    flex::{self, contiguous, values, values_mut},
    kernel::pointwise::{self, Affine, BLOCK},
    memory::{self, Shared},
    per_sample::record_or_sum,
    simd::Simd,
};

/// Adds `bias` `[c]` to every position of `x` `[n, c, ...]`.
///
/// `rec` names the bias on a per-sample gradient tape.
pub fn add_bias<const D: usize>(x: Tensor<D>, bias: Tensor<1>, rec: Rec) -> Tensor<D> {
    if !on_cpu(&x) {
        let mut shape = [1; D];
        shape[1] = x.dims()[1];
        return x + bias.reshape(shape);
    }
    let (x, bias) = (x.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_add_bias(x, bias, rec))
}

/// The biased input and its backward pass.
pub(super) fn op(inputs: [FlexTensor; 2], rec: Rec) -> (FlexTensor, Bias) {
    let [mut y, bias] = inputs.map(contiguous);
    let shape = y.layout().shape();
    let (rows, channels) = (shape[0], shape[1]);
    let simd = Simd::current();
    let area = y.layout().num_elements() / (rows * channels).max(1);
    let bias = values(&bias);
    for_each_plane(values_mut(&mut y), area, |plane, y| {
        let map = Affine {
            scale: 1.0,
            shift: bias[plane % channels],
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
        };
        pointwise::apply(simd, map, y);
    });
    (
        y,
        Bias {
            rows,
            channels,
            rec,
        },
    )
}

fn for_each_plane(values: &mut [f32], area: usize, task: impl Fn(usize, &mut [f32]) + Sync + Send) {
    let planes = values.len() / area.max(1);
    let at_once = (BLOCK / area.max(1)).max(1);
    let shared = Shared::new(values);
    memory::parallel(planes.div_ceil(at_once), |i| {
        for plane in i * at_once..planes.min((i + 1) * at_once) {
            // SAFETY: every plane belongs to one task.
            task(plane, unsafe { shared.part(plane * area, area) });
        }
    });
}

/// The backward pass of an added bias.
#[derive(Debug, Clone)]
pub(super) struct Bias {
    rows: usize,
    channels: usize,
    rec: Rec,
}

impl Gradient<2> for Bias {
    fn backward(self, dy: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        if !wanted[1] {
            return [Some(dy), None];
        }
        let dy = contiguous(dy);
        let simd = Simd::current();
        let area = dy.layout().num_elements() / (self.rows * self.channels).max(1);
        let sums = values(&dy)
            .chunks_exact(area.max(1))
            .map(|plane| {
                let blocks = plane.chunks(BLOCK);
                blocks
                    .map(|b| f64::from(pointwise::sum(simd, b)))
                    .sum::<f64>() as f32
            })
            .collect();
        let [db] = record_or_sum(&[self.rec], self.channels, [sums]);
        [Some(dy), db.map(|db| flex::tensor(db, [self.channels]))]
    }
}
