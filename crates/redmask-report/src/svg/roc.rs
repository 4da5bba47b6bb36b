//! ROC curves: linear, and log-log for what happens at few false alarms.

use super::canvas::{Anchor, Canvas};
use super::frame::{BELOW, Frame, panel_width, tick_room};
use super::span::Span;
use super::{Context, Series};
use crate::number::{short_percent, with_interval};
use crate::schema::{Axis, RocAttack, RocCurve, RocPlot, Scale};

const TOP: f64 = 30.0;
/// Room for half of the last tick label.
const MARGIN: f64 = 22.0;
const ROW: f64 = 18.0;

/// Below this rate a logarithmic axis would show only what no audit can measure.
const LEAST_RATE: f64 = 1e-5;

/// The linear and the log-log panel.
pub(super) fn draw(id: &str, title: &str, plot: &RocPlot, context: &Context<'_>) -> Vec<String> {
    let description = describe(plot, context);
    [Scale::Linear, Scale::Log]
        .into_iter()
        .map(|scale| {
            let name = match scale {
                Scale::Linear => "linear",
                Scale::Log => "log",
            };
            let canvas = panel(plot, scale, context);
            canvas.finish(
                &format!("{id}-{name}"),
                &format!("{title}, {name} axes"),
                &description,
            )
        })
        .collect()
}

