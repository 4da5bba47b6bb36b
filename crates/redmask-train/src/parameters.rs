//! The floats of a network by path, bit by bit: what checkpoints hold and what equality of two trainings means.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use redmask_core::{Error, Fingerprint, FingerprintBuilder, Result};

/// Follows a traversal and names the parameter it is at, as PyTorch's state dict would: the variant of an enum of
/// networks is no component.
#[derive(Debug, Default)]
pub(crate) struct PathTracker(Vec<String>);

impl PathTracker {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.push(name.to_owned());
        }
    }

    pub(crate) fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.pop();
        }
    }

    pub(crate) fn current(&self) -> String {
        self.0.join(".")
    }
}

/// One float tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, contiguous.
    pub data: Vec<f32>,
}

/// Every float of a network, weights and running statistics, by path.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(pub BTreeMap<String, Values>);

impl Parameters {
    /// Copies the values out of `module`.
    pub fn of<M: Module>(module: &M) -> Self {
        let mut gather = Gather::default();
        module.visit(&mut gather);
        gather.found
    }

    /// A hash of names, shapes and bits.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        for (path, values) in &self.0 {
            builder.part("path", path.as_bytes());
            for &d in &values.shape {
                builder.part("dim", &(d as u64).to_le_bytes());
            }
            let bytes: Vec<u8> = values.data.iter().flat_map(|v| v.to_le_bytes()).collect();
            builder.part("bits", &bytes);
        }
        builder.finish()
    }

    /// Puts the values into `module`, each into a buffer of its own.
    ///
    /// # Errors
    /// If a path is missing on either side or a shape differs; `module` is lost then.
    pub fn load_into<M: Module>(self, module: M) -> Result<M> {
        let mut fill = Fill {
            path: PathTracker::default(),
            values: self.0,
            problem: None,
        };
        let module = module.map(&mut fill);
        if let Some(problem) = fill.problem {
            return Err(Error::unsupported("loading these weights", problem));
        }
        if let Some(path) = fill.values.keys().next() {
            return Err(Error::unsupported(
                "loading these weights",
                format!("the network has no parameter {path}"),
            ));
        }
        Ok(module)
    }
}

#[derive(Default)]
struct Gather {
    path: PathTracker,
    found: Parameters,
}

impl ModuleVisitor for Gather {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.base();
        let values = Values {
            shape: tensor.dims().to_vec(),
            data: tensor
                .detach()
                .into_data()
                .try_into_vec()
                .expect("training runs in f32"),
        };
        self.found.0.insert(self.path.current(), values);
    }
}

struct Fill {
    path: PathTracker,
    values: BTreeMap<String, Values>,
    problem: Option<String>,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.current();
        let shape = param.dims();
        match self.values.remove(&path) {
            Some(values) if values.shape == shape => param.map(|old| {
                let data = TensorData::new(values.data, shape);
                Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad())
            }),
            Some(values) => {
                self.problem.get_or_insert(format!(
                    "{path} has shape {:?}, the network wants {shape:?}",
                    values.shape
                ));
                param
            }
            None => {
                self.problem
                    .get_or_insert(format!("there are no values for {path}"));
                param
            }
        }
    }
}
