//! 2-D convolution: our kernels on the CPU, the stock operation elsewhere.

mod columns;
mod depthwise;
pub(super) mod fused;
mod geometry;
mod laid_out;
mod layout;
#[cfg(target_arch = "x86_64")]
mod mixed;
mod pack;
mod shifted;
mod transpose;
mod weight;
mod weight_gradient;
mod winograd;

#[cfg(test)]
mod tests;

use burn::{
    backend::{Dispatch, flex::FlexTensor},
    tensor::{Shape, Tensor, module, ops::ConvOptions},
};

pub(super) use self::geometry::Geometry;
pub use self::{
    fused::{conv2d_batch_norm_eval, conv2d_bias},
    laid_out::{Computation, KeptWeights},
};
use self::{
    geometry::Sums,
    laid_out::{Algorithm, LaidOut},
    weight::{Reduce, Weight},
    weight_gradient::weight_gradient,
};
use super::{
    Precision, Rec,
    autodiff::Gradient,
    extension::{CpuOps, on_cpu},
    flex::{self, contiguous, values},
    kernel::pointwise::Affine,
    memory,
    simd::Simd,
};

/// Convolves `x` `[n, c, h, w]` with `weight` `[out, c / groups, kh, kw]`.
///
/// `computation` says how; a [`Precision`] alone will do.
///
/// `rec` names the weight on a per-sample gradient tape; with it the weight's gradient goes to the tape
/// and is not registered with the ordinary gradients.
///
/// # Panics
///
/// If the channels of `x` and `weight` do not fit together.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    options: ConvOptions<2>,
    computation: impl Into<Computation>,
    rec: Rec,
) -> Tensor<4> {
    if !on_cpu(&x) {
        return module::conv2d(x, weight, None, options);
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as CpuOps>::cpu_conv2d(
        x,
        weight,
        options,
        computation.into(),
        rec,
    ))
}

/// A convolution and what its backward pass needs.
pub(super) fn op(
    inputs: [FlexTensor; 2],
    options: &ConvOptions<2>,
    computation: &Computation,
    rec: Rec,
) -> (FlexTensor, Convolution) {
    Convolution::run(inputs, options, computation, None, rec)
}

/// A fully connected layer, `x` `[n, in]` and weight `[out, in]`, as a convolution of single pixels.
pub(super) fn linear_op(inputs: [FlexTensor; 2], rec: Rec) -> (FlexTensor, Linear) {
    let [x, weight] = inputs.map(|input| {
        let [rows, columns] = flex::dims(&input);
        contiguous(input).reshape(Shape::from([rows, columns, 1, 1]))
    });
    let (y, convolution) = op(
        [x, weight],
        &ConvOptions::new([1, 1], [0, 0], [1, 1], 1),
        &Computation::default(),
        rec,
    );
    (flattened(y), Linear(convolution))
}

/// `[rows, columns]` of `[rows, columns, 1, 1]`.
fn flattened(x: FlexTensor) -> FlexTensor {
    let [rows, columns, _, _] = flex::dims(&x);
    x.reshape(Shape::from([rows, columns]))
}

/// The backward pass of a fully connected layer.
#[derive(Debug, Clone)]
pub(super) struct Linear(Convolution);

impl Gradient<2> for Linear {
    fn backward(self, dy: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        self.0
            .backward(dy, wanted)
            .map(|gradient| gradient.map(flattened))
    }
}

/// The backward pass of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    x: FlexTensor,
    weight: FlexTensor,
    geometry: Geometry,
    arithmetic: Arithmetic,
    rec: Rec,
}

impl Convolution {
    /// The output, each channel mapped by its own of `maps`, if given, and the backward pass up to those maps.
    fn run(
        [x, weight]: [FlexTensor; 2],
        options: &ConvOptions<2>,
        computation: &Computation,
        maps: Option<&[Affine]>,
        rec: Rec,
    ) -> (FlexTensor, Self) {
        // A copy made here would be kept and never be asked for again.
        let kept = computation.kept.as_ref();
        let kept = kept.filter(|_| weight.as_slice::<f32>().is_some());
        let [x, weight] = [x, weight].map(contiguous);
        let geometry = Geometry::new(flex::dims(&x), flex::dims(&weight), options);
        let arithmetic = Arithmetic::of(computation.precision, &geometry);
        let y = match kept {
            Some(kept) => arithmetic.forward_kept(&geometry, values(&x), &weight, maps, kept),
            None => arithmetic.forward(&geometry, values(&x), values(&weight), maps),
        };
        (
            flex::tensor(y, geometry.output_shape()),
            Self {
                x,
                weight,
                geometry,
                arithmetic,
                rec,
            },
        )
    }
}

