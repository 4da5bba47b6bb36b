//! From values to positions along an axis, and the ticks between.

use crate::number::{MINUS, significant};
use crate::schema::{Axis, Notation, Scale};

/// A domain of values laid over a stretch of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    scale: Scale,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Span {
    /// Exactly `low..high` over the pixels `from..to`.
    pub(crate) fn exact(scale: Scale, (low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self {
            scale,
            low,
            high,
            from,
            to,
        }
    }

    /// The same domain over other pixels.
    pub(crate) fn over(self, from: f64, to: f64) -> Self {
        Self { from, to, ..self }
    }

    /// A domain that holds all `values` and ends on ticks.
    pub(crate) fn around(
        scale: Scale,
        values: impl Iterator<Item = f64>,
        pixels: (f64, f64),
    ) -> Self {
        let shown = values.filter(|v| v.is_finite() && (scale == Scale::Linear || *v > 0.0));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        let (low, high) = match scale {
            _ if low > high => (0.1, 1.0),
            Scale::Log => (
                10f64.powf(low.log10().floor()),
                10f64.powf(high.log10().ceil()),
            ),
            Scale::Linear if low == high => {
                let half = if low == 0.0 { 0.5 } else { low.abs() * 0.1 };
                (low - half, high + half)
            }
            Scale::Linear => {
                let step = nice_step((high - low) / 5.0);
                (
                    (low / step + 1e-9).floor() * step,
                    (high / step - 1e-9).ceil() * step,
                )
            }
        };
        let high = if low == high { low * 10.0 } else { high };
        Self::exact(scale, (low, high), pixels)
    }

    /// The pixel of a value; values outside the domain land on its ends.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
            }
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Values with a label, about `count` of them.
    pub(crate) fn ticks(&self, count: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = nice_step((self.high - self.low) / count.max(1) as f64);
                let first = (self.low / step - 1e-6).ceil();
                let last = (self.high / step + 1e-6).floor();
                let whole = (last - first).max(0.0) as usize;
                (0..=whole)
                    .map(|i| clean((first + i as f64) * step, step))
                    .collect()
            }
            Scale::Log => {
                let (first, last) = (
                    self.low.log10().ceil() as i32,
                    self.high.log10().floor() as i32,
                );
                let every = ((last - first) / count.max(1) as i32).max(1);
                (first..=last)
                    .step_by(every as usize)
                    .map(|e| 10f64.powi(e))
                    .collect()
            }
        }
    }

    /// Values between the ticks of a logarithmic axis.
    pub(crate) fn minor_ticks(&self) -> Vec<f64> {
        if self.scale == Scale::Linear {
            return Vec::new();
        }
        let (first, last) = (
            self.low.log10().floor() as i32,
            self.high.log10().ceil() as i32,
        );
        let all = (first..last).flat_map(|e| (2..10).map(move |m| f64::from(m) * 10f64.powi(e)));
        all.filter(|v| (self.low..=self.high).contains(v)).collect()
    }
}

/// 1, 2 or 5 times a power of ten, at least `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|f| f * power >= raw * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Removes the noise of adding steps, so that zero is zero.
fn clean(value: f64, step: f64) -> f64 {
    if value.abs() < step * 1e-6 {
        0.0
    } else {
        value
    }
}

/// The labels of `ticks`, all with the same number of decimals on a linear axis.
pub(crate) fn tick_labels(axis: &Axis, ticks: &[f64]) -> Vec<String> {
    let (factor, unit) = match axis.notation {
        Notation::Percent => (100.0, "%"),
        Notation::Decimal => (1.0, ""),
    };
    let step = ticks
        .windows(2)
        .map(|w| (w[1] - w[0]).abs())
        .fold(f64::INFINITY, f64::min)
        * factor;
    let decimals = if step.is_finite() {
        (-step.log10()).ceil().max(0.0) as usize
    } else {
        1
    };
    // 0.25 has two decimals although its magnitude asks for one.
    let scaled = step * 10f64.powi(decimals as i32);
    let decimals = if (scaled - scaled.round()).abs() > 1e-6 && decimals < 6 {
        decimals + 1
    } else {
        decimals
    };
    let label = |&tick: &f64| {
        let value = tick * factor;
        let text = match axis.scale {
            Scale::Linear if value.abs() < 1e5 => format!("{value:.decimals$}"),
            Scale::Linear => significant(value, 2),
            Scale::Log => plain(value),
        };
        match text.strip_prefix('-') {
            Some(rest) => format!("{MINUS}{rest}{unit}"),
            None => format!("{text}{unit}"),
        }
    };
    ticks.iter().map(label).collect()
}

/// A power of ten as short as it can be read.
fn plain(value: f64) -> String {
    if (1e-4..1e5).contains(&value) {
        let text = format!("{value:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("10^{}", value.log10().round())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let span = Span::around(Scale::Linear, [0.013, 0.0249].into_iter(), (0.0, 100.0));
        let axis = Axis::new("gap");
        let ticks = span.ticks(5);
        assert_eq!(
            tick_labels(&axis, &ticks),
            ["0.010", "0.015", "0.020", "0.025"]
        );
        let rates = Span::exact(Scale::Linear, (0.0, 1.0), (0.0, 100.0));
        assert_eq!(
            tick_labels(&axis.clone().percent(), &rates.ticks(5)),
            ["0%", "20%", "40%", "60%", "80%", "100%"]
        );
        let log = Span::exact(Scale::Log, (1e-3, 1.0), (0.0, 90.0));
        assert_eq!(
            tick_labels(&axis.log().percent(), &log.ticks(5)),
            ["0.1%", "1%", "10%", "100%"]
        );
        assert!((log.at(0.01) - 30.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn every_value_and_tick_lies_inside(values in proptest::collection::vec(-1e6..1e6f64, 1..20), log: bool) {
            let scale = if log { Scale::Log } else { Scale::Linear };
            let span = Span::around(scale, values.iter().copied(), (10.0, 200.0));
            prop_assert!(span.low < span.high);
            for v in values.into_iter().chain(span.ticks(6)).chain(span.minor_ticks()) {
                prop_assert!((10.0..=200.0).contains(&span.at(v)));
            }
            prop_assert!(span.ticks(6).len() <= 14);
        }
    }
}
