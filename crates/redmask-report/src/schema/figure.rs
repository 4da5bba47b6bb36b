//! Figures as data: what the lab hands over, and `redmask report` draws again without any computation.

use serde::{Deserialize, Serialize};

use super::MeasurementKey;
use super::picture::PictureGrid;

/// A figure of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Anchor: lower-case letters, digits and `-`.
    pub id: String,
    /// Short.
    pub title: String,
    /// What is shown, and how to read it.
    #[serde(default)]
    pub caption: String,
    /// What is drawn.
    pub plot: Plot,
}

/// The kinds of figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Plot {
    /// Receiver operating characteristics, drawn linear and log-log.
    Roc(RocPlot),
    /// Bars with intervals in groups (Chobola et al. 2022, Figure 2).
    Bars(BarPlot),
    /// One measurement against another (Chobola et al. 2022, Figures 4 and 6).
    Scatter(ScatterPlot),
    /// Losses of members and non-members.
    Histogram(HistogramPlot),
    /// Learning curves, sweeps, success against rate, distance or size.
    Lines(LinePlot),
    /// Rows of pictures (Chobola et al. 2022, Figure 5; contact sheets of backdoors).
    Pictures(PictureGrid),
}

/// How positions follow values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Equal distances are equal differences.
    #[default]
    Linear,
    /// Equal distances are equal ratios; values at or below zero are not drawn.
    Log,
}

/// How numbers on an axis are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notation {
    /// As decimal numbers.
    #[default]
    Decimal,
    /// Fractions as percentages.
    Percent,
}

/// One axis of a plot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// Linear or logarithmic.
    #[serde(default)]
    pub scale: Scale,
    /// How its numbers are written.
    #[serde(default)]
    pub notation: Notation,
}

impl Axis {
    /// A linear axis of decimal numbers.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            scale: Scale::Linear,
            notation: Notation::Decimal,
        }
    }

    /// Writes fractions as percentages.
    #[must_use]
    pub fn percent(mut self) -> Self {
        self.notation = Notation::Percent;
        self
    }

    /// Makes it logarithmic.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.scale = Scale::Log;
        self
    }
}

/// Receiver operating characteristics of several attacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RocPlot {
    /// One entry for each attack or control.
    pub attacks: Vec<RocAttack>,
}

/// One attack's curves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RocAttack {
    /// The attack's id, such as `global_loss`; gives name and colour.
    pub attack: String,
    /// The measured area, printed at the curve.
    pub auc: Option<MeasurementKey>,
    /// Whether it is a control, drawn in grey.
    #[serde(default)]
    pub control: bool,
    /// Members behind each curve.
    pub members: u64,
    /// Non-members behind each curve; one over it is the smallest measurable false positive rate.
    pub non_members: u64,
    /// A curve for each seed.
    pub curves: Vec<RocCurve>,
}

/// The curve of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RocCurve {
    /// The training's seed.
    pub seed: u64,
    /// `[FPR, TPR]` at each threshold, ascending from `[0, 0]` to `[1, 1]`; ties of scores are one step.
    pub points: Vec<[f64; 2]>,
}

/// Bars in groups, one panel for each series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarPlot {
    /// The value axis.
    pub axis: Axis,
    /// Where chance lies, drawn as a line.
    pub chance: Option<f64>,
    /// The series, such as attack ids; each has a panel.
    pub series: Vec<String>,
    /// The groups, such as victim and shadow.
    pub groups: Vec<BarGroup>,
}

/// One group: a bar for each series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarGroup {
    /// Outer and inner label, such as victim and shadow; the outer one is written once for a run of equal ones.
    pub labels: [String; 2],
    /// One for each series; `None` where it was not measured.
    pub bars: Vec<Option<MeasurementKey>>,
}

/// One measurement against another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScatterPlot {
    /// Horizontal.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
    /// Where chance lies on the vertical axis.
    pub chance: Option<f64>,
    /// One colour and, with several, one panel each.
    pub series: Vec<ScatterSeries>,
}

/// One series of a scatter plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScatterSeries {
    /// An attack's id, or a name as printed.
    pub label: String,
    /// Joins the points in their order, for sweeps.
    #[serde(default)]
    pub joined: bool,
    /// The points.
    pub points: Vec<ScatterPoint>,
}

