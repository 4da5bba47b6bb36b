//! Weights as the kernels read them, and where those of a network that does not change are kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use burn::backend::flex::FlexTensor;

#[cfg(target_arch = "x86_64")]
use super::mixed;
use super::{
    super::{Precision, flex::values, simd::Simd},
    Arithmetic, depthwise,
    geometry::{Geometry, Shifts, Sums},
    pack::PackedWeight,
    shifted::{self, Factors},
    weight::{Reduce, Weight},
    winograd::{self, TransformedWeight},
};

/// How the convolutions of a pass are computed.
#[derive(Debug, Clone, Default)]
pub struct Computation {
    /// Of the products, in both passes, on CPUs that can; a pass has asked with [`Precision::checked`].
    pub precision: Precision,
    /// Where a pass without gradients keeps the weights that it has laid out, for the next one.
    pub kept: Option<KeptWeights>,
}

impl Computation {
    /// The same, with weights laid out anew: where they change from pass to pass, keeping them would cost a copy each time.
    pub(in super::super) fn anew(self) -> Self {
        Self { kept: None, ..self }
    }
}

impl From<Precision> for Computation {
    fn from(precision: Precision) -> Self {
        Self {
            precision,
            kept: None,
        }
    }
}

/// Laid-out weights of a network that does not change, shared by its evaluation passes. It holds on to the weights it has
/// seen; make a new one for a changed network and drop it with the network.
///
/// A kept weight costs its size again where there are many positions, half of that in bfloat16, four times it where minimal
/// filtering is used, and nothing elsewhere. Laid out once, weights of few positions are filtered too, so results differ in
/// their last digits from a pass without.
#[derive(Debug, Clone, Default)]
pub struct KeptWeights(Arc<Mutex<HashMap<Key, Kept>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// Where the weight lies. No other weight comes to lie there as long as this one is held.
    address: usize,
    shape: [usize; 4],
    /// Stride and dilation say which taps read neighbours.
    steps: [[usize; 2]; 2],
    algorithm: Algorithm,
    simd: Simd,
}

#[derive(Debug)]
struct Kept {
    _weight: FlexTensor,
    laid_out: Arc<LaidOut>,
}

impl KeptWeights {
    /// The weight as `algorithm` reads it in a forward pass.
    pub(super) fn get(
        &self,
        simd: Simd,
        g: &Geometry,
        algorithm: Algorithm,
        weight: &FlexTensor,
        shifts: &Shifts,
    ) -> Arc<LaidOut> {
        let view = g.view(values(weight), Reduce::Inputs);
        let key = Key {
            address: view.values.as_ptr().addr(),
            shape: g.weight_shape(),
            steps: [g.stride, g.dilation],
            algorithm,
            simd,
        };
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept().get(&key) {
            return Arc::clone(&kept.laid_out);
        }
        let laid_out = Arc::new(LaidOut::new(simd, algorithm, view, shifts));
        let entry = Kept {
            _weight: weight.clone(),
            laid_out: Arc::clone(&laid_out),
        };
        kept().insert(key, entry);
        laid_out
    }
}

/// The algorithms for sums over shifted reads, by what they make of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    Depthwise,
    InRows,
    Packed,
    Filtered,
    #[cfg(target_arch = "x86_64")]
    Tiled,
}

impl Algorithm {
    /// The faster one for these sizes; `kept` if the weights are laid out already.
    pub(super) fn choose(arithmetic: Arithmetic, shifts: &Shifts, kept: bool) -> Self {
        match arithmetic {
            #[cfg(target_arch = "x86_64")]
            Arithmetic::Tiles(_) => Self::Tiled,
            Arithmetic::Vectors(_) if depthwise::takes(shifts) => Self::Depthwise,
            Arithmetic::Vectors(_) if winograd::takes(shifts, kept) => Self::Filtered,
            Arithmetic::Vectors(_) if shifted::packs(shifts) => Self::Packed,
            Arithmetic::Vectors(_) => Self::InRows,
        }
    }
}

/// What an algorithm makes of a weight.
#[derive(Debug)]
pub(super) enum LaidOut {
    Depthwise,
    InRows,
    Packed(PackedWeight),
    Filtered(TransformedWeight),
    #[cfg(target_arch = "x86_64")]
    Tiled(mixed::TiledWeight),
}

impl LaidOut {
    /// Lays the taps of `shifts` out.
    pub(super) fn new(
        simd: Simd,
        algorithm: Algorithm,
        weight: Weight<'_>,
        shifts: &Shifts,
    ) -> Self {
        match algorithm {
            Algorithm::Depthwise => Self::Depthwise,
            Algorithm::InRows => Self::InRows,
            Algorithm::Packed => Self::Packed(PackedWeight::new(simd, weight, shifts)),
            Algorithm::Filtered => Self::Filtered(TransformedWeight::new(simd, shifts, weight)),
            #[cfg(target_arch = "x86_64")]
            Algorithm::Tiled => Self::Tiled(mixed::TiledWeight::new(simd, weight, shifts)),
        }
    }

    /// Computes `sums`; `weight` is what was laid out.
    pub(super) fn sums(&self, sums: Sums<'_>, weight: Weight<'_>) {
        match self {
            Self::Depthwise => depthwise::run(sums, weight),
            Self::InRows => shifted::run(sums, Factors::InRows(weight)),
            Self::Packed(weight) => shifted::run(sums, Factors::Packed(weight)),
            Self::Filtered(weight) => winograd::run(sums, weight),
            #[cfg(target_arch = "x86_64")]
            Self::Tiled(weight) => mixed::run(sums, weight),
        }
    }
}
