//! One measurement against another, with both intervals, every seed and the published points.

use super::canvas::{Anchor, Canvas, text_width};
use super::frame::{BELOW, FONT, Frame, panel_width, tick_room};
use super::span::Span;
use super::{Context, Series};
use crate::number::{Style, with_interval};
use crate::schema::{Measurement, ScatterPlot, ScatterPoint, ScatterSeries};

const HEIGHT: f64 = 300.0;
const TOP: f64 = 56.0;
const MARGIN: f64 = 24.0;

/// One panel for each series, with common axes.
pub(super) fn draw(
    id: &str,
    title: &str,
    plot: &ScatterPlot,
    context: &Context<'_>,
) -> Vec<String> {
    let (x, y) = spans(plot, context);
    let room = tick_room(&plot.y, &y, 5);
    let width = panel_width(plot.series.len());
    let frame = Frame {
        x_axis: &plot.x,
        y_axis: &plot.y,
        x: x.over(room, width - MARGIN),
        y: y.over(TOP + HEIGHT, TOP),
    };
    plot.series
        .iter()
        .enumerate()
        .map(|(i, series)| {
            let mut canvas = Canvas::new(width, TOP + HEIGHT + BELOW);
            frame.draw(&mut canvas);
            if let Some(chance) = plot.chance {
                frame.chance(&mut canvas, chance);
            }
            let points = resolve(series, context);
            panel(&mut canvas, series, &points, &frame, context);
            canvas.finish(
                &format!("{id}-{i}"),
                title,
                &describe(series, &points, context),
            )
        })
        .collect()
}

type Resolved<'a> = (&'a ScatterPoint, &'a Measurement, &'a Measurement);

fn resolve<'a>(series: &'a ScatterSeries, context: &Context<'a>) -> Vec<Resolved<'a>> {
    let points = series.points.iter();
    let look = |p: &'a ScatterPoint| {
        Some((
            p,
            context.results.by_key(&p.x)?,
            context.results.by_key(&p.y)?,
        ))
    };
    points.filter_map(look).collect()
}

