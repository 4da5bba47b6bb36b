//! The parts of the page that every report has: answer, key figures, threat models, all measurements.

use redmask_core::{Capability, Knowledge};

use crate::names::{Names, attack_of};
use crate::number::{Style, short_percent, with_interval};
use crate::schema::{Measurement, Metric, Provenance, ReportData, Results};
use crate::summary::{Summary, Topic, Verdict, findings};
use crate::svg::{StripScale, strip};

/// A key figure.
pub(super) struct Tile {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) note: String,
    pub(super) strip: String,
}

/// The sentences about one topic.
pub(super) struct TopicView<'a> {
    pub(super) label: &'static str,
    pub(super) texts: Vec<&'a str>,
}

/// What an adversary sees and knows.
pub(super) struct ThreatRow {
    pub(super) attack: String,
    pub(super) sees: &'static str,
    pub(super) knows: String,
    pub(super) calibration: String,
    pub(super) note: String,
}

/// A line of the table of all measurements.
pub(super) struct MeasurementRow {
    pub(super) name: String,
    pub(super) conditions: String,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) counts: String,
    pub(super) seeds: String,
    pub(super) published: String,
    pub(super) source: String,
}

/// The class and the words of a verdict.
pub(super) fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    let class = match verdict {
        Verdict::Unmeasured => "unmeasured",
        Verdict::NoFinding => "no-finding",
        Verdict::Void => "void",
        Verdict::Leaks => "leaks",
    };
    (class, verdict.label())
}

pub(super) fn topics(summary: &Summary) -> Vec<TopicView<'_>> {
    let all = [
        (Topic::Controls, "Controls"),
        (Topic::Attacks, "Attacks"),
        (Topic::LowFpr, "Few false alarms"),
        (Topic::Order, "Which attack is ahead"),
        (Topic::Backdoors, "Planted backdoors"),
        (Topic::Utility, "The model"),
        (Topic::Published, "Beside published numbers"),
    ];
    let views = all.into_iter().map(|(topic, label)| TopicView {
        label,
        texts: summary
            .sentences
            .iter()
            .filter(|s| s.topic == topic)
            .map(|s| s.text.as_str())
            .collect(),
    });
    views.filter(|view| !view.texts.is_empty()).collect()
}

/// What the roles were bound to; a substitution is said at first sight.
pub(super) fn data(provenance: &Provenance) -> String {
    let bindings = provenance.data.iter().map(|d| {
        if d.substituted {
            format!("{} in place of {}", d.bound, d.expected)
        } else {
            d.bound.clone()
        }
    });
    bindings.collect::<Vec<_>>().join("; ")
}

/// The strongest attack, what it finds at few false alarms, the blind control, and the model's utility.
pub(super) fn tiles(results: &Results, names: &Names) -> Vec<Tile> {
    let attack = |m: &Measurement| {
        attack_of(&m.name)
            .map(|a| names.label(a))
            .unwrap_or_default()
    };
    let by_low = |a: &&Measurement, b: &&Measurement| {
        a.low
            .unwrap_or(a.value)
            .total_cmp(&b.low.unwrap_or(b.value))
    };
    let mut tiles = Vec::new();
    if let Some(m) = findings(results).into_iter().max_by(by_low) {
        let label = format!("Strongest attack, {}", metric(m));
        tiles.push(tile(label, m, attack(m)));
    }
    let rates = [("tpr_at_fpr_1e-3", 0.001), ("tpr_at_fpr_1e-2", 0.01)];
    let rate = rates.into_iter().find_map(|(id, rate)| {
        let all = results.measurements().iter().filter(|m| !m.control);
        let of = all.filter(|m| m.name.starts_with("membership.") && m.name.ends_with(id));
        of.max_by(by_low).map(|m| (m, rate))
    });
    if let Some((m, rate)) = rate {
        let label = format!("Members found at {} false alarms", short_percent(rate));
        tiles.push(tile(label, m, attack(m)));
    }
    if let Some(m) = results.named("control.blind.auc").max_by(by_low) {
        let note = if m.low.is_some_and(|low| low > 0.5) {
            "fails: above chance"
        } else {
            "sound: not above chance"
        };
        tiles.push(tile("Blind control, AUC".into(), m, note.into()));
    }
    let held_out = results.named("segmentation.miou").find(|m| {
        m.conditions
            .get("split")
            .is_none_or(|s| s.to_string() == "held-out")
    });
    if let Some(m) = held_out {
        // The gap of this very model; of several, none is meant.
        let mut model = m.conditions.clone();
        model.remove("split");
        let gap = results.get("segmentation.gap", &model);
        let note = gap.map(|g| format!("gap in Dice {}", with_interval(g)));
        tiles.push(tile("Held-out mIoU".into(), m, note.unwrap_or_default()));
    }
    tiles
}

fn tile(label: String, m: &Measurement, note: String) -> Tile {
    let style = Style::of(m);
    let scale = StripScale::of(std::iter::once(m), m.published.iter());
    Tile {
        label,
        value: style.full(m.value),
        interval: m.bounds().map(|b| style.interval(b)).unwrap_or_default(),
        note,
        strip: scale
            .map(|scale| strip(Some(m), None, &scale))
            .unwrap_or_default(),
    }
}

fn metric(m: &Measurement) -> &'static str {
    Metric::of(&m.name).map_or("value", |metric| metric.label)
}

pub(super) fn threats(data: &ReportData) -> Vec<ThreatRow> {
    let row = |a: &crate::schema::AttackStatement| ThreatRow {
        attack: a.label.clone(),
        sees: match a.threat.access {
            Capability::Labels => "the predicted class of each pixel",
            Capability::Scores => "class scores of each pixel",
            Capability::Gradients => "scores and gradients",
        },
        knows: a
            .threat
            .knowledge
            .iter()
            .map(|k| knowledge(*k))
            .collect::<Vec<_>>()
            .join("; "),
        calibration: a.calibration.clone(),
        note: a.note.clone(),
    };
    data.attacks.iter().map(row).collect()
}

fn knowledge(knowledge: Knowledge) -> &'static str {
    match knowledge {
        Knowledge::GroundTruth => "the true mask of each record",
        Knowledge::ShadowData => "records of the same kind, to train shadow models",
        Knowledge::Architecture => "the architecture",
        Knowledge::Training => "the training procedure",
        Knowledge::Population => "non-members of the same kind",
    }
}

impl MeasurementRow {
    pub(super) fn of(m: &Measurement, names: &Names) -> Self {
        let style = Style::of(m);
        let n = m.n;
        let counts = [
            (n.members, "members"),
            (n.non_members, "non-members"),
            (n.groups, "groups"),
            (n.images, "images"),
            (n.pixels, "pixels"),
            (n.skipped, "skipped"),
        ];
        let counts = counts
            .into_iter()
            .filter_map(|(n, what)| Some(format!("{} {what}", Style::Whole.bare(n? as f64))));
        let seeds = m
            .seeds
            .iter()
            .zip(&m.per_seed)
            .map(|(seed, v)| format!("{seed}: {}", style.bare(*v)));
        Self {
            name: m.name.clone(),
            conditions: names.conditions(&m.conditions),
            value: style.full(m.value),
            interval: m.bounds().map(|b| style.interval(b)).unwrap_or_default(),
            counts: counts.collect::<Vec<_>>().join(", "),
            seeds: seeds.collect::<Vec<_>>().join(", "),
            published: m
                .published
                .as_ref()
                .map(|p| style.full(p.value))
                .unwrap_or_default(),
            source: m
                .published
                .as_ref()
                .map(|p| p.source.clone())
                .unwrap_or_default(),
        }
    }
}
