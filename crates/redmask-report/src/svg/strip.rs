//! A number, its interval, its seeds and its published counterpart in one line of a table.

use super::canvas::Canvas;
use super::span::Span;
use crate::schema::{Measurement, Published, Scale, Unit};
use crate::summary::CHANCE;

const WIDTH: f64 = 104.0;
const HEIGHT: f64 = 16.0;
const MARGIN: f64 = 5.0;

/// The common scale of a column's strips, so that rows can be compared by eye.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StripScale {
    span: Span,
    chance: bool,
}

impl StripScale {
    /// A scale that holds everything in the column; `None` if nothing varies. Areas under the curve and balanced rates show
    /// where chance lies.
    pub(crate) fn of<'a>(
        measurements: impl Iterator<Item = &'a Measurement>,
        published: impl Iterator<Item = &'a Published>,
    ) -> Option<Self> {
        let mut values = published.map(|p| p.value).collect::<Vec<_>>();
        let mut chance = false;
        for m in measurements {
            let at_chance = ["auc", "accuracy", "balanced_accuracy"];
            chance |= m.unit == Unit::Fraction
                && (m.name.starts_with("membership.") || m.control)
                && m.name
                    .rsplit('.')
                    .next()
                    .is_some_and(|last| at_chance.contains(&last));
            values.extend([Some(m.value), m.low, m.high].into_iter().flatten());
            values.extend(&m.per_seed);
        }
        values.extend(chance.then_some(CHANCE));
        let (low, high) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| {
                (l.min(v), h.max(v))
            });
        (low < high).then(|| Self {
            span: Span::exact(Scale::Linear, (low, high), (MARGIN, WIDTH - MARGIN)),
            chance,
        })
    }
}

/// Draws one strip.
pub(crate) fn strip(
    measured: Option<&Measurement>,
    published: Option<f64>,
    scale: &StripScale,
) -> String {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let middle = HEIGHT / 2.0;
    let span = &scale.span;
    canvas.line("rail", (0.0, middle), (WIDTH, middle));
    if scale.chance {
        let x = span.at(CHANCE);
        canvas.line("chance", (x, 1.0), (x, HEIGHT - 1.0));
    }
    if let Some(m) = measured {
        if let Some((low, high)) = m.bounds() {
            canvas.line("interval", (span.at(low), middle), (span.at(high), middle));
        }
        if m.per_seed.len() > 1 {
            for &seed in &m.per_seed {
                let x = span.at(seed);
                canvas.line("seed", (x, middle - 4.5), (x, middle + 4.5));
            }
        }
        canvas.marker("value", 0, (span.at(m.value), middle), 3.4);
    }
    if let Some(value) = published {
        canvas.diamond("published", (span.at(value), middle), 4.6);
    }
    canvas.finish_inline()
}
