//! How well planted backdoors work, beside their controls.

use std::fmt::Write as _;

use super::{Sentence, Topic, counted, setting, telling};
use crate::names::Names;
use crate::number::with_interval;
use crate::schema::{Condition, Measurement, Results};

/// Backdoors that get a sentence of their own.
const TOLD: usize = 3;

/// The net success from which on we say that a backdoor works: it decides about more pixels than it does not.
const WORKS: f64 = 0.5;

/// The net successes of every planted backdoor as trained, the highest first; of attacks without one, the plain successes.
fn ranked(results: &Results) -> Vec<&Measurement> {
    let net: Vec<&Measurement> = results.named("backdoor.net_asr").collect();
    let mut ranked: Vec<&Measurement> = results
        .named("backdoor.asr")
        .map(|asr| {
            let twin = net.iter().find(|m| m.conditions == asr.conditions);
            twin.copied().unwrap_or(asr)
        })
        .collect();
    // A plain success says less than a net one, and comes after all of them.
    ranked.sort_by(|a, b| is_net(b).cmp(&is_net(a)).then(b.value.total_cmp(&a.value)));
    ranked
}

/// The answer of a run that measured backdoors and no membership.
pub(super) fn headline(results: &Results) -> Option<String> {
    let ranked = ranked(results);
    let best = ranked.first()?;
    let name = poison(best);
    let traces: Vec<&Measurement> = (ranked.iter().copied())
        .filter(|m| is_net(m) && m.low.is_some_and(|low| low > 0.0))
        .collect();
    let works = traces.iter().filter(|m| m.value >= WORKS).count();
    let traces = traces.len();
    let (all, achieved) = (counted(ranked.len(), "planted backdoor"), achieved(best));
    Some(if works > 0 {
        format!(
            "{works} of {all} work in half of the pixels or more; the strongest, {name}, has {achieved}. Membership was not measured."
        )
    } else if traces > 0 {
        format!(
            "No planted backdoor works in half of the pixels; {traces} of {all} leave a trace: the strongest, {name}, has {achieved}. Membership was not measured."
        )
    } else {
        format!(
            "No planted backdoor works beyond what the model confuses by itself; the strongest, {name}, has {achieved}."
        )
    })
}

/// One sentence for each of the strongest backdoors.
pub(super) fn sentences(results: &Results, names: &Names) -> Vec<Sentence> {
    let ranked = ranked(results);
    let mut telling = telling(ranked.iter().copied());
    // The name stands in front already.
    telling.remove("poison");
    let mut sentences: Vec<Sentence> = ranked
        .iter()
        .take(TOLD)
        .map(|m| {
            let of = |name: &str| {
                let all = results
                    .named(name)
                    .find(|other| other.conditions == m.conditions);
                all.map(with_interval)
            };
            // Writing into a String cannot fail, here and below.
            let mut text = format!("Backdoor {}", poison(m));
            let setting = setting(m, &telling, names);
            if !setting.is_empty() {
                let _ = write!(text, " ({setting})");
            }
            if let Some(asr) = of("backdoor.asr") {
                let _ = write!(text, ": success {asr}");
            }
            let controls = [
                (
                    "the clean twin under the same trigger",
                    "control.backdoor.clean_model.asr",
                ),
                (
                    "the poisoned model without it",
                    "control.backdoor.no_trigger.asr",
                ),
                (
                    "under a wrong trigger",
                    "control.backdoor.wrong_trigger.asr",
                ),
                (
                    "where it must not fire",
                    "control.backdoor.must_not_fire.asr",
                ),
            ];
            for (what, name) in controls {
                if let Some(value) = of(name) {
                    let _ = write!(text, "; {what} {value}");
                }
            }
            text.push('.');
            if let Some(loss) = of("backdoor.cba_loss") {
                let _ = write!(text, " Clean mIoU falls by {loss}.");
            }
            Sentence {
                topic: Topic::Backdoors,
                text,
            }
        })
        .collect();
    if ranked.len() > TOLD {
        sentences.push(Sentence {
            topic: Topic::Backdoors,
            text: format!(
                "{} more are in the table of planted backdoors.",
                counted(ranked.len() - TOLD, "backdoor")
            ),
        });
    }
    sentences
}

/// "a net success of 0.55 [0.50, 0.60]".
fn achieved(m: &Measurement) -> String {
    let what = if is_net(m) {
        "a net success"
    } else {
        "a success"
    };
    format!("{what} of {}", with_interval(m))
}

fn is_net(m: &Measurement) -> bool {
    m.name == "backdoor.net_asr"
}

fn poison(m: &Measurement) -> String {
    m.conditions
        .get("poison")
        .map_or_else(|| "-".to_owned(), Condition::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Unit;

    fn measured(name: &str, unit: Unit, poison: &str, value: f64) -> Measurement {
        Measurement::new(name, unit, value)
            .interval(value - 0.05, value + 0.05)
            .condition("poison", poison)
    }

    #[test]
    fn the_strongest_comes_first_with_its_controls() {
        let results = Results::new(
            vec![
                measured("backdoor.asr", Unit::Fraction, "line", 0.5),
                measured("backdoor.net_asr", Unit::Difference, "line", 0.4),
                measured("backdoor.asr", Unit::Fraction, "patch", 0.9),
                measured("backdoor.net_asr", Unit::Difference, "patch", 0.8),
                measured(
                    "control.backdoor.clean_model.asr",
                    Unit::Fraction,
                    "patch",
                    0.1,
                ),
                measured("backdoor.sweep.asr", Unit::Fraction, "patch", 0.2)
                    .condition("tested_distance", "0-60"),
            ],
            Vec::new(),
        )
        .unwrap();
        let told = sentences(&results, &Names::default());
        assert_eq!(told.len(), 2);
        assert!(
            told[0].text.starts_with("Backdoor patch"),
            "{}",
            told[0].text
        );
        assert!(
            told[0]
                .text
                .contains("the clean twin under the same trigger 10.0"),
            "{}",
            told[0].text
        );
        let headline = headline(&results).unwrap();
        assert!(
            headline.starts_with(
                "1 of 2 planted backdoors work in half of the pixels or more; the strongest, patch, has a net success of 0.8"
            ),
            "{headline}"
        );
        let weak = vec![
            measured("backdoor.asr", Unit::Fraction, "patch", 0.2),
            measured("backdoor.net_asr", Unit::Difference, "patch", 0.1),
        ];
        let weak = Results::new(weak, Vec::new()).unwrap();
        let headline = super::headline(&weak).unwrap();
        assert!(
            headline.contains("1 of 1 planted backdoor leave a trace"),
            "{headline}"
        );
        let empty = Results::new(Vec::new(), Vec::new()).unwrap();
        assert_eq!(super::headline(&empty), None);
    }
}