fn describe(series: &ScatterSeries, points: &[Resolved<'_>], context: &Context<'_>) -> String {
    let parts = points
        .iter()
        .map(|(p, x, y)| format!("{}: {} at {}", p.label, with_interval(y), with_interval(x)));
    format!(
        "{}. {}",
        context.names.label(&series.label),
        parts.collect::<Vec<_>>().join("; ")
    )
}

/// Domains that hold every value, interval, seed and published point of all panels.
fn spans(plot: &ScatterPlot, context: &Context<'_>) -> (Span, Span) {
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for (_, x, y) in plot.series.iter().flat_map(|s| resolve(s, context)) {
        for (m, values) in [(x, &mut xs), (y, &mut ys)] {
            values.extend([Some(m.value), m.low, m.high].into_iter().flatten());
            values.extend(&m.per_seed);
        }
        if let Some((px, py)) = published(x, y) {
            xs.push(px);
            ys.push(py);
        }
    }
    ys.extend(plot.chance);
    let around = |scale, values: Vec<f64>| Span::around(scale, values.into_iter(), (0.0, 1.0));
    (around(plot.x.scale, xs), around(plot.y.scale, ys))
}

fn published(x: &Measurement, y: &Measurement) -> Option<(f64, f64)> {
    Some((x.published.as_ref()?.value, y.published.as_ref()?.value))
}

fn panel(
    canvas: &mut Canvas,
    series: &ScatterSeries,
    points: &[Resolved<'_>],
    frame: &Frame<'_>,
    context: &Context<'_>,
) {
    let look = Series::of_attack(&series.label, false, context.names);
    canvas.open(&look.class());
    canvas.text(
        "name",
        Anchor::Start,
        (0.0, 16.0),
        &context.names.label(&series.label),
    );
    let at = |x: &Measurement, y: &Measurement| frame.at(x.value, y.value);
    if series.joined {
        let line: Vec<_> = points.iter().map(|(_, x, y)| at(x, y)).collect();
        canvas.path("curve faint", &line);
    }
    let mut any_published = false;
    for (_, x, y) in points {
        if let Some((px, py)) = published(x, y) {
            canvas.diamond("published", frame.at(px, py), 5.0);
            any_published = true;
        }
    }
    for (point, x, y) in points {
        draw_point(canvas, (point, x, y), frame, look);
    }
    canvas.close();
    if any_published {
        let right = frame.right();
        canvas.diamond(
            "published",
            (right - text_width("published", FONT) - 10.0, 12.0),
            5.0,
        );
        canvas.text("tick", Anchor::End, (right, 16.0), "published");
    }
    labels(canvas, points, frame);
}

fn draw_point(canvas: &mut Canvas, (point, x, y): Resolved<'_>, frame: &Frame<'_>, look: Series) {
    let (px, py) = frame.at(x.value, y.value);
    let styles = (Style::of(x), Style::of(y));
    let tip = format!(
        "{}: {} at {}",
        point.label,
        styles.1.full(y.value),
        styles.0.full(x.value)
    );
    canvas.open_tip("point", &tip);
    if let Some((low, high)) = x.bounds() {
        canvas.line("whisker", (frame.x.at(low), py), (frame.x.at(high), py));
    }
    if let Some((low, high)) = y.bounds() {
        canvas.line("whisker", (px, frame.y.at(low)), (px, frame.y.at(high)));
    }
    if x.seeds == y.seeds && x.seeds.len() > 1 {
        for (&sx, &sy) in x.per_seed.iter().zip(&y.per_seed) {
            canvas.marker("dot", look.shape(), frame.at(sx, sy), 2.0);
        }
    }
    canvas.marker("mark", look.shape(), (px, py), 4.5);
    canvas.close();
}

/// Writes each label beside its point, where it meets neither a point nor another label.
fn labels(canvas: &mut Canvas, points: &[Resolved<'_>], frame: &Frame<'_>) {
    let centres: Vec<_> = points
        .iter()
        .map(|(_, x, y)| frame.at(x.value, y.value))
        .collect();
    let mut taken: Vec<[f64; 4]> = Vec::new();
    for ((_, x, y), &(px, py)) in points.iter().zip(&centres) {
        taken.push([px - 6.0, py - 6.0, px + 6.0, py + 6.0]);
        let seeds = x
            .per_seed
            .iter()
            .zip(&y.per_seed)
            .map(|(&sx, &sy)| frame.at(sx, sy));
        taken.extend(seeds.map(|(x, y)| [x - 2.0, y - 2.0, x + 2.0, y + 2.0]));
        if let Some((x, y)) = published(x, y).map(|(x, y)| frame.at(x, y)) {
            taken.push([x - 5.0, y - 5.0, x + 5.0, y + 5.0]);
        }
    }
    for ((point, _, _), &(x, y)) in points.iter().zip(&centres) {
        let width = text_width(&point.label, FONT);
        let places = [
            (Anchor::Start, x + 9.0, y - 6.0, x + 9.0),
            (Anchor::Start, x + 9.0, y + 15.0, x + 9.0),
            (Anchor::End, x - 9.0, y - 6.0, x - 9.0 - width),
            (Anchor::End, x - 9.0, y + 15.0, x - 9.0 - width),
            (Anchor::Middle, x, y - 14.0, x - width / 2.0),
            (Anchor::Middle, x, y + 24.0, x - width / 2.0),
        ];
        let free = places.into_iter().find(|&(_, _, baseline, left)| {
            let own = [left, baseline - 10.0, left + width, baseline + 3.0];
            let inside = own[0] >= frame.left()
                && own[2] <= frame.right() + MARGIN
                && own[1] >= frame.top()
                && own[3] <= frame.bottom();
            inside
                && taken.iter().all(|other| {
                    own[2] < other[0] || own[0] > other[2] || own[3] < other[1] || own[1] > other[3]
                })
        });
        // Where every place is taken, the tip under the pointer and the table still name the point.
        if let Some((anchor, at, baseline, left)) = free {
            canvas.text_over(anchor, (at, baseline), &point.label);
            taken.push([left, baseline - 10.0, left + width, baseline + 3.0]);
        }
    }
}
