//! Figures: curves and histograms of the outcomes, and those a recipe asks for.

use redmask_metrics::Roc;
use redmask_report::schema::{
    Axis, BarGroup, BarPlot, Figure, HistogramPanel, HistogramPlot, Plot, RocAttack, RocCurve,
    RocPlot, Scale, ScatterPlot, ScatterPoint, ScatterSeries,
};

use crate::recipe::FigureConfig;
use crate::results::tables::{find, rows};
use crate::results::{Context, pool, tradeoff};

/// Points of a curve beyond this number cannot be told apart in print.
const CURVE_POINTS: usize = 400;

/// The curves of every attack on the recipe's first pair, and of its null victim.
pub(super) fn roc(context: &Context<'_>) -> Figure {
    let plan = context.outcomes.plan;
    let first = &plan.cells[0];
    let mut attacks = Vec::new();
    let mut controls = Vec::new();
    for ((cell, pairs), row) in plan.cells.iter().zip(context.pairs).zip(rows(context)) {
        let same_pair = cell.victim == first.victim && cell.shadow == first.shadow;
        if !same_pair || row.contains_key("paper_compat") {
            continue;
        }
        let attack = &pairs[0].victim.attack;
        let entry = |control: bool, name: String| {
            let outcomes: Vec<_> = pairs
                .iter()
                .filter_map(|p| {
                    if control {
                        p.null.as_ref()
                    } else {
                        Some(&p.victim)
                    }
                })
                .collect();
            let curves: Vec<RocCurve> = plan
                .seeds
                .iter()
                .zip(&outcomes)
                .filter_map(|(&seed, outcome)| {
                    let roc =
                        Roc::new(&outcome.member_scores(), &outcome.non_member_scores()).ok()?;
                    Some(RocCurve {
                        seed,
                        points: thinned(&roc),
                    })
                })
                .collect();
            (!curves.is_empty()).then(|| RocAttack {
                attack: attack.clone(),
                auc: find(context.results, &name, &row)
                    .map(redmask_report::schema::Measurement::key),
                control,
                members: outcomes[0].member_scores().len() as u64,
                non_members: outcomes[0].non_member_scores().len() as u64,
                curves,
            })
        };
        attacks.extend(entry(false, format!("membership.{attack}.auc")));
        controls.extend(entry(true, format!("control.null_victim.{attack}.auc")));
    }
    attacks.extend(controls);
    Figure {
        id: "roc".to_owned(),
        title: "Receiver operating characteristics".to_owned(),
        caption: format!(
            "Victim {}, shadow {}. The logarithmic panel shows what matters for single records: true positives at few false \
             ones. Grey: the same attacks on a model that saw neither set.",
            context.setting.label_of_use(&first.victim),
            context.setting.label_of_use(&first.shadow),
        ),
        plot: Plot::Roc(RocPlot { attacks }),
    }
}

/// `[FPR, TPR]` of a curve, every k-th point if there are very many.
pub(crate) fn thinned(roc: &Roc) -> Vec<[f64; 2]> {
    let rates: Vec<[f64; 2]> = roc
        .points()
        .iter()
        .map(|p| {
            let (fpr, tpr) = roc.rates(p);
            [fpr, tpr]
        })
        .collect();
    let step = rates.len().div_ceil(CURVE_POINTS);
    let last = rates.len() - 1;
    rates
        .into_iter()
        .enumerate()
        .filter(|(i, _)| i % step == 0 || *i == last)
        .map(|(_, point)| point)
        .collect()
}

/// Losses of members and held-out records of the first victim, a panel for each seed.
pub(super) fn losses(context: &Context<'_>) -> Figure {
    let plan = context.outcomes.plan;
    let panels = plan.qualities[0]
        .seeds
        .iter()
        .zip(&context.qualities[0])
        .map(|(seed, quality)| {
            let of = |records: &[crate::quality::RecordQuality]| -> Vec<f64> {
                records.iter().map(|r| r.dice_loss).collect()
            };
            HistogramPanel::of(
                format!("seed {seed}"),
                &of(&quality.members),
                &of(&quality.held_out),
                24,
                Scale::Linear,
            )
        })
        .collect();
    Figure {
        id: "losses".to_owned(),
        title: "Losses of members and non-members".to_owned(),
        caption: format!(
            "Soft Dice loss of each record under {}. Where the two differ, a threshold on the loss tells members from others.",
            context.setting.label_of_use(&plan.qualities[0].victim)
        ),
        plot: Plot::Histogram(HistogramPlot {
            axis: Axis::new("Dice loss of the record"),
            panels,
        }),
    }
}

