//! Which optimizer, with which constants.

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// An optimizer and its constants. Names and defaults are PyTorch's; the learning rate has none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// `NAdam` (Dozat, "Incorporating Nesterov Momentum into Adam", 2016) as `torch.optim.NAdam`.
    Nadam {
        /// Learning rate.
        rate: f64,
        /// Decay of the first moment.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the denominator.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// Momentum decay `psi`.
        #[serde(default = "momentum_decay")]
        momentum_decay: f64,
        /// Weight decay.
        #[serde(default)]
        weight_decay: f64,
        /// Shrink the weights directly instead of adding the decay to the gradient.
        #[serde(default)]
        decoupled: bool,
    },
    /// Adam (Kingma and Ba, arXiv 1412.6980) as `torch.optim.Adam`; with `decoupled`, `torch.optim.AdamW`
    /// (Loshchilov and Hutter, arXiv 1711.05101).
    Adam {
        /// Learning rate.
        rate: f64,
        /// Decay of the first moment.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the denominator.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// Weight decay.
        #[serde(default)]
        weight_decay: f64,
        /// Shrink the weights directly instead of adding the decay to the gradient.
        #[serde(default)]
        decoupled: bool,
    },
    /// Stochastic gradient descent as `torch.optim.SGD`.
    Sgd {
        /// Learning rate.
        rate: f64,
        /// Momentum; 0 keeps no state.
        #[serde(default)]
        momentum: f64,
        /// Dampening of the momentum's input after its first step.
        #[serde(default)]
        dampening: f64,
        /// Nesterov momentum.
        #[serde(default)]
        nesterov: bool,
        /// Weight decay, added to the gradient.
        #[serde(default)]
        weight_decay: f64,
    },
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

fn momentum_decay() -> f64 {
    4e-3
}

impl Default for OptimizerConfig {
    /// The published victims' optimizer: `NAdam` at 1e-4.
    fn default() -> Self {
        Self::nadam(1e-4)
    }
}

impl OptimizerConfig {
    /// `NAdam` with PyTorch's constants.
    pub fn nadam(rate: f64) -> Self {
        Self::Nadam {
            rate,
            beta1: beta1(),
            beta2: beta2(),
            epsilon: epsilon(),
            momentum_decay: momentum_decay(),
            weight_decay: 0.0,
            decoupled: false,
        }
    }

    /// Adam with PyTorch's constants.
    pub fn adam(rate: f64) -> Self {
        Self::Adam {
            rate,
            beta1: beta1(),
            beta2: beta2(),
            epsilon: epsilon(),
            weight_decay: 0.0,
            decoupled: false,
        }
    }

    /// Plain gradient descent with momentum.
    pub fn sgd(rate: f64, momentum: f64) -> Self {
        Self::Sgd {
            rate,
            momentum,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        }
    }

    /// The learning rate before any schedule.
    pub fn rate(&self) -> f64 {
        match *self {
            Self::Nadam { rate, .. } | Self::Adam { rate, .. } | Self::Sgd { rate, .. } => rate,
        }
    }

    /// The same optimizer with another weight decay.
    #[must_use]
    pub fn with_weight_decay(mut self, decay: f64) -> Self {
        match &mut self {
            Self::Nadam { weight_decay, .. }
            | Self::Adam { weight_decay, .. }
            | Self::Sgd { weight_decay, .. } => *weight_decay = decay,
        }
        self
    }

    /// # Errors
    /// If a constant lies outside its range.
    pub fn validate(&self) -> Result<()> {
        let check = |name: &str, value: f64, ok: bool| {
            if ok && value.is_finite() {
                Ok(())
            } else {
                Err(Error::config(
                    format!("optimizer.{name}"),
                    format!("{value} is out of range"),
                ))
            }
        };
        let unit = |v: f64| (0.0..1.0).contains(&v);
        check("rate", self.rate(), self.rate() >= 0.0)?;
        match *self {
            Self::Nadam {
                beta1,
                beta2,
                epsilon,
                momentum_decay,
                weight_decay,
                ..
            } => {
                check("beta1", beta1, unit(beta1))?;
                check("beta2", beta2, unit(beta2))?;
                check("epsilon", epsilon, epsilon >= 0.0)?;
                check("momentum_decay", momentum_decay, momentum_decay >= 0.0)?;
                check("weight_decay", weight_decay, weight_decay >= 0.0)
            }
            Self::Adam {
                beta1,
                beta2,
                epsilon,
                weight_decay,
                ..
            } => {
                check("beta1", beta1, unit(beta1))?;
                check("beta2", beta2, unit(beta2))?;
                check("epsilon", epsilon, epsilon >= 0.0)?;
                check("weight_decay", weight_decay, weight_decay >= 0.0)
            }
            Self::Sgd {
                momentum,
                dampening,
                nesterov,
                weight_decay,
                ..
            } => {
                check("momentum", momentum, momentum >= 0.0)?;
                check("dampening", dampening, dampening >= 0.0)?;
                check("weight_decay", weight_decay, weight_decay >= 0.0)?;
                if nesterov && (momentum == 0.0 || dampening != 0.0) {
                    return Err(Error::config(
                        "optimizer.nesterov",
                        "needs a momentum and no dampening",
                    ));
                }
                Ok(())
            }
        }
    }
}

/// A part of the network with its own learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateGroup {
    /// Whole leading components of parameter paths, such as `encoder` or `encoder.layer1`. The longest match wins.
    pub prefix: String,
    /// Multiplies the learning rate; 0 freezes the part (its batch statistics still move).
    pub factor: f64,
}

impl RateGroup {
    /// The factor of `path` under `groups`: that of the longest matching prefix, else 1.
    pub(crate) fn factor_for(groups: &[Self], path: &str) -> f64 {
        groups
            .iter()
            .filter(|g| {
                path.strip_prefix(g.prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .max_by_key(|g| g.prefix.len())
            .map_or(1.0, |g| g.factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_of_whole_components_wins() {
        let group = |prefix: &str, factor| RateGroup {
            prefix: prefix.to_owned(),
            factor,
        };
        let groups = [group("encoder", 0.1), group("encoder.layer1", 0.5)];
        let factor = |path| RateGroup::factor_for(&groups, path);
        assert_eq!(factor("encoder.conv1.weight"), 0.1);
        assert_eq!(factor("encoder.layer1.0.conv1.weight"), 0.5);
        assert_eq!(factor("encoder.layer10.weight"), 0.1);
        assert_eq!(factor("encoders.weight"), 1.0);
    }

    #[test]
    fn nesterov_without_momentum_is_refused() {
        let config = OptimizerConfig::Sgd {
            rate: 0.1,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: true,
            weight_decay: 0.0,
        };
        assert!(config.validate().is_err());
        assert!(OptimizerConfig::nadam(f64::NAN).validate().is_err());
    }
}
