//! Walks a network and steps each parameter that has a gradient.

use std::collections::BTreeMap;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_nn::weights::StatePath;

use super::config::{OptimizerConfig, RateGroup};
use super::rule;
use super::state::{OptimizerState, Slot, SlotState};

/// An optimizer with its memory.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    groups: Vec<RateGroup>,
    slots: BTreeMap<String, Slot>,
}

impl Optimizer {
    /// An optimizer that has not stepped yet.
    pub fn new(config: OptimizerConfig, groups: Vec<RateGroup>) -> Self {
        Self {
            config,
            groups,
            slots: BTreeMap::new(),
        }
    }

    /// Takes one step: every parameter of `module` with a gradient in `gradients` moves; others, buffers and
    /// parameters of a group with factor 0 stay. `rate_factor` multiplies the configured learning rate.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: &mut GradientsParams,
        rate_factor: f64,
    ) -> M {
        let mut walk = Walk {
            optimizer: self,
            gradients,
            rate_factor,
            path: StatePath::default(),
        };
        module.map(&mut walk)
    }

    /// The configured learning rate, before schedule and groups.
    pub fn rate(&self) -> f64 {
        self.config.rate()
    }

    /// The memory, for a checkpoint.
    pub fn state(&self) -> OptimizerState {
        self.slots
            .iter()
            .map(|(path, slot)| {
                let state = SlotState {
                    step: slot.step,
                    mu_product: slot.mu_product,
                    first: slot.first.clone(),
                    second: slot.second.clone(),
                };
                (path.clone(), state)
            })
            .collect()
    }

    /// Replaces the memory by a saved one.
    pub fn restore(&mut self, state: OptimizerState) {
        self.slots = state
            .into_iter()
            .map(|(path, slot)| (path, slot.into()))
            .collect();
    }
}

struct Walk<'a> {
    optimizer: &'a mut Optimizer,
    gradients: &'a mut GradientsParams,
    rate_factor: f64,
    path: StatePath,
}

impl ModuleMapper for Walk<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.path.exit(name, container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let path = self.path.name();
        let factor = RateGroup::factor_for(&self.optimizer.groups, &path);
        if factor == 0.0 {
            return param;
        }
        let config = self.optimizer.config;
        let rate = config.rate() * self.rate_factor * factor;
        let slot = self.optimizer.slots.entry(path).or_default();
        let (id, weight, mapper) = param.consume();
        let tracked = weight.is_require_grad();
        let weight = step(weight.inner(), gradient, &config, rate, slot);
        let weight = Tensor::from_inner(weight);
        let weight = if tracked {
            weight.require_grad()
        } else {
            weight
        };
        Param::from_mapped_value(id, weight, mapper)
    }
}

fn step<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    config: &OptimizerConfig,
    rate: f64,
    slot: &mut Slot,
) -> Tensor<D> {
    let len = weight.shape().num_elements();
    let buffers = rule::buffers(config);
    if buffers > 0 && slot.first.len() != len {
        slot.first = vec![0.0; len];
    }
    if buffers > 1 && slot.second.len() != len {
        slot.second = vec![0.0; len];
    }
    let update = rule::next_update(config, rate, slot);
    let device = weight.device();
    if device != Device::flex() {
        let shape = weight.shape();
        let mut w = to_vec(weight);
        update.apply(&mut w, &to_vec(gradient), &mut slot.first, &mut slot.second);
        return Tensor::from_data(TensorData::new(w, shape), &device);
    }
    let mut w = contiguous(weight);
    let g = contiguous(gradient);
    let g = g
        .as_slice::<f32>()
        .expect("made contiguous and training runs in f32");
    // Copies first if somebody holds a snapshot of the weight.
    update.apply(w.storage_mut::<f32>(), g, &mut slot.first, &mut slot.second);
    Tensor::from_primitive::<Flex>(w)
}

/// The CPU primitive with a buffer of exactly its own elements.
fn contiguous<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = tensor
        .try_into_primitive::<Flex>()
        .expect("the device was checked");
    let exact = tensor.layout().num_elements() * size_of::<f32>();
    if tensor.is_contiguous()
        && tensor.layout().start_offset() == 0
        && tensor.bytes().len() == exact
    {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .expect("training runs in f32")
}
