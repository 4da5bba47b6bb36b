//! Optimizer steps: one pass over a parameter, its gradient and its moments.

use super::{
    memory::{self, Shared},
    simd::{Simd, multiversion},
};

/// Elements that one task updates.
const CHUNK: usize = 1 << 15;

/// An element-wise update of a parameter `w` by its gradient `g`, with its coefficients settled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// Adam and its kin:
    /// `g += decay w; m += c1 (g - m); v += c2 (g^2 - v); w = keep w - (gradient g + moment m) / (scale sqrt(v) + epsilon)`.
    Moments {
        /// What remains of a weight under decoupled decay.
        keep: f32,
        /// Coupled decay.
        decay: f32,
        /// `1 - beta1`.
        c1: f32,
        /// `1 - beta2`.
        c2: f32,
        /// Of the second moment's root: its bias correction.
        scale: f32,
        /// Added to the scaled root.
        epsilon: f32,
        /// The rate of the gradient itself.
        gradient: f32,
        /// The rate of the first moment.
        moment: f32,
    },
    /// Gradient descent: `g += decay w; m = keep m + add g; w -= gradient g + moment m`.
    Momentum {
        /// Coupled decay.
        decay: f32,
        /// The momentum.
        keep: f32,
        /// One minus the dampening.
        add: f32,
        /// The rate of the gradient itself.
        gradient: f32,
        /// The rate of the momentum buffer.
        moment: f32,
    },
}

impl Update {
    /// Updates `w` and its moments in place. [`Update::Momentum`] has no second moment and may go without the first: such a
    /// buffer is empty, the others are as long as `w`.
    ///
    /// The same numbers whatever the number of threads.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit.
    pub fn apply(self, w: &mut [f32], g: &[f32], first: &mut [f32], second: &mut [f32]) {
        let len = w.len();
        let missing = |buffer: &[f32]| buffer.is_empty() && matches!(self, Self::Momentum { .. });
        assert_eq!(g.len(), len, "a gradient of another length");
        assert!(
            first.len() == len || missing(first),
            "a first moment of another length"
        );
        assert!(
            second.len() == len || missing(second),
            "a second moment of another length"
        );
        let simd = Simd::current();
        let lens = [len, first.len(), second.len()];
        let buffers = [w, first, second].map(Shared::new);
        memory::parallel(len.div_ceil(CHUNK), |task| {
            let at = task * CHUNK;
            let count = CHUNK.min(len - at);
            let part = |i: usize| {
                let (at, count) = if lens[i] == 0 { (0, 0) } else { (at, count) };
                // SAFETY: every task has its own chunk.
                unsafe { buffers[i].part(at, count) }
            };
            let (w, first, second) = (part(0), part(1), part(2));
            let g = &g[at..at + count];
            match self {
                Self::Moments { .. } => by_moments(simd, self, w, g, first, second),
                Self::Momentum { .. } => by_momentum(simd, self, w, g, first),
            }
        });
    }
}

multiversion! {
    fn by_moments(update: Update, w: &mut [f32], g: &[f32], first: &mut [f32], second: &mut [f32]) {
        let Update::Moments { keep, decay, c1, c2, scale, epsilon, gradient, moment } = update else {
            return;
        };
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(first).zip(second) {
            let g = g + decay * *w;
            *m += c1 * (g - *m);
            *v += c2 * (g * g - *v);
            *w = *w * keep - (gradient * g + moment * *m) / (v.sqrt() * scale + epsilon);
        }
    }
}

multiversion! {
    fn by_momentum(update: Update, w: &mut [f32], g: &[f32], first: &mut [f32]) {
        let Update::Momentum { decay, keep, add, gradient, moment } = update else {
            return;
        };
        if first.is_empty() {
            for (w, &g) in w.iter_mut().zip(g) {
                *w -= gradient * (g + decay * *w);
            }
            return;
        }
        for ((w, &g), m) in w.iter_mut().zip(g).zip(first) {
            let g = g + decay * *w;
            *m = keep * *m + add * g;
            *w -= gradient * g + moment * *m;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_do_not_show() {
        let update = Update::Moments {
            keep: 0.99,
            decay: 0.1,
            c1: 0.1,
            c2: 0.01,
            scale: 2.0,
            epsilon: 1e-8,
            gradient: 1e-3,
            moment: 2e-3,
        };
        let len = 2 * CHUNK + 17;
        let values =
            |factor: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * factor).sin()).collect() };
        let g = values(0.3);
        let start = || {
            [
                values(0.1),
                values(0.2),
                values(0.4).iter().map(|v| v * v).collect(),
            ]
        };
        let [mut w, mut m, mut v] = start();
        update.apply(&mut w, &g, &mut m, &mut v);
        let [mut w_each, mut m_each, mut v_each] = start();
        for i in 0..len {
            let one = i..=i;
            update.apply(
                &mut w_each[one.clone()],
                &g[one.clone()],
                &mut m_each[one.clone()],
                &mut v_each[one],
            );
        }
        assert_eq!([w, m, v], [w_each, m_each, v_each]);
    }
}
