//! Parameters by name.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

/// One named tensor on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTensor {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// All parameters and running statistics of a module, under PyTorch's names, in order of name.
pub type StateDict = BTreeMap<String, StateTensor>;

/// Copies the parameters and running statistics out of `module`.
pub fn state_dict<M: Module>(module: &M) -> StateDict {
    let mut visitor = CopyValues::default();
    module.visit(&mut visitor);
    visitor.found
}

/// Copies the gradients of the parameters of `module`, by parameter name; parameters without one are left out.
pub fn gradient_dict<M: Module>(module: &M, gradients: &Gradients) -> StateDict {
    let mut visitor = CopyGradients {
        gradients,
        path: StatePath::default(),
        found: StateDict::new(),
    };
    module.visit(&mut visitor);
    visitor.found
}

/// Names and shapes of the parameters and running statistics of `module`.
pub fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    let mut visitor = Shapes::default();
    module.visit(&mut visitor);
    visitor.found
}

/// Where a visitor or mapper is, as a state-dict name. Parts that only our types have are left out: enum variants, the
/// list inside a `Sequential`, the trunk that a ResNet is to something built on it.
#[derive(Debug, Default)]
pub struct StatePath(Vec<String>);

impl StatePath {
    /// Goes into a sub-module; to be called from `enter_module`.
    pub fn enter(&mut self, name: &str, container: &str) {
        if !is_ours(name, container) {
            self.0.push(name.to_owned());
        }
    }

    /// Comes back out of it; to be called from `exit_module`.
    pub fn exit(&mut self, name: &str, container: &str) {
        if !is_ours(name, container) {
            self.0.pop();
        }
    }

    /// The state-dict name of this place.
    pub fn name(&self) -> String {
        self.0.join(".")
    }
}

fn is_ours(name: &str, container: &str) -> bool {
    container.starts_with("Enum:")
        || matches!(
            (container, name),
            ("Struct:Sequential", "layers")
                | ("Struct:ResNetClassifier" | "Struct:Backbone", "trunk")
        )
}

#[derive(Default)]
struct CopyValues {
    path: StatePath,
    found: StateDict,
}

impl ModuleVisitor for CopyValues {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = StateTensor {
            shape: param.dims().to_vec(),
            values: host_values(param.val()),
        };
        self.found.insert(self.path.name(), tensor);
    }
}

/// The values of a tensor, row-major.
///
/// # Panics
/// If the tensor does not hold `f32`, which none of our networks lacks.
pub(crate) fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .inner()
        .into_data()
        .try_into_vec()
        .expect("networks compute in f32")
}

#[derive(Default)]
struct Shapes {
    path: StatePath,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.name(), param.dims().to_vec());
    }
}

struct CopyGradients<'a> {
    gradients: &'a Gradients,
    path: StatePath,
    found: StateDict,
}

impl ModuleVisitor for CopyGradients<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            let tensor = StateTensor {
                shape: gradient.dims().to_vec(),
                values: host_values(gradient),
            };
            self.found.insert(self.path.name(), tensor);
        }
    }
}
