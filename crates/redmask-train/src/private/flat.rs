//! All gradients of a network as one vector.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use redmask_nn::weights::StatePath;

/// Elements one partial sum covers: fixed, so that norms do not depend on the threads.
const CHUNK: usize = 1 << 14;

/// Where each trainable parameter lies in the vector.
#[derive(Debug, Clone)]
pub struct GradientLayout {
    parts: BTreeMap<String, std::ops::Range<usize>>,
    len: usize,
}

impl GradientLayout {
    /// The parameters of `network` that require gradients and that `moves` accepts, by path.
    pub fn of<M: Module>(network: &M, moves: impl Fn(&str) -> bool) -> Self {
        let mut survey = Survey {
            path: StatePath::default(),
            moves,
            parts: BTreeMap::new(),
            len: 0,
        };
        network.visit(&mut survey);
        Self {
            parts: survey.parts,
            len: survey.len,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is trainable.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of parameter tensors.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Copies `gradients` of `network` into `out`; zero where a parameter has none.
    pub(crate) fn gather<M: Module>(
        &self,
        network: &M,
        gradients: &mut GradientsParams,
        out: &mut [f32],
    ) {
        out.fill(0.0);
        network.visit(&mut Gather {
            layout: self,
            path: StatePath::default(),
            gradients,
            out,
        });
    }

    /// The vector as gradients of `network`.
    pub(crate) fn scatter<M: Module>(&self, network: &M, flat: &[f32]) -> GradientsParams {
        let mut scatter = Scatter {
            layout: self,
            path: StatePath::default(),
            flat,
            gradients: GradientsParams::new(),
        };
        network.visit(&mut scatter);
        scatter.gradients
    }

    /// The squared norm of each parameter's part, in order of path.
    pub(crate) fn squared_norms(&self, flat: &[f32]) -> Vec<f64> {
        self.parts
            .values()
            .map(|part| {
                let partial: Vec<f64> = flat[part.clone()]
                    .par_chunks(CHUNK)
                    .map(|chunk| chunk.iter().map(|&v| f64::from(v) * f64::from(v)).sum())
                    .collect();
                partial.iter().sum()
            })
            .collect()
    }

    /// `sum += factor * flat`, with one factor for each parameter, in order of path.
    pub(crate) fn accumulate(&self, factors: &[f64], flat: &[f32], sum: &mut [f32]) {
        for (part, &factor) in self.parts.values().zip(factors) {
            let factor = factor as f32;
            sum[part.clone()]
                .par_chunks_mut(CHUNK)
                .zip(flat[part.clone()].par_chunks(CHUNK))
                .for_each(|(sum, flat)| {
                    for (s, &v) in sum.iter_mut().zip(flat) {
                        *s += factor * v;
                    }
                });
        }
    }
}

struct Survey<F> {
    path: StatePath,
    moves: F,
    parts: BTreeMap<String, std::ops::Range<usize>>,
    len: usize,
}

impl<F: Fn(&str) -> bool> ModuleVisitor for Survey<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.name();
        if param.is_require_grad() && (self.moves)(&path) {
            let end = self.len + param.dims().iter().product::<usize>();
            self.parts.insert(path, self.len..end);
            self.len = end;
        }
    }
}

struct Gather<'a> {
    layout: &'a GradientLayout,
    path: StatePath,
    gradients: &'a mut GradientsParams,
    out: &'a mut [f32],
}

impl ModuleVisitor for Gather<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(part) = self.layout.parts.get(&self.path.name())
            && let Some(gradient) = self.gradients.remove::<D>(param.id)
        {
            let data = gradient.into_data();
            let values = data.as_slice::<f32>().expect("training runs in f32");
            self.out[part.clone()].copy_from_slice(values);
        }
    }
}

struct Scatter<'a> {
    layout: &'a GradientLayout,
    path: StatePath,
    flat: &'a [f32],
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
        if let Some(part) = self.layout.parts.get(&self.path.name()) {
            let data = TensorData::new(self.flat[part.clone()].to_vec(), param.dims());
            let tensor = Tensor::<D>::from_data(data, &param.device().inner());
            self.gradients.register(param.id, tensor);
        }
    }
}
