//! Which vector instructions the CPU kernels use.

use std::sync::OnceLock;

/// A vector instruction set that the kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Simd {
    /// No more than every target of the compiler has.
    Portable,
    /// AVX2 and FMA, 8 lanes.
    Avx2,
    /// AVX-512 (F and VL), 16 lanes.
    Avx512,
}

/// The variable that forces a path, for tests and for reproducing the results of another machine.
///
/// It takes `avx512`, `avx2` or `portable`. It covers this module's kernels only: matrix products and
/// element-wise operations of Burn choose for themselves.
pub const SIMD_VARIABLE: &str = "REDMASK_SIMD";

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Simd>> = const { std::cell::Cell::new(None) };
}

impl Simd {
    /// The path in use: the best that the CPU has, or the one that [`SIMD_VARIABLE`] asks for if the CPU
    /// has it. Read once per process.
    ///
    /// # Panics
    ///
    /// If the variable names no path.
    pub fn current() -> Self {
        #[cfg(test)]
        if let Some(forced) = FORCED.get() {
            return forced;
        }
        static CURRENT: OnceLock<Simd> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let best = Self::best();
            let Ok(name) = std::env::var(SIMD_VARIABLE) else {
                return best;
            };
            let wanted = Self::ALL.into_iter().find(|simd| simd.name() == name);
            let wanted = wanted.unwrap_or_else(|| {
                panic!("{SIMD_VARIABLE}={name}: expected avx512, avx2 or portable")
            });
            wanted.min(best)
        })
    }

    /// Runs a test on this path.
    #[cfg(test)]
    pub(super) fn force<R>(self, test: impl FnOnce() -> R) -> R {
        FORCED.set(Some(self));
        let result = test();
        FORCED.set(None);
        result
    }

    const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name that [`SIMD_VARIABLE`] takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The paths this CPU can run.
    pub fn available() -> impl Iterator<Item = Self> {
        let best = Self::best();
        Self::ALL.into_iter().filter(move |&simd| simd <= best)
    }

    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("fma") {
            Self::Portable
        } else if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            Self::Avx512
        } else {
            Self::Avx2
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::Portable
    }
}

/// Compiles a function once for each path and calls the one that its first argument names.
///
/// The body is plain Rust that the compiler vectorises. It may use the constant `FUSED`: whether the path has
/// fused multiply-add as an instruction (elsewhere `mul_add` is a library call).
macro_rules! multiversion {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name(simd: $crate::ops::simd::Simd, $($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::inline_always, reason = "only inlined code takes on the caller's instruction set")]
            fn body<const FUSED: bool>($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
                fn avx512($($argument: $type),*) $(-> $result)? { body::<true>($($argument),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) $(-> $result)? { body::<true>($($argument),*) }
                match simd {
                    // SAFETY: `Simd` values of a path exist only where the CPU has its instructions.
                    $crate::ops::simd::Simd::Avx512 => unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::ops::simd::Simd::Avx2 => unsafe { avx2($($argument),*) },
                    $crate::ops::simd::Simd::Portable => body::<false>($($argument),*),
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            {
                let _ = simd;
                body::<false>($($argument),*)
            }
        }
    };
}
pub(super) use multiversion;
