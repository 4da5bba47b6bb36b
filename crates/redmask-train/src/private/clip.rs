//! Bounds on one unit's influence.

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the gradient of one unit is scaled down before it is summed. Every variant bounds its Euclidean norm by `norm`,
/// which is the sensitivity of the sum to adding or removing one unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Clipping {
    /// `g min(1, C / |g|)` over all parameters together.
    Flat {
        /// The bound `C`.
        norm: f64,
    },
    /// Each of the `L` parameter tensors on its own, to `C / sqrt(L)`.
    PerLayer {
        /// The bound `C` of the whole.
        norm: f64,
    },
    /// `C g / (|g| + gamma)`: every unit counts alike and `C` merges with the learning rate (Bu et al.,
    /// arXiv 2206.07136).
    Automatic {
        /// The bound `C`.
        norm: f64,
        /// The stability constant `gamma`.
        #[serde(default = "stability")]
        stability: f64,
    },
}

fn stability() -> f64 {
    0.01
}

impl Default for Clipping {
    fn default() -> Self {
        Self::Flat { norm: 1.0 }
    }
}

impl Clipping {
    /// The largest norm that a clipped gradient can have.
    pub fn sensitivity(&self) -> f64 {
        match *self {
            Self::Flat { norm } | Self::PerLayer { norm } | Self::Automatic { norm, .. } => norm,
        }
    }

    /// The largest norm that a clipped gradient can have if it lies in one of `parts` parameter tensors alone.
    pub(super) fn largest_in_one_part(&self, parts: usize) -> f64 {
        match *self {
            Self::Flat { norm } | Self::Automatic { norm, .. } => norm,
            Self::PerLayer { norm } => norm / (parts as f64).sqrt(),
        }
    }

    /// # Errors
    /// If the bound or the stability constant is not a positive number.
    pub fn validate(&self) -> Result<()> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if !positive(self.sensitivity()) {
            return Err(Error::config(
                "privacy.clipping.norm",
                format!("{} is not a positive number", self.sensitivity()),
            ));
        }
        match *self {
            Self::Automatic { stability, .. } if !positive(stability) => Err(Error::config(
                "privacy.clipping.stability",
                format!("{stability} is not a positive number"),
            )),
            _ => Ok(()),
        }
    }

    /// What each parameter tensor of one unit's gradient is multiplied by, given the tensors' squared norms.
    ///
    /// ```
    /// use redmask_train::private::Clipping;
    /// assert_eq!(Clipping::Flat { norm: 1.0 }.factors(&[9.0, 16.0]), [0.2, 0.2]);
    /// assert_eq!(Clipping::Flat { norm: 10.0 }.factors(&[9.0, 16.0]), [1.0, 1.0]);
    /// let each = 1.0 / 2f64.sqrt();
    /// assert_eq!(Clipping::PerLayer { norm: 1.0 }.factors(&[9.0, 0.25]), [each / 3.0, 1.0]);
    /// ```
    pub fn factors(&self, squared_norms: &[f64]) -> Vec<f64> {
        let total = || squared_norms.iter().sum::<f64>().sqrt();
        let shrink = |norm: f64, bound: f64| if norm > bound { bound / norm } else { 1.0 };
        match *self {
            Self::Flat { norm } => vec![shrink(total(), norm); squared_norms.len()],
            Self::PerLayer { norm } => {
                let bound = norm / (squared_norms.len() as f64).sqrt();
                squared_norms
                    .iter()
                    .map(|s| shrink(s.sqrt(), bound))
                    .collect()
            }
            Self::Automatic { norm, stability } => {
                vec![norm / (total() + stability); squared_norms.len()]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_clipped_gradient_exceeds_the_bound(
            squares in prop::collection::vec(0f64..1e6, 1..30),
            norm in 1e-3f64..10.0,
        ) {
            for clipping in [
                Clipping::Flat { norm },
                Clipping::PerLayer { norm },
                Clipping::Automatic { norm, stability: 0.01 },
            ] {
                let factors = clipping.factors(&squares);
                let clipped: f64 = squares.iter().zip(&factors).map(|(s, f)| s * f * f).sum();
                prop_assert!(clipped.sqrt() <= norm * (1.0 + 1e-12), "{clipping:?}");
            }
        }
    }

    #[test]
    fn a_bound_of_zero_is_refused() {
        assert!(Clipping::Flat { norm: 0.0 }.validate().is_err());
        assert!(Clipping::PerLayer { norm: f64::NAN }.validate().is_err());
    }
}