/// A figure that the recipe asks for.
pub(super) fn of_recipe(context: &Context<'_>, config: &FigureConfig) -> Option<Figure> {
    Some(match config {
        FigureConfig::Bars { id, title, metric } => bars(context, id, title, metric),
        FigureConfig::TradeOff { id, title, metric } => {
            tradeoff::scatter(context, id, title, metric)
        }
        FigureConfig::Defences {
            id,
            title,
            attack,
            metric,
        } => tradeoff::bars(context, id, title, attack, metric),
        // Pictures are made when the report is drawn, see `panels`.
        FigureConfig::Panels { .. } => return None,
        FigureConfig::Scatter {
            id,
            title,
            x,
            y,
            label,
        } => scatter(context, id, title, [x, y, label]),
        FigureConfig::Sweep {
            id,
            title,
            x,
            metric,
        } => pool::sweep(context, id, title, x, metric),
    })
}

/// The attacks' ids in order of appearance.
pub(super) fn attack_ids(context: &Context<'_>) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for pair in context.pairs.iter().flatten() {
        if !ids.contains(&pair.victim.attack) {
            ids.push(pair.victim.attack.clone());
        }
    }
    ids
}

fn bars(context: &Context<'_>, id: &str, title: &str, metric: &str) -> Figure {
    let series = attack_ids(context);
    let mut groups: Vec<BarGroup> = Vec::new();
    for (cell, row) in context.outcomes.plan.cells.iter().zip(rows(context)) {
        let labels = [
            context.setting.label_of_use(&cell.victim),
            context.setting.label_of_use(&cell.shadow),
        ];
        if groups.iter().any(|g| g.labels == labels) {
            continue;
        }
        let bars = series
            .iter()
            .map(|attack| {
                let mut row = row.clone();
                row.insert("attack".to_owned(), attack.as_str().into());
                row.remove("paper_compat");
                let name = format!("membership.{attack}.{metric}");
                find(context.results, &name, &row).map(redmask_report::schema::Measurement::key)
            })
            .collect();
        groups.push(BarGroup { labels, bars });
    }
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: "Bars: mean over seeds, with the interval within one victim; published numbers in the table.".to_owned(),
        plot: Plot::Bars(BarPlot {
            axis: Axis::new(metric_label(metric)).percent(),
            chance: Some(0.5),
            series,
            groups,
        }),
    }
}

fn scatter(context: &Context<'_>, id: &str, title: &str, [x, y, label]: [&str; 3]) -> Figure {
    let series = attack_ids(context)
        .into_iter()
        .map(|attack| {
            let points = rows(context)
                .into_iter()
                .filter(|row| row.get("attack") == Some(&attack.as_str().into()))
                .filter_map(|row| {
                    let name = format!("membership.{attack}.{y}");
                    Some(ScatterPoint {
                        label: row.get(label).map(ToString::to_string).unwrap_or_default(),
                        x: find(context.results, x, &row)?.key(),
                        y: find(context.results, &name, &row)?.key(),
                    })
                })
                .collect();
            ScatterSeries {
                label: attack,
                joined: true,
                points,
            }
        })
        .collect();
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: String::new(),
        plot: Plot::Scatter(ScatterPlot {
            x: Axis::new(metric_label(x)),
            y: Axis::new(metric_label(y)).percent(),
            chance: Some(0.5),
            series,
        }),
    }
}

pub(super) fn metric_label(name: &str) -> String {
    redmask_report::schema::Metric::of(name)
        .map_or_else(|| name.replace('_', " "), |m| m.label.to_owned())
}
