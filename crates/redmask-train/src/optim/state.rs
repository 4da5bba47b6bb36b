//! What an optimizer remembers of each parameter.

use std::collections::BTreeMap;

/// The memory of one parameter. Moments live in host memory: on the CPU device that is where the update runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub(super) step: u64,
    pub(super) mu_product: f64,
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            step: 0,
            mu_product: 1.0,
            first: Vec::new(),
            second: Vec::new(),
        }
    }
}

/// The saved memory of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotState {
    /// Steps taken.
    pub step: u64,
    /// Running product of `NAdam`'s momentum schedule; 1 elsewhere.
    pub mu_product: f64,
    /// First moment or momentum, as many elements as the parameter or none.
    pub first: Vec<f32>,
    /// Second moment, as many elements as the parameter or none.
    pub second: Vec<f32>,
}

/// The whole memory of an optimizer, by parameter path.
pub type OptimizerState = BTreeMap<String, SlotState>;

impl From<SlotState> for Slot {
    fn from(state: SlotState) -> Self {
        let SlotState {
            step,
            mu_product,
            first,
            second,
        } = state;
        Self {
            step,
            mu_product,
            first,
            second,
        }
    }
}