impl Gradient<2> for Convolution {
    fn backward(self, dy: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let (g, arithmetic) = (&self.geometry, self.arithmetic);
        let dy = contiguous(dy);
        let dx = wanted[0].then(|| {
            let dx = arithmetic.data_gradient(g, values(&self.weight), values(&dy));
            flex::tensor(dx, g.input_shape())
        });
        if !wanted[1] {
            return [dx, None];
        }
        if let Some((tape, id)) = &self.rec {
            tape.record_weight(*id, *g, self.x, dy);
            return [dx, None];
        }
        let dw = arithmetic.weight_gradient(g, values(&self.x), values(&dy));
        [dx, Some(flex::tensor(dw, g.weight_shape()))]
    }
}

/// The gradient of the weight `[out, in / groups, kh, kw]`, given the input and that of the output. In f32 whatever the pass
/// computes in: what a tape measures and what it adds up must be the same gradients.
pub(super) fn gradient_of_weight(g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    weight_gradient(Simd::current(), g, x, dy)
}

/// Which kernels compute a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arithmetic {
    /// Vectors of f32.
    Vectors(Simd),
    /// Tiles of bfloat16.
    #[cfg(target_arch = "x86_64")]
    Tiles(Simd),
}

impl Arithmetic {
    fn of(precision: Precision, g: &Geometry) -> Self {
        let simd = Simd::current();
        #[cfg(target_arch = "x86_64")]
        if precision == Precision::Bf16 && mixed::takes(g) {
            return Self::Tiles(simd);
        }
        let _ = (precision, g);
        Self::Vectors(simd)
    }

    fn simd(self) -> Simd {
        match self {
            Self::Vectors(simd) => simd,
            #[cfg(target_arch = "x86_64")]
            Self::Tiles(simd) => simd,
        }
    }

    /// Computes `sums`.
    fn compute(self, sums: Sums<'_>, weight: Weight<'_>) {
        let algorithm = Algorithm::choose(self, sums.shifts, false);
        LaidOut::new(sums.simd, algorithm, weight, sums.shifts).sums(sums, weight);
    }

    /// The output `[n, out, oh, ow]`, each channel mapped by its own of `maps`, if given.
    fn forward(self, g: &Geometry, x: &[f32], weight: &[f32], maps: Option<&[Affine]>) -> Vec<f32> {
        let (simd, shifts) = (self.simd(), &g.forward_shifts());
        let weight = g.view(weight, Reduce::Inputs);
        let len = g.output_shape().iter().product();
        // SAFETY: the grid of a forward pass is the whole output.
        unsafe {
            memory::filled(len, |y| {
                self.compute(
                    Sums {
                        simd,
                        shifts,
                        x,
                        maps,
                        y,
                    },
                    weight,
                );
            })
        }
    }

    /// [`Self::forward`] with weights that are kept.
    fn forward_kept(
        self,
        g: &Geometry,
        x: &[f32],
        weight: &FlexTensor,
        maps: Option<&[Affine]>,
        kept: &KeptWeights,
    ) -> Vec<f32> {
        let (simd, shifts) = (self.simd(), &g.forward_shifts());
        let algorithm = Algorithm::choose(self, shifts, true);
        let laid_out = kept.get(simd, g, algorithm, weight, shifts);
        let weight = g.view(values(weight), Reduce::Inputs);
        let len = g.output_shape().iter().product();
        // SAFETY: the grid of a forward pass is the whole output.
        unsafe {
            memory::filled(len, |y| {
                laid_out.sums(
                    Sums {
                        simd,
                        shifts,
                        x,
                        maps,
                        y,
                    },
                    weight,
                );
            })
        }
    }

    /// The gradient of the input `[n, c, h, w]`, given that of the output.
    fn data_gradient(self, g: &Geometry, weight: &[f32], dy: &[f32]) -> Vec<f32> {
        let weight = g.view(weight, Reduce::Outputs);
        let len = g.input_shape().iter().product();
        // SAFETY: the grids of the residues cover the input.
        unsafe {
            memory::filled(len, |dx| {
                for shifts in &g.data_gradient_shifts() {
                    let sums = Sums {
                        simd: self.simd(),
                        shifts,
                        x: dy,
                        maps: None,
                        y: dx,
                    };
                    self.compute(sums, weight);
                }
            })
        }
    }

    /// The gradient of the weight `[out, in / groups, kh, kw]`, given the input and that of the output.
    fn weight_gradient(self, g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
        match self {
            Self::Vectors(simd) => weight_gradient(simd, g, x, dy),
            #[cfg(target_arch = "x86_64")]
            Self::Tiles(simd) => mixed::weight_gradient(simd, g, x, dy),
        }
    }
}
