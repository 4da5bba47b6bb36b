//! The plotting area of a panel: grid, ticks and axis titles.

use super::canvas::{Anchor, Canvas, text_width};
use super::span::{Span, tick_labels};
use crate::schema::Axis;

/// The font size of ticks and labels in the style sheet, in pixels.
pub(crate) const FONT: f64 = 12.0;

/// Room below the plotting area for tick labels and the axis title.
pub(crate) const BELOW: f64 = 44.0;

/// How wide a panel is drawn so that `panels` of them fill the page side by side, at most three.
pub(crate) fn panel_width(panels: usize) -> f64 {
    match panels {
        0 | 1 => 640.0,
        2 => 496.0,
        _ => 322.0,
    }
}

/// A plotting area with both axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) x_axis: &'a Axis,
    pub(crate) y_axis: &'a Axis,
    pub(crate) x: Span,
    pub(crate) y: Span,
}

/// How wide the tick labels of a vertical axis are, with their distance from it.
pub(crate) fn tick_room(axis: &Axis, span: &Span, count: usize) -> f64 {
    let labels = tick_labels(axis, &span.ticks(count));
    let widest = labels
        .iter()
        .map(|l| text_width(l, FONT))
        .fold(0.0, f64::max);
    widest + 13.0
}

impl Frame<'_> {
    pub(crate) fn left(&self) -> f64 {
        self.x.from
    }

    pub(crate) fn right(&self) -> f64 {
        self.x.to
    }

    pub(crate) fn top(&self) -> f64 {
        self.y.to
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.y.from
    }

    /// The pixel of a pair of values.
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }

    /// Grid lines, tick labels and titles. The vertical title stands level above the axis, where it can be read.
    pub(crate) fn draw(&self, canvas: &mut Canvas) {
        let count = |pixels: f64, each: f64| ((pixels.abs() / each) as usize).max(2);
        let x_ticks = self.x.ticks(count(self.right() - self.left(), 70.0));
        let y_ticks = self.y.ticks(count(self.bottom() - self.top(), 40.0));
        for tick in self.y.minor_ticks() {
            canvas.line(
                "grid minor",
                (self.left(), self.y.at(tick)),
                (self.right(), self.y.at(tick)),
            );
        }
        for tick in self.x.minor_ticks() {
            canvas.line(
                "grid minor",
                (self.x.at(tick), self.top()),
                (self.x.at(tick), self.bottom()),
            );
        }
        for (tick, label) in y_ticks.iter().zip(tick_labels(self.y_axis, &y_ticks)) {
            let y = self.y.at(*tick);
            canvas.line("grid", (self.left(), y), (self.right(), y));
            canvas.text("tick", Anchor::End, (self.left() - 7.0, y + 4.0), &label);
        }
        for (tick, label) in x_ticks.iter().zip(tick_labels(self.x_axis, &x_ticks)) {
            let x = self.x.at(*tick);
            canvas.line("grid", (x, self.top()), (x, self.bottom()));
            canvas.text("tick", Anchor::Middle, (x, self.bottom() + 17.0), &label);
        }
        canvas.line(
            "axis",
            (self.left(), self.bottom()),
            (self.right(), self.bottom()),
        );
        let middle = f64::midpoint(self.left(), self.right());
        canvas.text(
            "title",
            Anchor::Middle,
            (middle, self.bottom() + 36.0),
            &self.x_axis.label,
        );
        canvas.text(
            "title",
            Anchor::Start,
            (0.0, self.top() - 12.0),
            &self.y_axis.label,
        );
    }

    /// The line of chance, named.
    pub(crate) fn chance(&self, canvas: &mut Canvas, value: f64) {
        if (self.y.low..=self.y.high).contains(&value) {
            let y = self.y.at(value);
            canvas.line("chance", (self.left(), y), (self.right(), y));
            canvas.text("note", Anchor::End, (self.right(), y - 4.0), "chance");
        }
    }
}

/// Moves labels apart until each has `gap` pixels, keeping their order and the range; returns positions in the given order.
pub(crate) fn spread(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order = (0..wanted.len()).collect::<Vec<_>>();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut placed = wanted.to_vec();
    let mut floor = low;
    for &i in &order {
        placed[i] = placed[i].max(floor);
        floor = placed[i] + gap;
    }
    // What ran over the end pushes its neighbours back.
    let mut ceiling = high;
    for &i in order.iter().rev() {
        placed[i] = placed[i].min(ceiling);
        ceiling = placed[i] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_never_overlap_while_there_is_room() {
        let placed = spread(&[50.0, 51.0, 10.0, 99.0, 98.0], 12.0, (0.0, 100.0));
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(
            sorted.windows(2).all(|w| w[1] - w[0] >= 12.0 - 1e-9),
            "{placed:?}"
        );
        assert!(
            placed.iter().all(|p| (0.0..=100.0).contains(p)),
            "{placed:?}"
        );
        assert!(placed[1] > placed[0] && placed[3] > placed[4]);
    }
}
