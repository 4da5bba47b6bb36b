//! Two runs side by side: what changed, by how much, and whether the intervals can tell it from chance.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use redmask_core::{Error, Result};
use serde::Serialize;

use crate::Report;
use crate::gate::{Gate, GateOutcome};
use crate::names::Names;
use crate::number::Style;
use crate::schema::{Measurement, MeasurementKey, Results, Unit};
use crate::summary::{Summary, Verdict};

/// What became of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Larger, and the interval of the difference lies above zero.
    Higher,
    /// Smaller, and the interval of the difference lies below zero.
    Lower,
    /// Different, and one of both has no interval to judge it by.
    Unjudged,
    /// Different, but the interval of the difference covers zero.
    WithinNoise,
    /// The same to the last bit.
    Equal,
}

/// One measurement that both runs have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Name and conditions, without the ignored ones.
    pub key: MeasurementKey,
    /// Its unit.
    pub unit: Unit,
    /// The value in the first run.
    pub before: f64,
    /// The value in the second run.
    pub after: f64,
    /// After minus before.
    pub difference: f64,
    /// Lower end of the difference's 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the difference's interval.
    pub high: Option<f64>,
    /// What became of it.
    pub change: Change,
}

/// A gate in both runs; `None` where the run has no such gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateChange {
    /// The gate.
    pub gate: String,
    /// Whether the first run passed it.
    pub before: Option<bool>,
    /// Whether the second run passed it.
    pub after: Option<bool>,
}

/// Two runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The answer of the first run.
    pub verdict_before: Verdict,
    /// The answer of the second run.
    pub verdict_after: Verdict,
    /// Gates of either run.
    pub gates: Vec<GateChange>,
    /// What both measured: judged changes first, then by name.
    pub differences: Vec<Difference>,
    /// What only the first run measured.
    pub only_before: Vec<MeasurementKey>,
    /// What only the second run measured.
    pub only_after: Vec<MeasurementKey>,
}

impl Comparison {
    /// Pairs measurements by name and conditions. Conditions named in `ignoring` do not count, so that runs which differ in
    /// them, such as `defence` or `data`, can be compared.
    ///
    /// # Errors
    /// If a gate cannot be judged, or ignoring a condition leaves two measurements of one run indistinguishable.
    pub fn of(before: &Report, after: &Report, ignoring: &[String]) -> Result<Self> {
        let old = index(&before.results, ignoring)?;
        let mut new = index(&after.results, ignoring)?;
        let mut differences = Vec::new();
        let mut only_before = Vec::new();
        for (key, first) in old {
            match new.remove(&key) {
                Some(second) => differences.push(difference(key, first, second)),
                None => only_before.push(key),
            }
        }
        // Stable: by name within each kind of change.
        differences.sort_by_key(|d| d.change);
        let verdict =
            |report: &Report| Summary::of(&report.results, &Names::of(&report.data)).verdict;
        Ok(Self {
            verdict_before: verdict(before),
            verdict_after: verdict(after),
            gates: gates(before, after)?,
            differences,
            only_before,
            only_after: new.into_keys().collect(),
        })
    }

    /// Whether the answer, a gate, or any measurement beyond noise differs.
    pub fn is_change(&self) -> bool {
        let judged = |d: &Difference| matches!(d.change, Change::Higher | Change::Lower);
        self.verdict_before != self.verdict_after
            || self.gates.iter().any(|g| g.before != g.after)
            || self.differences.iter().any(judged)
    }

