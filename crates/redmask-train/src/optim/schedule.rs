//! Learning rates over a training.

use serde::{Deserialize, Serialize};

/// How the learning rate moves from the first step to the last.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Stays as it is.
    #[default]
    Constant,
    /// `(1 - step / total)^power`, the DeepLab schedule (Chen et al., arXiv 1606.00915).
    Poly {
        /// Exponent, 0.9 in the literature.
        #[serde(default = "power")]
        power: f64,
    },
    /// Half a cosine from the rate down to `floor` times the rate (Loshchilov and Hutter, arXiv 1608.03983, without
    /// restarts).
    Cosine {
        /// The last rate as a share of the first.
        #[serde(default)]
        floor: f64,
    },
}

fn power() -> f64 {
    0.9
}

impl Schedule {
    /// What step `step` of `total` multiplies the learning rate by.
    ///
    /// ```
    /// use redmask_train::optim::Schedule;
    /// let poly = Schedule::Poly { power: 0.9 };
    /// assert_eq!(poly.factor(0, 100), 1.0);
    /// assert!((poly.factor(50, 100) - 0.5f64.powf(0.9)).abs() < 1e-12);
    /// assert!((Schedule::Cosine { floor: 0.1 }.factor(50, 100) - 0.55).abs() < 1e-12);
    /// ```
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let done = if total == 0 {
            0.0
        } else {
            step.min(total) as f64 / total as f64
        };
        match *self {
            Self::Constant => 1.0,
            Self::Poly { power } => (1.0 - done).powf(power),
            Self::Cosine { floor } => {
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }
}
