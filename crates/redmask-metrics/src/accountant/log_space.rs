//! Sums of numbers that only their logarithms can hold.

/// `ln(e^a + e^b)`.
pub(super) fn add(a: f64, b: f64) -> f64 {
    let (high, low) = (a.max(b), a.min(b));
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + (low - high).exp().ln_1p()
    }
}

/// `ln(e^a - e^b)` for `a >= b`; rounding that turns it round gives `-inf`.
pub(super) fn subtract(a: f64, b: f64) -> f64 {
    if b == f64::NEG_INFINITY {
        a
    } else if b >= a {
        f64::NEG_INFINITY
    } else {
        a + (-(b - a).exp()).ln_1p()
    }
}

/// `ln(erfc(x))`, also where `erfc(x)` underflows.
pub(super) fn erfc(x: f64) -> f64 {
    if x < 20.0 {
        return libm::erfc(x).ln();
    }
    // erfc(x) = e^(-x^2) / (x sqrt(pi)) * (1 - 1/(2x^2) + 3/(4x^4) - 15/(8x^6) + ...): beyond 20 four terms are exact.
    let s = 1.0 / (2.0 * x * x);
    let series = -s + 3.0 * s * s - 15.0 * s * s * s;
    -x * x - (x * std::f64::consts::PI.sqrt()).ln() + series.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_invert_each_other() {
        for (a, b) in [(1000.0, 999.0), (-800.0, -2000.0), (0.0, f64::NEG_INFINITY)] {
            assert!((subtract(add(a, b), b) - a).abs() < 1e-12);
            assert_eq!(add(a, b), add(b, a));
        }
        assert_eq!(subtract(1.0, 1.0), f64::NEG_INFINITY);
    }

    #[test]
    fn the_tail_joins_smoothly() {
        let below = erfc(20.0 - 1e-9);
        assert!((below - erfc(20.0)).abs() < 1e-6);
        // scipy: log(erfcx(30)) - 900.
        assert!((erfc(30.0) - -903.974_117_110_643_9).abs() < 1e-9);
    }
}
