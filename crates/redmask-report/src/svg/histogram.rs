//! Losses of members, filled, over those of non-members, outlined: told apart in print too.

use super::canvas::{Anchor, Canvas};
use super::frame::{BELOW, Frame, panel_width, tick_room};
use super::span::Span;
use crate::number::significant;
use crate::schema::{Axis, HistogramPanel, HistogramPlot, Scale};

const HEIGHT: f64 = 150.0;
const TOP: f64 = 56.0;
const MARGIN: f64 = 16.0;

/// One drawing for each panel, with common axes.
pub(super) fn draw(id: &str, title: &str, plot: &HistogramPlot) -> Vec<String> {
    let edges = plot
        .panels
        .iter()
        .flat_map(|p| [p.edges.first(), p.edges.last()])
        .flatten();
    let (low, high) = edges.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &e| {
        (l.min(e), h.max(e))
    });
    let shares = plot
        .panels
        .iter()
        .flat_map(|p| shares(&p.members).into_iter().chain(shares(&p.non_members)));
    let y_axis = Axis::new("Share of records").percent();
    let y = Span::around(Scale::Linear, shares.chain([0.0]), (TOP + HEIGHT, TOP));
    let room = tick_room(&y_axis, &y, 4);
    let width = panel_width(plot.panels.len());
    let x = match (low < high, plot.axis.scale) {
        (false, _) => Span::exact(Scale::Linear, (0.0, 1.0), (room, width - MARGIN)),
        (true, scale) => Span::exact(scale, (low, high), (room, width - MARGIN)),
    };
    let frame = Frame {
        x_axis: &plot.axis,
        y_axis: &y_axis,
        x,
        y,
    };
    let panels = plot.panels.iter().enumerate();
    panels
        .map(|(i, panel)| {
            let mut canvas = Canvas::new(width, TOP + HEIGHT + BELOW);
            frame.draw(&mut canvas);
            draw_panel(&mut canvas, panel, &frame);
            canvas.finish(
                &format!("{id}-{i}"),
                &format!("{title}, {}", panel.title),
                &describe(panel),
            )
        })
        .collect()
}

/// Shares, so that sets of different size can be compared.
fn shares(counts: &[u64]) -> Vec<f64> {
    let total = counts.iter().sum::<u64>().max(1) as f64;
    counts.iter().map(|&n| n as f64 / total).collect()
}

fn describe(panel: &HistogramPanel) -> String {
    let median = |counts: &[u64]| {
        let half = counts.iter().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let bin = counts.iter().position(|n| {
            seen += n;
            seen >= half
        });
        let bin = bin.unwrap_or(0);
        let edges = (panel.edges.get(bin), panel.edges.get(bin + 1));
        edges.0.zip(edges.1).map_or_else(String::new, |(a, b)| {
            format!(
                "half lie below a value between {} and {}",
                significant(*a, 3),
                significant(*b, 3)
            )
        })
    };
    format!(
        "Members: {}. Non-members: {}.",
        median(&panel.members),
        median(&panel.non_members)
    )
}

/// The outline of a histogram from the base line up and back.
fn outline(edges: &[f64], heights: &[f64], frame: &Frame<'_>) -> Vec<(f64, f64)> {
    let mut points = Vec::with_capacity(2 * heights.len() + 2);
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
        return points;
    };
    points.push(frame.at(*first, 0.0));
    for (bin, &height) in edges.windows(2).zip(heights) {
        points.push(frame.at(bin[0], height));
        points.push(frame.at(bin[1], height));
    }
    points.push(frame.at(*last, 0.0));
    points
}

fn draw_panel(canvas: &mut Canvas, panel: &HistogramPanel, frame: &Frame<'_>) {
    let (members, others) = (shares(&panel.members), shares(&panel.non_members));
    canvas.area("members", &outline(&panel.edges, &members, frame));
    canvas.path("non-members", &outline(&panel.edges, &others, frame));
    if let Some(threshold) = panel.threshold {
        let x = frame.x.at(threshold);
        canvas.line("threshold", (x, frame.top()), (x, frame.bottom()));
        let (anchor, dx) = if x > f64::midpoint(frame.left(), frame.right()) {
            (Anchor::End, -4.0)
        } else {
            (Anchor::Start, 4.0)
        };
        canvas.text("note", anchor, (x + dx, frame.top() + 10.0), "threshold");
    }
    canvas.text("strong", Anchor::Start, (0.0, 14.0), &panel.title);
    let total = |counts: &[u64]| counts.iter().sum::<u64>();
    let right = frame.right();
    canvas.rect("members", (right - 100.0, 2.0), (14.0, 10.0));
    canvas.text(
        "tick",
        Anchor::Start,
        (right - 80.0, 12.0),
        &format!("{} members", total(&panel.members)),
    );
    canvas.rect("non-members", (right - 100.0, 19.0), (14.0, 10.0));
    canvas.text(
        "tick",
        Anchor::Start,
        (right - 80.0, 29.0),
        &format!("{} others", total(&panel.non_members)),
    );
}