/// One point of a scatter plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScatterPoint {
    /// Written beside it.
    pub label: String,
    /// The measurement on the horizontal axis.
    pub x: MeasurementKey,
    /// The measurement on the vertical axis.
    pub y: MeasurementKey,
}

/// Histograms of members and non-members, one panel for each model or seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistogramPlot {
    /// The axis of the values.
    pub axis: Axis,
    /// Small multiples.
    pub panels: Vec<HistogramPanel>,
}

/// One pair of histograms over common bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistogramPanel {
    /// What tells this panel from the others, such as the seed.
    pub title: String,
    /// Ascending bin edges, one more than counts.
    pub edges: Vec<f64>,
    /// Members in each bin.
    pub members: Vec<u64>,
    /// Non-members in each bin.
    pub non_members: Vec<u64>,
    /// The attack's decision threshold.
    pub threshold: Option<f64>,
}

impl HistogramPanel {
    /// Counts values into `bins` bins that span both sets, equal in width on `scale`. Values that the scale cannot show
    /// (zero or less on a logarithmic one) fall into the first bin.
    ///
    /// # Panics
    /// If `bins` is zero.
    pub fn of(
        title: impl Into<String>,
        members: &[f64],
        non_members: &[f64],
        bins: usize,
        scale: Scale,
    ) -> Self {
        assert!(bins > 0, "a histogram has at least one bin");
        let to_axis = |v: f64| match scale {
            Scale::Linear => v,
            Scale::Log => v.ln(),
        };
        let shown = members
            .iter()
            .chain(non_members)
            .map(|&v| to_axis(v))
            .filter(|v| v.is_finite());
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        let (low, high) = if low < high {
            (low, high)
        } else if low.is_finite() {
            (low - 0.5, low + 0.5)
        } else {
            (0.0, 1.0)
        };
        let width = (high - low) / bins as f64;
        let count = |values: &[f64]| {
            let mut counts = vec![0; bins];
            for &value in values {
                let position = ((to_axis(value) - low) / width).floor();
                // NaN and minus infinity cast to zero, which is the promise for values off the scale.
                counts[(position.max(0.0) as usize).min(bins - 1)] += 1;
            }
            counts
        };
        let edges = (0..=bins).map(|i| {
            let at = low + width * i as f64;
            match scale {
                Scale::Linear => at,
                Scale::Log => at.exp(),
            }
        });
        Self {
            title: title.into(),
            edges: edges.collect(),
            members: count(members),
            non_members: count(non_members),
            threshold: None,
        }
    }

    /// Marks the attack's decision threshold.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }
}

/// Lines over a numeric axis, in small multiples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinePlot {
    /// Horizontal, common to all panels.
    pub x: Axis,
    /// Vertical, common to all panels.
    pub y: Axis,
    /// Where chance lies on the vertical axis.
    pub chance: Option<f64>,
    /// Small multiples.
    pub panels: Vec<LinePanel>,
}

/// One panel of a line plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinePanel {
    /// What tells this panel from the others.
    pub title: String,
    /// The lines; equal labels have equal colours in all panels.
    pub lines: Vec<Line>,
    /// Marked positions, such as the chosen epoch.
    #[serde(default)]
    pub marks: Vec<Mark>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Written at its end. Lines of several seeds may share a label.
    pub label: String,
    /// Drawn in grey: a control, or context.
    #[serde(default)]
    pub control: bool,
    /// Ascending in `x`.
    pub points: Vec<LinePoint>,
}

/// One point of a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinePoint {
    /// Horizontal position.
    pub x: f64,
    /// Value.
    pub y: f64,
    /// Lower end of its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// A marked position on the horizontal axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// What it is.
    pub label: String,
}

impl Line {
    /// A line through `[x, y]` points without intervals.
    pub fn new(label: impl Into<String>, points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let points = points.into_iter().map(|[x, y]| LinePoint {
            x,
            y,
            low: None,
            high: None,
        });
        Self {
            label: label.into(),
            control: false,
            points: points.collect(),
        }
    }
}
