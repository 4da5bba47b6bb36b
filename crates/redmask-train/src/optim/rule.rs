//! One step of one parameter: the coefficients, in f64.

use redmask_nn::ops::Update;

use super::config::OptimizerConfig;
use super::state::Slot;

/// Advances `slot`'s counters to the step that is to be taken and settles its coefficients.
pub(super) fn next_update(config: &OptimizerConfig, rate: f64, slot: &mut Slot) -> Update {
    slot.step += 1;
    let t = slot.step as f64;
    let (betas, epsilon, weight_decay, decoupled, [gradient, moment]) = match *config {
        OptimizerConfig::Nadam {
            beta1,
            beta2,
            epsilon,
            momentum_decay,
            weight_decay,
            decoupled,
            ..
        } => {
            let mu = |t: f64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t * momentum_decay));
            let (mu_now, mu_next) = (mu(t), mu(t + 1.0));
            slot.mu_product *= mu_now;
            let rates = [
                rate * (1.0 - mu_now) / (1.0 - slot.mu_product),
                rate * mu_next / (1.0 - slot.mu_product * mu_next),
            ];
            ([beta1, beta2], epsilon, weight_decay, decoupled, rates)
        }
        OptimizerConfig::Adam {
            beta1,
            beta2,
            epsilon,
            weight_decay,
            decoupled,
            ..
        } => {
            let rates = [0.0, rate / (1.0 - beta1.powf(t))];
            ([beta1, beta2], epsilon, weight_decay, decoupled, rates)
        }
        OptimizerConfig::Sgd {
            momentum,
            dampening,
            nesterov,
            weight_decay,
            ..
        } => {
            // PyTorch starts the buffer with the undampened first gradient.
            let add = if slot.step == 1 { 1.0 } else { 1.0 - dampening };
            let (gradient, moment) = match (momentum > 0.0, nesterov) {
                (false, _) => (rate, 0.0),
                (true, false) => (0.0, rate),
                (true, true) => (rate, rate * momentum),
            };
            return Update::Momentum {
                decay: weight_decay as f32,
                keep: momentum as f32,
                add: add as f32,
                gradient: gradient as f32,
                moment: moment as f32,
            };
        }
    };
    let [beta1, beta2] = betas;
    let (keep, decay) = if decoupled {
        (1.0 - rate * weight_decay, 0.0)
    } else {
        (1.0, weight_decay)
    };
    Update::Moments {
        keep: keep as f32,
        decay: decay as f32,
        c1: (1.0 - beta1) as f32,
        c2: (1.0 - beta2) as f32,
        scale: (1.0 - beta2.powf(t)).sqrt().recip() as f32,
        epsilon: epsilon as f32,
        gradient: gradient as f32,
        moment: moment as f32,
    }
}

/// How many moment buffers the optimizer keeps for each parameter.
pub(super) fn buffers(config: &OptimizerConfig) -> usize {
    match config {
        OptimizerConfig::Nadam { .. } | OptimizerConfig::Adam { .. } => 2,
        OptimizerConfig::Sgd { momentum, .. } => usize::from(*momentum > 0.0),
    }
}