    /// The comparison as plain text, one line for each measurement that is not bit-equal.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "verdict: {}",
            arrow(self.verdict_before.label(), self.verdict_after.label())
        );
        for gate in &self.gates {
            let word = |passed: Option<bool>| match passed {
                Some(true) => "passed",
                Some(false) => "FAILED",
                None => "absent",
            };
            let _ = writeln!(
                out,
                "gate {}: {}",
                gate.gate,
                arrow(word(gate.before), word(gate.after))
            );
        }
        let count = |change| {
            self.differences
                .iter()
                .filter(|d| d.change == change)
                .count()
        };
        let _ = writeln!(
            out,
            "{} measurements in both: {} higher, {} lower, {} within noise, {} without interval, {} equal",
            self.differences.len(),
            count(Change::Higher),
            count(Change::Lower),
            count(Change::WithinNoise),
            count(Change::Unjudged),
            count(Change::Equal)
        );
        for d in self
            .differences
            .iter()
            .filter(|d| d.change != Change::Equal)
        {
            let style = Style::for_metric(d.unit, &d.key.name);
            let sign = match d.change {
                Change::Higher => "higher  ",
                Change::Lower => "lower   ",
                Change::WithinNoise => "noise   ",
                Change::Unjudged | Change::Equal => "unjudged",
            };
            let interval = d
                .low
                .zip(d.high)
                .map(|(l, h)| format!(" [{}, {}]", style.signed(l), style.signed(h)));
            let _ = writeln!(
                out,
                "{sign}  {} -> {}  {}{}  {}",
                style.full(d.before),
                style.full(d.after),
                style.signed(d.difference),
                interval.unwrap_or_default(),
                d.key
            );
        }
        for (keys, which) in [(&self.only_before, "first"), (&self.only_after, "second")] {
            for key in keys {
                let _ = writeln!(out, "only in the {which}: {key}");
            }
        }
        out
    }
}

fn arrow(before: &str, after: &str) -> String {
    if before == after {
        before.to_owned()
    } else {
        format!("{before} -> {after}")
    }
}

fn index<'a>(
    results: &'a Results,
    ignoring: &[String],
) -> Result<BTreeMap<MeasurementKey, &'a Measurement>> {
    let mut index = BTreeMap::new();
    for measurement in results.measurements() {
        let mut key = measurement.key();
        key.conditions.retain(|name, _| !ignoring.contains(name));
        if index.insert(key.clone(), measurement).is_some() {
            return Err(Error::config(
                format!("ignoring {}", ignoring.join(", ")),
                format!("{key} stands for more than one measurement of a run"),
            ));
        }
    }
    Ok(index)
}

fn difference(key: MeasurementKey, before: &Measurement, after: &Measurement) -> Difference {
    let interval = before
        .bounds()
        .zip(after.bounds())
        .map(|(b, a)| mover((before.value, b), (after.value, a)));
    let change = match interval {
        _ if before.value == after.value => Change::Equal,
        None => Change::Unjudged,
        Some((low, _)) if low > 0.0 => Change::Higher,
        Some((_, high)) if high < 0.0 => Change::Lower,
        Some(_) => Change::WithinNoise,
    };
    Difference {
        key,
        unit: after.unit,
        before: before.value,
        after: after.value,
        difference: after.value - before.value,
        low: interval.map(|i| i.0),
        high: interval.map(|i| i.1),
        change,
    }
}

/// The interval of a difference from the intervals of both values, taken as independent (Zou and Donner 2008, "method of
/// variance estimates recovery"). Runs on the same records are positively related, which makes it too wide, never too
/// narrow.
fn mover(
    (before, (low_b, high_b)): (f64, (f64, f64)),
    (after, (low_a, high_a)): (f64, (f64, f64)),
) -> (f64, f64) {
    let difference = after - before;
    // A bootstrap interval may miss its own value; it then adds nothing on that side.
    let gap = |a: f64, b: f64| (a - b).max(0.0);
    let down = gap(after, low_a).hypot(gap(high_b, before));
    let up = gap(high_a, after).hypot(gap(before, low_b));
    (difference - down, difference + up)
}

