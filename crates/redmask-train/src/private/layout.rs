//! The trainable parameters of a network in a fixed order, and their gradients as plain vectors.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use redmask_nn::weights::StatePath;

use crate::trainer::values;

/// Elements one partial sum covers: fixed, so that norms do not depend on the threads.
const CHUNK: usize = 1 << 14;

/// A gradient: one vector for each parameter of a [`GradientLayout`], in its order.
pub type Parts = Vec<Vec<f32>>;

/// The parameters that a private training moves, in order of path.
#[derive(Debug, Clone)]
pub struct GradientLayout {
    /// Paths, and how many elements each has.
    parts: Vec<(String, usize)>,
}

impl GradientLayout {
    /// The parameters of `network` that require gradients and that `moves` accepts, by path.
    pub fn of<M: Module>(network: &M, moves: impl Fn(&str) -> bool) -> Self {
        let mut parts = Vec::new();
        visit(network, |path, parameter| {
            if parameter.trainable && moves(path) {
                parts.push((path.to_owned(), parameter.len));
            }
        });
        parts.sort();
        Self { parts }
    }

    /// Number of elements of all parameters.
    pub fn len(&self) -> usize {
        self.lengths().sum()
    }

    /// Whether nothing is trainable.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of parameter tensors.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The path of each parameter.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(path, _)| path.as_str())
    }

    /// The number of elements of each parameter.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|&(_, len)| len)
    }

    /// A gradient of zeros.
    pub fn zeros(&self) -> Parts {
        self.lengths().map(|len| vec![0.0; len]).collect()
    }

    /// What Burn calls the parameters in `network`.
    ///
    /// # Panics
    /// If `network` lacks one of them.
    pub(crate) fn ids<M: Module>(&self, network: &M) -> Vec<ParamId> {
        let mut ids = vec![None; self.parts.len()];
        visit(network, |path, parameter| {
            if let Some(index) = self.index(path) {
                ids[index] = Some(parameter.id);
            }
        });
        ids.into_iter()
            .map(|id| id.expect("the layout is that of this architecture"))
            .collect()
    }

    /// The gradients of `network` as vectors; zeros where a parameter has none.
    pub(crate) fn gather<M: Module>(&self, network: &M, gradients: &mut GradientsParams) -> Parts {
        let mut gather = Gather {
            layout: self,
            path: StatePath::default(),
            gradients,
            parts: self.zeros(),
        };
        network.visit(&mut gather);
        gather.parts
    }

    /// The vectors as gradients of `network`, for [`Optimizer::step`](crate::optim::Optimizer::step).
    ///
    /// # Panics
    /// If the vectors do not have the layout's lengths.
    pub fn scatter<M: Module>(&self, network: &M, parts: Parts) -> GradientsParams {
        let mut scatter = Scatter {
            layout: self,
            path: StatePath::default(),
            parts,
            gradients: GradientsParams::new(),
        };
        network.visit(&mut scatter);
        scatter.gradients
    }

    fn index(&self, path: &str) -> Option<usize> {
        self.parts
            .binary_search_by(|(known, _)| known.as_str().cmp(path))
            .ok()
    }
}

/// The squared norm of each parameter's part.
pub(crate) fn squared_norms(parts: &[Vec<f32>]) -> Vec<f64> {
    parts
        .iter()
        .map(|part| {
            let partial: Vec<f64> = part
                .par_chunks(CHUNK)
                .map(|chunk| chunk.iter().map(|&v| f64::from(v) * f64::from(v)).sum())
                .collect();
            partial.iter().sum()
        })
        .collect()
}

/// `sum += factor * parts`, with one factor for each parameter.
pub(crate) fn accumulate(factors: &[f64], parts: &[Vec<f32>], sum: &mut [Vec<f32>]) {
    for ((sum, part), &factor) in sum.iter_mut().zip(parts).zip(factors) {
        let factor = factor as f32;
        sum.par_chunks_mut(CHUNK)
            .zip(part.par_chunks(CHUNK))
            .for_each(|(sum, part)| {
                for (s, &v) in sum.iter_mut().zip(part) {
                    *s += factor * v;
                }
            });
    }
}

struct Parameter {
    id: ParamId,
    len: usize,
    trainable: bool,
}

/// Calls `see` with the path of every parameter and running statistic.
fn visit<M: Module>(network: &M, see: impl FnMut(&str, Parameter)) {
    network.visit(&mut Survey {
        path: StatePath::default(),
        see,
    });
}

struct Survey<F> {
    path: StatePath,
    see: F,
}

impl<F: FnMut(&str, Parameter)> ModuleVisitor for Survey<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parameter = Parameter {
            id: param.id,
            len: param.dims().iter().product(),
            trainable: param.is_require_grad(),
        };
        (self.see)(&self.path.name(), parameter);
    }
}

struct Gather<'a> {
    layout: &'a GradientLayout,
    path: StatePath,
    gradients: &'a mut GradientsParams,
    parts: Parts,
}

impl ModuleVisitor for Gather<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(index) = self.layout.index(&self.path.name())
            && let Some(gradient) = self.gradients.remove::<D>(param.id)
        {
            self.parts[index] = values(gradient);
        }
    }
}

struct Scatter<'a> {
    layout: &'a GradientLayout,
    path: StatePath,
    parts: Parts,
    gradients: GradientsParams,
}

impl ModuleVisitor for Scatter<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(index) = self.layout.index(&self.path.name()) {
            let values = std::mem::take(&mut self.parts[index]);
            let data = TensorData::new(values, param.dims());
            let tensor = Tensor::<D>::from_data(data, &param.device().inner());
            self.gradients.register(param.id, tensor);
        }
    }
}
