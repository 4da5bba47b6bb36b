//! "Does it leak?", answered in plain sentences from the measurements, controls first.

mod attacks;
mod backdoors;
mod controls;
mod order;
mod sentences;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::names::{Names, attack_of};
use crate::number::with_interval;
use crate::schema::{Conditions, Measurement, Metric, Results};
use controls::Control;

/// An area under the ROC curve, and an accuracy on as many members as non-members, of an attack that knows nothing.
pub const CHANCE: f64 = 0.5;

/// The answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// No membership attack was measured with an interval.
    Unmeasured,
    /// No attack's interval lies above chance.
    NoFinding,
    /// Attacks succeed, but a control shows that they may not measure membership.
    Void,
    /// An attack's interval lies above chance, and its controls do not.
    Leaks,
}

/// What a sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// How far to trust the rest.
    Controls,
    /// What each attack finds.
    Attacks,
    /// What is found at few false alarms.
    LowFpr,
    /// Which attack is ahead.
    Order,
    /// How well planted backdoors work.
    Backdoors,
    /// How well the model does its work.
    Utility,
    /// How the numbers compare with published ones.
    Published,
}

/// One statement of a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sentence {
    /// What it is about.
    pub topic: Topic,
    /// Plain text, one or more sentences.
    pub text: String,
}

/// The summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The answer in a word.
    pub verdict: Verdict,
    /// The answer in a sentence.
    pub headline: String,
    /// The reasons, controls first.
    pub sentences: Vec<Sentence>,
}

impl Verdict {
    /// As printed.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unmeasured => "Not measured",
            Self::NoFinding => "No leak found",
            Self::Void => "No answer",
            Self::Leaks => "Leaks",
        }
    }
}

impl Summary {
    /// Reads the answer off the measurements.
    pub fn of(results: &Results, names: &Names) -> Self {
        let findings = findings(results);
        let controls = controls::collect(results);
        let verdict = judge(&findings, &controls);
        let mut sentences = controls::sentences(&controls, !findings.is_empty(), names);
        sentences.extend(attacks::sentences(&findings, names));
        sentences.extend(order::sentence(&findings, names));
        sentences.extend(sentences::low_fpr(results, names));
        sentences.extend(backdoors::sentences(results, names));
        sentences.extend(sentences::utility(results, names));
        sentences.extend(sentences::published(results, names));
        Self {
            verdict,
            headline: match verdict {
                Verdict::Unmeasured => backdoors::headline(results)
                    .unwrap_or_else(|| headline(verdict, &findings, &controls, names)),
                _ => headline(verdict, &findings, &controls, names),
            },
            sentences,
        }
    }
}

/// The attack results that the verdict rests on: areas under the curve, with intervals that hold for all attacks at once
/// where those were measured; or, in a run without any area, accuracies on balanced sets.
pub(crate) fn findings(results: &Results) -> Vec<&Measurement> {
    let of_metric = |metric: &'static str| {
        let all = results.measurements().iter();
        all.filter(move |m| {
            !m.control && attack_of(&m.name).is_some() && m.name.rsplit('.').next() == Some(metric)
        })
    };
    let joint = of_metric("auc_simultaneous").collect::<Vec<_>>();
    let areas = of_metric("auc").collect::<Vec<_>>();
    if !joint.is_empty() && joint.len() == areas.len() {
        return joint;
    }
    if !areas.is_empty() {
        return countable(areas);
    }
    let balanced = |m: &&Measurement| m.n.members.is_some() && m.n.members == m.n.non_members;
    countable(of_metric("accuracy").filter(balanced).collect())
}

/// Leaves out the attackers who ignore a defence, where others know it: a defence is judged by those who do.
fn countable(findings: Vec<&Measurement>) -> Vec<&Measurement> {
    let is = |m: &Measurement, kind: &str| m.conditions.get("adversary") == Some(&kind.into());
    if findings.iter().any(|m| is(m, "adaptive")) {
        findings.into_iter().filter(|m| !is(m, "static")).collect()
    } else {
        findings
    }
}

/// Whether two measurements speak of the same thing as far as both say.
fn compatible(a: &Conditions, b: &Conditions) -> bool {
    a.iter()
        .all(|(name, value)| b.get(name).is_none_or(|other| other == value))
}

fn above_chance(measurement: &Measurement) -> bool {
    measurement.low.is_some_and(|low| low > CHANCE)
}

