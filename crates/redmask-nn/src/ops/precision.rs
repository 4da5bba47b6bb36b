//! How exactly convolutions multiply.

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How exactly the convolutions of a pass multiply. Weights, activations, sums, statistics, losses and optimizer states are
/// f32 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Factors in f32.
    #[default]
    Fp32,
    /// Factors rounded to bfloat16 (8 bits of precision) and sums in f32, on the matrix unit (AMX) of x86 server CPUs from
    /// 2023 on. Convolutions in groups, depthwise ones among them, stay in f32.
    Bf16,
}

impl Precision {
    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether this machine can compute at this precision. On other devices than the CPU it changes nothing.
    pub fn is_available(self) -> bool {
        match self {
            Self::Fp32 => true,
            #[cfg(target_arch = "x86_64")]
            Self::Bf16 => super::kernel::amx::available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Bf16 => false,
        }
    }

    /// The precision itself if this machine can compute at it.
    ///
    /// # Errors
    /// Otherwise. Falling back to f32 in silence would make results depend on the machine.
    pub fn checked(self) -> Result<Self> {
        if self.is_available() {
            return Ok(self);
        }
        Err(Error::unsupported(
            format!("precision {}", self.name()),
            "this CPU has no AMX unit for bfloat16, or the system does not permit it; use precision fp32",
        ))
    }
}

impl std::str::FromStr for Precision {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Fp32, Self::Bf16]
            .into_iter()
            .find(|precision| precision.name() == name)
            .ok_or_else(|| Error::config("precision", format!("`{name}`: expected fp32 or bf16")))
    }
}
