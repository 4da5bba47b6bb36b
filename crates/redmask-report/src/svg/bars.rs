//! Bars in groups with intervals, seeds and published numbers; one panel for each series over common rows.

use super::canvas::{Anchor, Canvas, shorten, text_width};
use super::frame::FONT;
use super::span::{Span, tick_labels};
use super::{Context, Series};
use crate::number::{Style, with_interval};
use crate::schema::{BarGroup, BarPlot, Measurement, Scale};

const WIDTH: f64 = 980.0;
const ROW: f64 = 24.0;
const BAR: f64 = 13.0;
/// How far below the middle of its bar a seed is marked, clear of the interval.
const SEED_DROP: f64 = 4.3;
const GROUP_GAP: f64 = 12.0;
const TOP: f64 = 62.0;
const BELOW: f64 = 46.0;
const PANEL_GAP: f64 = 34.0;
/// Room for the number at the end of a full bar.
const NUMBER: f64 = 38.0;
/// Panels side by side; more go below.
const PANELS: usize = 3;

/// One drawing for every three series.
pub(super) fn draw(id: &str, title: &str, plot: &BarPlot, context: &Context<'_>) -> Vec<String> {
    let columns = (0..plot.series.len()).collect::<Vec<_>>();
    let chunks = columns.chunks(PANELS).enumerate();
    chunks
        .map(|(i, chunk)| {
            let canvas = panels(plot, chunk, context);
            let names = chunk.iter().map(|&c| context.names.label(&plot.series[c]));
            let names = names.collect::<Vec<_>>().join(", ");
            canvas.finish(
                &format!("{id}-{i}"),
                title,
                &format!(
                    "{}; {names}. {}",
                    plot.axis.label,
                    describe(plot, chunk, context)
                ),
            )
        })
        .collect()
}

fn describe(plot: &BarPlot, columns: &[usize], context: &Context<'_>) -> String {
    let mut parts = Vec::new();
    for group in &plot.groups {
        for &column in columns {
            if let Some(m) = measured(group, column, context) {
                let series = context.names.label(&plot.series[column]);
                parts.push(format!(
                    "{}, {series}: {}",
                    group.labels.join(" / "),
                    with_interval(m)
                ));
            }
        }
    }
    parts.join("; ")
}

fn measured<'a>(group: &BarGroup, column: usize, context: &Context<'a>) -> Option<&'a Measurement> {
    let key = group.bars.get(column)?.as_ref()?;
    context.results.by_key(key)
}

/// The row positions, with a gap between groups of different outer labels.
fn rows(groups: &[BarGroup]) -> (Vec<f64>, f64) {
    let mut y = TOP;
    let mut rows = Vec::with_capacity(groups.len());
    for (i, group) in groups.iter().enumerate() {
        if i > 0 && groups[i - 1].labels[0] != group.labels[0] {
            y += GROUP_GAP;
        }
        rows.push(y);
        y += ROW;
    }
    (rows, y)
}

fn panels(plot: &BarPlot, columns: &[usize], context: &Context<'_>) -> Canvas {
    let widest = |at: usize| {
        let labels = plot.groups.iter().map(|g| text_width(&g.labels[at], FONT));
        labels.fold(0.0, f64::max).min(150.0)
    };
    let (outer, inner) = (widest(0), widest(1));
    let left = outer + inner + 30.0;
    let panel = (WIDTH - left - PANEL_GAP * (columns.len() - 1) as f64) / columns.len() as f64;
    let (rows, bottom) = rows(&plot.groups);
    let mut canvas = Canvas::new(WIDTH, bottom + BELOW);
    legend(&mut canvas, plot, context);

    let mut last = None;
    for (group, &y) in plot.groups.iter().zip(&rows) {
        if last != Some(&group.labels[0]) {
            canvas.text(
                "strong",
                Anchor::Start,
                (0.0, y + 16.0),
                &shorten(&group.labels[0], FONT, outer + 4.0),
            );
            last = Some(&group.labels[0]);
        }
        canvas.text(
            "tick",
            Anchor::End,
            (left - 10.0, y + 16.0),
            &shorten(&group.labels[1], FONT, inner + 4.0),
        );
    }
    for (i, &column) in columns.iter().enumerate() {
        let from = left + (panel + PANEL_GAP) * i as f64;
        let span = Span::exact(
            Scale::Linear,
            domain(plot, context),
            (from, from + panel - NUMBER),
        );
        draw_panel(&mut canvas, plot, column, &span, (&rows, bottom), context);
    }
    canvas
}

/// Where bars begin: at chance, so that lengths are what is gained over it, else at zero.
fn base(plot: &BarPlot) -> f64 {
    plot.chance.unwrap_or(0.0)
}

