//! Lines over a numeric axis: learning curves, sweeps, success against rate, distance or size.

use super::canvas::{Anchor, Canvas, shorten, text_width};
use super::frame::{BELOW, FONT, Frame, panel_width, spread, tick_room};
use super::span::Span;
use super::{Context, Series};
use crate::number::significant;
use crate::schema::{Line, LinePanel, LinePlot};

const HEIGHT: f64 = 190.0;
const TOP: f64 = 56.0;
/// The longest label at the end of a line, in pixels.
const LABEL: f64 = 104.0;
/// A line of at most this many points shows each of them.
const MARKED: usize = 12;

/// One drawing for each panel, with common axes.
pub(super) fn draw(id: &str, title: &str, plot: &LinePlot, context: &Context<'_>) -> Vec<String> {
    let points = || {
        plot.panels
            .iter()
            .flat_map(|p| &p.lines)
            .flat_map(|l| &l.points)
    };
    let marks = plot.panels.iter().flat_map(|p| &p.marks).map(|m| m.x);
    let xs = Span::around(plot.x.scale, points().map(|p| p.x).chain(marks), (0.0, 1.0));
    let ys = points()
        .flat_map(|p| [Some(p.y), p.low, p.high].into_iter().flatten())
        .chain(plot.chance);
    let ys = Span::around(plot.y.scale, ys, (0.0, 1.0));
    let room = tick_room(&plot.y, &ys, 4);
    let labels = labels(plot);
    let label_room = labels
        .iter()
        .map(|l| text_width(&context.names.label(l), FONT))
        .fold(0.0, f64::max)
        .min(LABEL)
        + 14.0;
    let width = panel_width(plot.panels.len());
    let frame = Frame {
        x_axis: &plot.x,
        y_axis: &plot.y,
        x: xs.over(room, width - label_room),
        y: ys.over(TOP + HEIGHT, TOP),
    };
    let panels = plot.panels.iter().enumerate();
    panels
        .map(|(i, panel)| {
            let mut canvas = Canvas::new(width, TOP + HEIGHT + BELOW);
            frame.draw(&mut canvas);
            if let Some(chance) = plot.chance {
                frame.chance(&mut canvas, chance);
            }
            canvas.text("strong", Anchor::Start, (0.0, 14.0), &panel.title);
            draw_panel(&mut canvas, panel, &labels, &frame, context);
            canvas.finish(
                &format!("{id}-{i}"),
                &format!("{title}, {}", panel.title),
                &describe(panel, context),
            )
        })
        .collect()
}

/// Labels in order of appearance over all panels: a label keeps its look from panel to panel.
fn labels(plot: &LinePlot) -> Vec<&str> {
    let mut labels: Vec<&str> = Vec::new();
    for line in plot.panels.iter().flat_map(|p| &p.lines) {
        if !labels.contains(&line.label.as_str()) {
            labels.push(&line.label);
        }
    }
    labels
}

fn look(line: &Line, labels: &[&str], context: &Context<'_>) -> Series {
    if line.control {
        return Series::Control;
    }
    match context.names.attack_index(&line.label) {
        Some(i) => Series::Place(i),
        None => Series::Place(labels.iter().position(|l| *l == line.label).unwrap_or(0)),
    }
}

fn describe(panel: &LinePanel, context: &Context<'_>) -> String {
    let parts = panel.lines.iter().filter_map(|line| {
        let (first, last) = (line.points.first()?, line.points.last()?);
        Some(format!(
            "{}: from {} at {} to {} at {}",
            context.names.label(&line.label),
            significant(first.y, 3),
            significant(first.x, 3),
            significant(last.y, 3),
            significant(last.x, 3)
        ))
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn draw_panel(
    canvas: &mut Canvas,
    panel: &LinePanel,
    labels: &[&str],
    frame: &Frame<'_>,
    context: &Context<'_>,
) {
    for mark in &panel.marks {
        let x = frame.x.at(mark.x);
        canvas.line("threshold", (x, frame.top()), (x, frame.bottom()));
        let (anchor, dx) = if x > f64::midpoint(frame.left(), frame.right()) {
            (Anchor::End, -4.0)
        } else {
            (Anchor::Start, 4.0)
        };
        canvas.text("note", anchor, (x + dx, frame.top() + 10.0), &mark.label);
    }
    let at = |x: f64, y: f64| frame.at(x, y);
    for line in &panel.lines {
        let series = look(line, labels, context);
        canvas.open(&series.class());
        let band: Vec<_> = line
            .points
            .iter()
            .filter_map(|p| Some((p.x, p.low?, p.high?)))
            .collect();
        if band.len() == line.points.len() && !band.is_empty() {
            let upper = band.iter().map(|&(x, _, high)| at(x, high));
            let lower = band.iter().rev().map(|&(x, low, _)| at(x, low));
            canvas.area("band", &upper.chain(lower).collect::<Vec<_>>());
        }
        let pixels: Vec<_> = line.points.iter().map(|p| at(p.x, p.y)).collect();
        canvas.path(&format!("curve {}", series.dash()), &pixels);
        if line.points.len() <= MARKED {
            for &pixel in &pixels {
                canvas.marker("mark", series.shape(), pixel, 3.2);
            }
        }
        canvas.close();
    }
    end_labels(canvas, panel, labels, frame, context);
}

/// Each label once, at the mean height of its lines' ends.
fn end_labels(
    canvas: &mut Canvas,
    panel: &LinePanel,
    labels: &[&str],
    frame: &Frame<'_>,
    context: &Context<'_>,
) {
    let mut ends: Vec<(&Line, f64)> = Vec::new();
    for label in labels {
        let lines: Vec<_> = panel.lines.iter().filter(|l| l.label == *label).collect();
        let heights: Vec<_> = lines
            .iter()
            .filter_map(|l| l.points.last())
            .map(|p| frame.y.at(p.y))
            .collect();
        if let (Some(line), false) = (lines.first(), heights.is_empty()) {
            ends.push((line, heights.iter().sum::<f64>() / heights.len() as f64));
        }
    }
    let wanted: Vec<_> = ends.iter().map(|e| e.1).collect();
    let placed = spread(&wanted, 15.0, (frame.top(), frame.bottom()));
    for ((line, _), y) in ends.into_iter().zip(placed) {
        canvas.open(&look(line, labels, context).class());
        let text = shorten(&context.names.label(&line.label), FONT, LABEL);
        canvas.text("name", Anchor::Start, (frame.right() + 8.0, y + 4.0), &text);
        canvas.close();
    }
}
