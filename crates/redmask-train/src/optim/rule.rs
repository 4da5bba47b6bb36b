//! One step of one parameter: the coefficients in f64, the element-wise update in f32.

use super::config::OptimizerConfig;
use super::state::Slot;

/// Elements one task updates; small parameters run on the calling thread.
const CHUNK: usize = 1 << 15;

/// An element-wise update with its coefficients settled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Adam and its kin:
    /// `w *= keep; g += decay w; m += c1 (g - m); v += c2 (g^2 - v); w -= (a g + b m) / (sqrt(v) s + eps)`.
    Moments {
        keep: f32,
        decay: f32,
        c1: f32,
        c2: f32,
        scale: f32,
        epsilon: f32,
        gradient: f32,
        moment: f32,
    },
    /// Gradient descent: `g += decay w; m = keep m + add g; w -= rate (a g + b m)`.
    Momentum {
        decay: f32,
        keep: f32,
        add: f32,
        gradient: f32,
        moment: f32,
    },
}

impl Rule {
    /// Advances `slot`'s counters to the step that is to be taken and settles its coefficients.
    pub(super) fn next(config: &OptimizerConfig, rate: f64, slot: &mut Slot) -> Self {
        slot.step += 1;
        let t = slot.step as f64;
        match *config {
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
                Self::Moments {
                    keep: shrink(decoupled, rate, weight_decay),
                    decay: if decoupled { 0.0 } else { weight_decay as f32 },
                    c1: (1.0 - beta1) as f32,
                    c2: (1.0 - beta2) as f32,
                    scale: (1.0 - beta2.powf(t)).sqrt().recip() as f32,
                    epsilon: epsilon as f32,
                    gradient: (rate * (1.0 - mu_now) / (1.0 - slot.mu_product)) as f32,
                    moment: (rate * mu_next / (1.0 - slot.mu_product * mu_next)) as f32,
                }
            }
            OptimizerConfig::Adam {
                beta1,
                beta2,
                epsilon,
                weight_decay,
                decoupled,
                ..
            } => Self::Moments {
                keep: shrink(decoupled, rate, weight_decay),
                decay: if decoupled { 0.0 } else { weight_decay as f32 },
                c1: (1.0 - beta1) as f32,
                c2: (1.0 - beta2) as f32,
                scale: (1.0 - beta2.powf(t)).sqrt().recip() as f32,
                epsilon: epsilon as f32,
                gradient: 0.0,
                moment: (rate / (1.0 - beta1.powf(t))) as f32,
            },
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
                Self::Momentum {
                    decay: weight_decay as f32,
                    keep: momentum as f32,
                    add: add as f32,
                    gradient: gradient as f32,
                    moment: moment as f32,
                }
            }
        }
    }

    /// How many moment buffers the optimizer keeps for each parameter.
    pub(super) fn buffers(config: &OptimizerConfig) -> usize {
        match config {
            OptimizerConfig::Nadam { .. } | OptimizerConfig::Adam { .. } => 2,
            OptimizerConfig::Sgd { momentum, .. } => usize::from(*momentum > 0.0),
        }
    }

    /// Updates `w` and its moments in place. A buffer that the rule does not keep is empty.
    pub(super) fn apply(self, w: &mut [f32], g: &[f32], first: &mut [f32], second: &mut [f32]) {
        if w.len() <= CHUNK {
            return self.apply_chunk(w, g, first, second);
        }
        rayon::scope(|scope| {
            let mut rest = (w, g, first, second);
            while !rest.0.is_empty() {
                let n = rest.0.len().min(CHUNK);
                let (w, w_rest) = rest.0.split_at_mut(n);
                let (g, g_rest) = rest.1.split_at(n);
                let (m, m_rest) = rest.2.split_at_mut(n.min(rest.2.len()));
                let (v, v_rest) = rest.3.split_at_mut(n.min(rest.3.len()));
                rest = (w_rest, g_rest, m_rest, v_rest);
                scope.spawn(move |_| self.apply_chunk(w, g, m, v));
            }
        });
    }

    fn apply_chunk(self, w: &mut [f32], g: &[f32], first: &mut [f32], second: &mut [f32]) {
        match self {
            Self::Moments {
                keep,
                decay,
                c1,
                c2,
                scale,
                epsilon,
                gradient,
                moment,
            } => {
                for (((w, &g), m), v) in w.iter_mut().zip(g).zip(first).zip(second) {
                    let g = g + decay * *w;
                    *m += c1 * (g - *m);
                    *v += c2 * (g * g - *v);
                    *w = *w * keep - (gradient * g + moment * *m) / (v.sqrt() * scale + epsilon);
                }
            }
            Self::Momentum {
                decay, gradient, ..
            } if first.is_empty() => {
                for (w, &g) in w.iter_mut().zip(g) {
                    *w -= gradient * (g + decay * *w);
                }
            }
            Self::Momentum {
                decay,
                keep,
                add,
                gradient,
                moment,
            } => {
                for ((w, &g), m) in w.iter_mut().zip(g).zip(first) {
                    let g = g + decay * *w;
                    *m = keep * *m + add * g;
                    *w -= gradient * g + moment * *m;
                }
            }
        }
    }
}

fn shrink(decoupled: bool, rate: f64, weight_decay: f64) -> f32 {
    if decoupled {
        (1.0 - rate * weight_decay) as f32
    } else {
        1.0
    }
}