fn describe(plot: &RocPlot, context: &Context<'_>) -> String {
    let parts = plot.attacks.iter().map(|a| {
        let area = a
            .auc
            .as_ref()
            .and_then(|key| context.results.by_key(key))
            .map(with_interval);
        let name = name(a, context);
        area.map_or(name.clone(), |area| format!("{name}: AUC {area}"))
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn panel(plot: &RocPlot, scale: Scale, context: &Context<'_>) -> Canvas {
    let axis = |label: &str| Axis {
        scale,
        ..Axis::new(label).percent()
    };
    let (x_axis, y_axis) = (axis("False positive rate"), axis("True positive rate"));
    let smallest = plot
        .attacks
        .iter()
        .filter(|a| a.non_members > 0)
        .map(|a| 1.0 / a.non_members as f64)
        .fold(1.0, f64::min);
    let smallest = smallest.clamp(LEAST_RATE, 0.1);
    let domain = match scale {
        Scale::Linear => (0.0, 1.0),
        // A whole decade, so that both axes begin at a labelled tick.
        Scale::Log => (10f64.powf((smallest * 0.999).log10().floor()), 1.0),
    };
    let room = tick_room(&y_axis, &Span::exact(scale, domain, (0.0, 400.0)), 5);
    let width = panel_width(2);
    let side = width - room - MARGIN;
    let frame = Frame {
        x_axis: &x_axis,
        y_axis: &y_axis,
        x: Span::exact(scale, domain, (room, room + side)),
        y: Span::exact(scale, domain, (TOP + side, TOP)),
    };
    let mut canvas = Canvas::new(width, TOP + side + BELOW);
    if scale == Scale::Log {
        let edge = frame.x.at(smallest);
        canvas.rect("unmeasurable", (room, TOP), (edge - room, side));
    }
    frame.draw(&mut canvas);
    let diagonal: Vec<_> = (0..=1)
        .map(|i| if i == 0 { domain.0 } else { domain.1 })
        .map(|v| frame.at(v, v))
        .collect();
    canvas.path("chance", &diagonal);

    let floor = match scale {
        Scale::Linear => None,
        Scale::Log => Some(smallest),
    };
    // Controls lie beneath, whatever their place in the list.
    let (controls, attacks): (Vec<_>, Vec<_>) = plot.attacks.iter().partition(|a| a.control);
    for attack in controls.into_iter().chain(attacks) {
        curves(&mut canvas, attack, &frame, floor, context);
    }
    match scale {
        Scale::Linear => key(&mut canvas, plot, &frame, context),
        Scale::Log => {
            let text = format!("not measurable below {}", short_percent(smallest));
            let x = frame.x.at(smallest) + 6.0;
            canvas.text("note", Anchor::Start, (x, frame.bottom() - 8.0), &text);
        }
    }
    canvas
}

/// Every seed thin, their mean strong. On logarithmic axes curves begin at the smallest measurable rate, `floor`.
fn curves(
    canvas: &mut Canvas,
    attack: &RocAttack,
    frame: &Frame<'_>,
    floor: Option<f64>,
    context: &Context<'_>,
) {
    let series = Series::of_attack(&attack.attack, attack.control, context.names);
    let pixels = |points: &[(f64, f64)]| -> Vec<_> {
        let start = floor.map_or(0, |floor| {
            points.partition_point(|p| p.0 <= floor).saturating_sub(1)
        });
        let shown = points[start..].iter();
        shown
            .map(|&(f, t)| frame.at(f.max(floor.unwrap_or(0.0)), t))
            .collect()
    };
    let label = name(attack, context);
    let strong = if attack.control {
        "curve control-curve"
    } else {
        "curve"
    };
    for curve in &attack.curves {
        let points: Vec<_> = curve.points.iter().map(|p| (p[0], p[1])).collect();
        let class = if attack.curves.len() > 1 {
            "curve faint"
        } else {
            strong
        };
        canvas.open_tip(&series.class(), &format!("{label}, seed {}", curve.seed));
        canvas.path(&format!("{class} {}", series.dash()), &pixels(&points));
        canvas.close();
    }
    if attack.curves.len() > 1 {
        let tip = format!("{label}, mean of {} seeds", attack.curves.len());
        canvas.open_tip(&series.class(), &tip);
        canvas.path(
            &format!("{strong} {}", series.dash()),
            &pixels(&mean(&attack.curves)),
        );
        canvas.close();
    }
}

fn name(attack: &RocAttack, context: &Context<'_>) -> String {
    let label = context.names.label(&attack.attack);
    if attack.control {
        format!("{label}, null")
    } else {
        label
    }
}

/// Vertical average: at each false positive rate the mean of the greatest true positive rates that seeds reach at it.
fn mean(curves: &[RocCurve]) -> Vec<(f64, f64)> {
    let mut rates: Vec<f64> = curves
        .iter()
        .flat_map(|c| &c.points)
        .map(|p| p[0])
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let mut positions = vec![0; curves.len()];
    let mut points = vec![(0.0, 0.0)];
    for rate in rates {
        let mut sum = 0.0;
        for (curve, at) in curves.iter().zip(&mut positions) {
            while curve.points.get(*at + 1).is_some_and(|p| p[0] <= rate) {
                *at += 1;
            }
            sum += curve.points.get(*at).map_or(0.0, |p| p[1]);
        }
        points.push((rate, sum / curves.len() as f64));
    }
    points
}

/// The corner below the diagonal is free: names and areas stand there, best first.
fn key(canvas: &mut Canvas, plot: &RocPlot, frame: &Frame<'_>, context: &Context<'_>) {
    let area = |a: &RocAttack| a.auc.as_ref().and_then(|key| context.results.by_key(key));
    let mut rows: Vec<_> = plot.attacks.iter().collect();
    let value = |a: &RocAttack| area(a).map_or(0.0, |m| m.value);
    rows.sort_by(|a, b| {
        a.control
            .cmp(&b.control)
            .then(value(b).total_cmp(&value(a)))
    });
    let top = frame.bottom() - ROW * rows.len() as f64 - 2.0;
    let right = frame.right() - 10.0;
    canvas.text(
        "note",
        Anchor::End,
        (right, top - 4.0),
        "AUC, 95 % interval",
    );
    for (i, attack) in rows.into_iter().enumerate() {
        let series = Series::of_attack(&attack.attack, attack.control, context.names);
        let y = top + ROW * (i as f64 + 0.75);
        canvas.open(&series.class());
        canvas.line(
            &format!("curve {}", series.dash()),
            (right - 290.0, y - 4.0),
            (right - 266.0, y - 4.0),
        );
        canvas.text(
            "name",
            Anchor::Start,
            (right - 260.0, y),
            &name(attack, context),
        );
        canvas.close();
        if let Some(m) = area(attack) {
            canvas.text("number", Anchor::End, (right, y), &with_interval(m));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_curve_averages_at_each_rate() {
        let curve = |seed, points: &[[f64; 2]]| RocCurve {
            seed,
            points: points.to_vec(),
        };
        let one = curve(
            0,
            &[[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]],
        );
        let other = curve(1, &[[0.0, 0.0], [0.25, 0.5], [1.0, 1.0]]);
        assert_eq!(
            mean(&[one, other]),
            [
                (0.0, 0.0),
                (0.0, 0.25),
                (0.25, 0.5),
                (0.5, 0.75),
                (1.0, 1.0)
            ]
        );
    }
}