fn gates(before: &Report, after: &Report) -> Result<Vec<GateChange>> {
    let outcomes = |report: &Report| Gate::judge_all(&report.data.gates, &report.results);
    let (old, new) = (outcomes(before)?, outcomes(after)?);
    let passed = |list: &[GateOutcome], gate: &str| {
        list.iter()
            .find(|o| o.gate == gate)
            .map(GateOutcome::passed)
    };
    let mut names: Vec<&str> = old.iter().chain(&new).map(|o| o.gate.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let change = |gate: &str| GateChange {
        gate: gate.to_owned(),
        before: passed(&old, gate),
        after: passed(&new, gate),
    };
    Ok(names.into_iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::{Provenance, ReportData};

    fn auc(name: &str, low: f64, value: f64, high: f64) -> Measurement {
        Measurement::new(name, Unit::Fraction, value).interval(low, high)
    }

    fn run(measurements: Vec<Measurement>) -> Report {
        let results = Results::new(measurements, vec![]).unwrap();
        let mut data = ReportData::new("t", "r", "small");
        data.gates.push("membership.*.auc.low > 0.6".into());
        Report::new(results, Provenance::new(), data).unwrap()
    }

    #[test]
    fn a_defence_that_works_is_seen() {
        let before = run(vec![
            auc("membership.global_loss.auc", 0.75, 0.8, 0.85).condition("defence", "none"),
            auc("membership.type_i.auc", 0.5, 0.55, 0.6).condition("defence", "none"),
            Measurement::new("segmentation.miou", Unit::Fraction, 0.8),
        ]);
        let after = run(vec![
            auc("membership.global_loss.auc", 0.47, 0.52, 0.57).condition("defence", "crop"),
            auc("membership.type_i.auc", 0.49, 0.54, 0.59).condition("defence", "crop"),
            Measurement::new("segmentation.miou", Unit::Fraction, 0.7),
            Measurement::new("segmentation.gap", Unit::Difference, 0.01),
        ]);
        let strict = Comparison::of(&before, &after, &[]).unwrap();
        assert_eq!(
            (
                strict.differences.len(),
                strict.only_before.len(),
                strict.only_after.len()
            ),
            (1, 2, 3)
        );
        let comparison = Comparison::of(&before, &after, &["defence".into()]).unwrap();
        assert_eq!(
            (comparison.verdict_before, comparison.verdict_after),
            (Verdict::Leaks, Verdict::NoFinding)
        );
        assert!(comparison.is_change());
        insta::assert_snapshot!(comparison.to_text(), @r"
        verdict: Leaks -> No leak found
        gate membership.*.auc.low > 0.6: FAILED -> passed
        3 measurements in both: 0 higher, 1 lower, 1 within noise, 1 without interval, 0 equal
        lower     0.800 -> 0.520  −0.280 [−0.351, −0.209]  membership.global_loss.auc
        unjudged  0.800 -> 0.700  −0.100  segmentation.miou
        noise     0.550 -> 0.540  −0.010 [−0.081, +0.061]  membership.type_i.auc
        only in the second: segmentation.gap
        ");
    }

    #[test]
    fn a_run_compared_with_itself_is_equal() {
        let run = run(vec![auc("membership.global_loss.auc", 0.75, 0.8, 0.85)]);
        let comparison = Comparison::of(&run, &run, &[]).unwrap();
        assert!(!comparison.is_change());
        assert_eq!(comparison.differences[0].change, Change::Equal);
    }

    #[test]
    fn ignoring_too_much_is_refused() {
        let both = run(vec![
            auc("membership.type_i.auc", 0.5, 0.55, 0.6).condition("rate", 0.1),
            auc("membership.type_i.auc", 0.5, 0.55, 0.6).condition("rate", 0.2),
        ]);
        assert!(Comparison::of(&both, &both, &["rate".into()]).is_err());
    }

    #[test]
    fn equal_widths_add_in_quadrature() {
        let (low, high) = mover((0.5, (0.47, 0.53)), (0.6, (0.56, 0.64)));
        assert!((low - 0.05).abs() < 1e-12 && (high - 0.15).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn swapping_runs_mirrors_the_interval(a in 0.0..1.0f64, b in 0.0..1.0f64, w in proptest::array::uniform4(0.0..0.2f64)) {
            let first = (a, (a - w[0], a + w[1]));
            let second = (b, (b - w[2], b + w[3]));
            let (low, high) = mover(first, second);
            let (back_low, back_high) = mover(second, first);
            prop_assert!((low + back_high).abs() < 1e-12 && (high + back_low).abs() < 1e-12);
            prop_assert!(low <= b - a && b - a <= high);
        }
    }
}
