//! Figures that set the leak of each defence against what it costs in utility.

use redmask_report::schema::{
    Axis, BarGroup, BarPlot, Conditions, Figure, Measurement, MeasurementKey, Plot, ScatterPlot,
    ScatterPoint, ScatterSeries,
};

use crate::plan::Cell;
use crate::results::figures::{attack_ids, metric_label};
use crate::results::tables::{find, rows};
use crate::results::{ADAPTIVE, Context};

/// The measurement of utility in these figures.
const UTILITY: &str = "segmentation.dice";

/// Every victim against the attackers who count: those whose shadows are trained as it is.
fn countable<'a>(context: &'a Context<'_>) -> Vec<(&'a Cell, Conditions)> {
    let plan = context.outcomes.plan;
    let cells = plan.cells.iter().zip(rows(context));
    cells
        .filter(|(cell, row)| {
            cell.victim.defence.is_none() || row.get("adversary") == Some(&ADAPTIVE.into())
        })
        .filter(|(cell, _)| cell.victim.defence == cell.shadow.defence)
        .collect()
}

/// Dice on held-out records against the success of each attack, one point for each defence.
pub(super) fn scatter(context: &Context<'_>, id: &str, title: &str, metric: &str) -> Figure {
    let series = attack_ids(context)
        .into_iter()
        .map(|attack| {
            let points = countable(context)
                .into_iter()
                .filter(|(_, row)| row.get("attack") == Some(&attack.as_str().into()))
                .filter_map(|(cell, row)| {
                    let name = format!("membership.{attack}.{metric}");
                    Some(ScatterPoint {
                        label: context.setting.label_of_defence(&cell.victim),
                        x: find(context.results, UTILITY, &row)?.key(),
                        y: find(context.results, &name, &row)?.key(),
                    })
                })
                .collect();
            ScatterSeries {
                label: attack,
                joined: false,
                points,
            }
        })
        .collect();
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: "Up is a larger leak, right is a more useful model: the lower right is where a defence should be. Attackers know \
                  the defence and train their shadows with it."
            .to_owned(),
        plot: Plot::Scatter(ScatterPlot {
            x: Axis::new("Mean Dice, held out"),
            y: Axis::new(metric_label(metric)).percent(),
            chance: Some(0.5),
            series,
        }),
    }
}

/// Utility above, the success of one attack below, a group for each defence and adversary.
pub(super) fn bars(
    context: &Context<'_>,
    id: &str,
    title: &str,
    attack: &str,
    metric: &str,
) -> Figure {
    let name = format!("membership.{attack}.{metric}");
    let groups = context
        .outcomes
        .plan
        .cells
        .iter()
        .zip(rows(context))
        .filter(|(_, row)| row.get("attack") == Some(&attack.into()))
        .map(|(cell, row)| {
            let key = |name: &str| -> Option<MeasurementKey> {
                find(context.results, name, &row).map(Measurement::key)
            };
            let adversary = row.get("adversary").map(ToString::to_string);
            BarGroup {
                labels: [
                    context.setting.label_of_defence(&cell.victim),
                    adversary.unwrap_or_else(|| "-".to_owned()),
                ],
                bars: vec![key(UTILITY), key(&name)],
            }
        })
        .collect();
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: "Above: mean Dice on held-out records. Below: the attack, by an adversary who ignores the defence (static) and by \
                  one who trains shadows with it (adaptive)."
            .to_owned(),
        plot: Plot::Bars(BarPlot {
            axis: Axis::new(format!("Dice; {}", metric_label(metric))).percent(),
            chance: None,
            series: vec!["dice".to_owned(), attack.to_owned()],
            groups,
        }),
    }
}
