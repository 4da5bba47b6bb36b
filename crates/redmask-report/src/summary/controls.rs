//! Controls: whether the attacks measure membership at all.

use super::{CHANCE, Sentence, Topic, compatible, counted};
use crate::names::{Names, attack_of};
use crate::number::with_interval;
use crate::schema::{Measurement, Results};

/// Which control it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A classifier on (image, mask) without the model.
    Blind,
    /// The attack on a model that saw neither set.
    NullVictim,
}

/// A control of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control<'a> {
    pub(super) kind: Kind,
    pub(super) measurement: &'a Measurement,
}

impl Control<'_> {
    /// It finds what cannot be there.
    pub(super) fn fails(&self) -> bool {
        self.measurement.low.is_some_and(|low| low > CHANCE)
    }

    /// Whether its failure takes the meaning from `finding`.
    pub(super) fn speaks_of(&self, finding: &Measurement) -> bool {
        let same_attack = match self.kind {
            Kind::Blind => true,
            Kind::NullVictim => attack_of(&self.measurement.name) == attack_of(&finding.name),
        };
        same_attack && compatible(&self.measurement.conditions, &finding.conditions)
    }
}

/// Controls by area under the curve; those by accuracy only where there is none.
pub(super) fn collect(results: &Results) -> Vec<Control<'_>> {
    let of_metric = |metric: &str| {
        let all = results.measurements().iter().filter(|m| m.control);
        let ending = all.filter(|m| m.name.rsplit('.').next() == Some(metric));
        let controls = ending.filter_map(|measurement| {
            let kind = match measurement.name.split('.').nth(1)? {
                "blind" => Kind::Blind,
                "null_victim" => Kind::NullVictim,
                _ => return None,
            };
            Some(Control { kind, measurement })
        });
        controls.collect::<Vec<_>>()
    };
    let areas = of_metric("auc");
    if areas.is_empty() {
        of_metric("accuracy")
    } else {
        areas
    }
}

pub(super) fn sentences(
    controls: &[Control<'_>],
    any_attack: bool,
    names: &Names,
) -> Vec<Sentence> {
    if !any_attack && controls.is_empty() {
        return Vec::new();
    }
    [Kind::Blind, Kind::NullVictim]
        .into_iter()
        .map(|kind| {
            let of_kind = controls
                .iter()
                .filter(|c| c.kind == kind)
                .collect::<Vec<_>>();
            Sentence {
                topic: Topic::Controls,
                text: sentence(kind, &of_kind, names),
            }
        })
        .collect()
}

fn sentence(kind: Kind, controls: &[&Control<'_>], names: &Names) -> String {
    let name = match kind {
        Kind::Blind => "Blind control (a classifier that never sees the model)",
        Kind::NullVictim => "Null victim (the attack on a model that saw neither set)",
    };
    let meaning = |fails: bool| match (kind, fails) {
        (Kind::Blind, true) => {
            "members and non-members differ by themselves, and the attacks may find that difference instead of the model's memory"
        }
        (Kind::Blind, false) => "members and non-members do not visibly differ by themselves",
        (Kind::NullVictim, true) => "what the attack finds there cannot be memory",
        (Kind::NullVictim, false) => "the attacks find nothing where nothing can be found",
    };
    if controls.is_empty() {
        return format!(
            "{name}: not measured. Without it, a success of the attacks is not proven to be the model's doing."
        );
    }
    let failing = controls.iter().filter(|c| c.fails()).collect::<Vec<_>>();
    let below = controls
        .iter()
        .any(|c| c.measurement.high.is_some_and(|high| high < CHANCE));
    let mut text = if let [only] = controls {
        let verdict = if only.fails() {
            "lies above"
        } else {
            "does not lie above"
        };
        format!(
            "{name}: AUC {}. The interval {verdict} {CHANCE}: {}.",
            with_interval(only.measurement),
            meaning(only.fails())
        )
    } else if failing.is_empty() {
        format!(
            "{name}: none of {} lies above {CHANCE}: {}.",
            counted(controls.len(), "interval"),
            meaning(false)
        )
    } else {
        let worst = failing.iter().max_by(|a, b| {
            a.measurement
                .low
                .unwrap_or(0.0)
                .total_cmp(&b.measurement.low.unwrap_or(0.0))
        });
        let example = worst.map(|c| {
            let what = names.conditions(&c.measurement.conditions);
            let attack = attack_of(&c.measurement.name).map(|a| names.label(a));
            let what = attack
                .into_iter()
                .chain((!what.is_empty()).then_some(what))
                .collect::<Vec<_>>()
                .join(", ");
            format!(" (worst: {what}, {})", with_interval(c.measurement))
        });
        format!(
            "{name}: {} of {} lie above {CHANCE}{}: {}.",
            failing.len(),
            counted(controls.len(), "interval"),
            example.unwrap_or_default(),
            meaning(true)
        )
    };
    if below {
        text.push_str(" An interval lies below 0.5, which chance seldom does: look at how the records were split.");
    }
    if controls.iter().any(|c| c.measurement.low.is_none()) {
        text.push_str(" One without an interval proves nothing.");
    }
    text
}