fn is_void(finding: &Measurement, controls: &[Control<'_>]) -> bool {
    controls.iter().any(|c| c.fails() && c.speaks_of(finding))
}

fn judge(findings: &[&Measurement], controls: &[Control<'_>]) -> Verdict {
    let verdict = |m: &&Measurement| match m.low {
        None => Verdict::Unmeasured,
        Some(_) if !above_chance(m) => Verdict::NoFinding,
        Some(_) if is_void(m, controls) => Verdict::Void,
        Some(_) => Verdict::Leaks,
    };
    findings
        .iter()
        .map(verdict)
        .max()
        .unwrap_or(Verdict::Unmeasured)
}

fn headline(
    verdict: Verdict,
    findings: &[&Measurement],
    controls: &[Control<'_>],
    names: &Names,
) -> String {
    let strongest = |sound: bool| {
        let fit = findings
            .iter()
            .filter(|m| above_chance(m) && is_void(m, controls) != sound);
        fit.copied()
            .max_by(|a, b| a.low.unwrap_or(0.0).total_cmp(&b.low.unwrap_or(0.0)))
    };
    let telling = telling(findings.iter().copied());
    match verdict {
        Verdict::Unmeasured => "Not measured. No membership attack has an interval.".into(),
        Verdict::NoFinding => {
            let highest = findings.iter().filter_map(|m| m.high).fold(0.0, f64::max);
            format!(
                "No leak was found: no attack's interval lies above chance. This is no proof of absence; the intervals allow {} up to {highest:.2}.",
                indefinite(&metric_label(findings[0])),
            )
        }
        Verdict::Void => match strongest(false) {
            Some(m) => format!(
                "No answer. {} reaches {}, but a control fails, so this cannot be laid to the model's memory.",
                subject(m, &telling, names),
                achievement(m),
            ),
            None => "No answer. A control fails.".into(),
        },
        Verdict::Leaks => match strongest(true) {
            Some(m) if findings.len() > 1 => format!(
                "Yes, it leaks. The strongest of {} results: {} tells members from non-members with {}; chance is {CHANCE}.",
                findings.len(),
                subject(m, &telling, names),
                achievement(m),
            ),
            Some(m) => format!(
                "Yes, it leaks. {} tells members from non-members with {}; chance is {CHANCE}.",
                subject(m, &telling, names),
                achievement(m),
            ),
            None => "Yes, it leaks.".into(),
        },
    }
}

fn metric_label(m: &Measurement) -> String {
    Metric::of(&m.name).map_or_else(|| "value".into(), |metric| metric.label.to_owned())
}

/// "an AUC", "an accuracy", "a precision".
fn indefinite(noun: &str) -> String {
    let noun = if noun.chars().skip(1).any(char::is_uppercase) {
        noun.to_owned()
    } else {
        noun.to_lowercase()
    };
    let article = if noun.to_lowercase().starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// "an AUC of 0.810 [0.775, 0.842]".
fn achievement(m: &Measurement) -> String {
    format!("{} of {}", indefinite(&metric_label(m)), with_interval(m))
}

/// The names of the conditions that differ among `measurements`: what tells one from another.
fn telling<'a>(measurements: impl Iterator<Item = &'a Measurement> + Clone) -> BTreeSet<&'a str> {
    let names = measurements
        .clone()
        .flat_map(|m| m.conditions.keys().map(String::as_str));
    let names = names.collect::<BTreeSet<_>>().into_iter();
    let differs = |name: &&str| {
        let mut values = measurements.clone().map(|m| m.conditions.get(*name));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    names
        .filter(|name| *name != "attack" && differs(name))
        .collect()
}

/// The conditions of `m` that tell it from others, in words.
fn setting(m: &Measurement, telling: &BTreeSet<&str>, names: &Names) -> String {
    let mut conditions = m.conditions.clone();
    conditions.retain(|name, _| telling.contains(name.as_str()));
    names.conditions(&conditions)
}

/// The attack, with the conditions that tell it from other results.
fn subject(m: &Measurement, telling: &BTreeSet<&str>, names: &Names) -> String {
    let attack = names.label(attack_of(&m.name).unwrap_or(&m.name));
    match setting(m, telling, names) {
        setting if setting.is_empty() => attack,
        setting => format!("{attack} ({setting})"),
    }
}

/// "1 seed", "3 seeds".
fn counted(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// "A", "A and B", "A, B and C".
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests;