/// Holds the base and everything that is drawn.
fn domain(plot: &BarPlot, context: &Context<'_>) -> (f64, f64) {
    let all = plot.groups.iter().flat_map(|g| g.bars.iter().flatten());
    let all = all.filter_map(|key| context.results.by_key(key));
    let reach = all.flat_map(|m| {
        let published = m.published.as_ref().map(|p| p.value);
        let ends = [Some(m.value), m.low, m.high, published]
            .into_iter()
            .flatten();
        ends.chain(m.per_seed.iter().copied())
    });
    let around = Span::around(Scale::Linear, reach.chain([base(plot)]), (0.0, 1.0));
    (around.low, around.high)
}

fn draw_panel(
    canvas: &mut Canvas,
    plot: &BarPlot,
    column: usize,
    span: &Span,
    (rows, bottom): (&[f64], f64),
    context: &Context<'_>,
) {
    let id = &plot.series[column];
    let series = Series::of_attack(id, false, context.names);
    let ticks = span.ticks(4);
    for (tick, label) in ticks.iter().zip(tick_labels(&plot.axis, &ticks)) {
        let x = span.at(*tick);
        canvas.line("grid", (x, TOP - 6.0), (x, bottom + 2.0));
        canvas.text("tick", Anchor::Middle, (x, bottom + 18.0), &label);
    }
    canvas.text(
        "title",
        Anchor::Middle,
        (f64::midpoint(span.from, span.to), bottom + 38.0),
        &plot.axis.label,
    );
    canvas.open(&series.class());
    canvas.text(
        "name",
        Anchor::Start,
        (span.from, TOP - 14.0),
        &context.names.label(id),
    );
    canvas.close();
    for (group, &y) in plot.groups.iter().zip(rows) {
        match measured(group, column, context) {
            Some(m) => {
                let tip = format!("{}: {}", group.labels.join(" / "), with_interval(m));
                canvas.open_tip(&series.class(), &tip);
                bar(canvas, m, y + ROW / 2.0, span, base(plot));
                canvas.close();
            }
            None => canvas.text(
                "note",
                Anchor::Start,
                (span.from + 4.0, y + 16.0),
                "not measured",
            ),
        }
    }
    if let Some(chance) = plot.chance {
        let x = span.at(chance);
        canvas.line("axis", (x, TOP - 6.0), (x, bottom + 2.0));
    }
    if plot.chance.is_none() {
        canvas.line("axis", (span.from, TOP - 6.0), (span.from, bottom + 2.0));
    }
}

fn bar(canvas: &mut Canvas, m: &Measurement, y: f64, span: &Span, base: f64) {
    let (from, to) = (span.at(base.min(m.value)), span.at(base.max(m.value)));
    canvas.rect("bar", (from, y - BAR / 2.0), (to - from, BAR));
    let mut end = span.at(m.value);
    if let Some((low, high)) = m.bounds() {
        let (low, high) = (span.at(low), span.at(high));
        canvas.line("whisker", (low, y), (high, y));
        for x in [low, high] {
            canvas.line("whisker", (x, y - 3.5), (x, y + 3.5));
        }
        end = end.max(high);
    }
    if m.per_seed.len() > 1 {
        for &seed in &m.per_seed {
            canvas.marker("dot", 0, (span.at(seed), y + SEED_DROP), 1.7);
            end = end.max(span.at(seed));
        }
    }
    if let Some(published) = &m.published {
        let x = span.at(published.value);
        canvas.diamond("published", (x, y), 5.0);
        end = end.max(x + 5.0);
    }
    canvas.text(
        "number",
        Anchor::Start,
        (end + 7.0, y + 4.0),
        &Style::of(m).bare(m.value),
    );
}

fn legend(canvas: &mut Canvas, plot: &BarPlot, context: &Context<'_>) {
    let all = || {
        let keys = plot.groups.iter().flat_map(|g| g.bars.iter().flatten());
        keys.filter_map(|key| context.results.by_key(key))
    };
    let y = 12.0;
    let mut x = 0.0;
    let mut entry = |canvas: &mut Canvas, text: &str, draw: &dyn Fn(&mut Canvas, f64)| {
        draw(canvas, x);
        canvas.text("tick", Anchor::Start, (x + 28.0, y + 4.0), text);
        x += 28.0 + text_width(text, FONT) + 22.0;
    };
    canvas.open("neutral");
    let measured = if plot.chance.is_some() {
        "measured, from chance"
    } else {
        "measured"
    };
    entry(canvas, measured, &|c, x| {
        c.rect("bar", (x, y - BAR / 2.0), (20.0, BAR));
    });
    if all().any(|m| m.low.is_some()) {
        entry(canvas, "95 % interval", &|c, x| {
            c.line("whisker", (x, y), (x + 20.0, y));
            for end in [x, x + 20.0] {
                c.line("whisker", (end, y - 3.5), (end, y + 3.5));
            }
        });
    }
    if all().any(|m| m.per_seed.len() > 1) {
        entry(canvas, "seeds", &|c, x| {
            for at in [4.0, 10.0, 16.0] {
                c.marker("dot", 0, (x + at, y), 2.0);
            }
        });
    }
    if all().any(|m| m.published.is_some()) {
        entry(canvas, "published", &|c, x| {
            c.diamond("published", (x + 10.0, y), 5.0);
        });
    }
    canvas.close();
}
