//! Gates: findings that stop a release. `membership.global_loss.auc.low > 0.6` fails an audit whose interval lies above.

use std::fmt;
use std::str::FromStr;

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::schema::{Measurement, MeasurementKey, Results};

/// `<measurement>.<value|low|high> <op> <number>`: the condition under which an audit fails.
///
/// `*` stands for any run of characters in the measurement's name. Controls never match.
///
/// ```
/// use redmask_report::gate::Gate;
/// use redmask_report::schema::{Measurement, Results, Unit};
///
/// let auc = Measurement::new("membership.global_loss.auc", Unit::Fraction, 0.7).interval(0.65, 0.75);
/// let results = Results::new(vec![auc], vec![])?;
/// let gate: Gate = "membership.*.auc.low > 0.6".parse()?;
/// assert!(!gate.judge(&results)?.passed());
/// # Ok::<(), redmask_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gate {
    pattern: String,
    field: Field,
    op: Op,
    bound: f64,
}

/// Which number of a measurement a gate looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Value,
    Low,
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a gate found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateOutcome {
    /// The gate as written.
    pub gate: String,
    /// How many measurements it looked at; never zero.
    pub matched: usize,
    /// The measurements that make it fail, with the number that does.
    pub failures: Vec<(MeasurementKey, f64)>,
}

impl GateOutcome {
    /// Whether no measurement makes it fail.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Gate {
    /// Looks at every matching measurement.
    ///
    /// # Errors
    /// If nothing matches, or a match has no interval where the gate asks for a bound: a check that checks nothing must not
    /// pass.
    pub fn judge(&self, results: &Results) -> Result<GateOutcome> {
        let fault = |problem: String| Error::config(format!("gate `{self}`"), problem);
        let mut matched = 0;
        let mut failures = Vec::new();
        for measurement in results.measurements() {
            if measurement.control || !matches(&self.pattern, &measurement.name) {
                continue;
            }
            matched += 1;
            let number = self.field.of(measurement).ok_or_else(|| {
                fault(format!(
                    "{} was measured without an interval",
                    measurement.key()
                ))
            })?;
            if self.op.holds(number, self.bound) {
                failures.push((measurement.key(), number));
            }
        }
        if matched == 0 {
            return Err(fault(format!("no measurement is named {}", self.pattern))
                .with_hint("results.json lists all names; controls never match"));
        }
        Ok(GateOutcome {
            gate: self.to_string(),
            matched,
            failures,
        })
    }

    /// Judges all of `gates`, written as in a recipe.
    ///
    /// # Errors
    /// If one is malformed or cannot be judged.
    pub fn judge_all(gates: &[String], results: &Results) -> Result<Vec<GateOutcome>> {
        gates
            .iter()
            .map(|text| text.parse::<Self>()?.judge(results))
            .collect()
    }
}

impl Field {
    fn of(self, measurement: &Measurement) -> Option<f64> {
        match self {
            Self::Value => Some(measurement.value),
            Self::Low => measurement.low,
            Self::High => measurement.high,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Low => "low",
            Self::High => "high",
        }
    }
}

/// Two-character operators first, so that `<=` is not read as `<`.
const OPS: [(&str, Op); 4] = [
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("<", Op::Less),
    (">", Op::Greater),
];

impl Op {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl FromStr for Gate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = |problem: &str| {
            Error::config(format!("gate `{text}`"), problem)
                .with_hint("write it as `membership.global_loss.auc.low > 0.6`")
        };
        let (left, op, right) = OPS
            .iter()
            .find_map(|(sign, op)| {
                text.split_once(sign)
                    .map(|(l, r)| (l.trim(), *op, r.trim()))
            })
            .ok_or_else(|| fault("it has none of <, <=, >, >="))?;
        let (pattern, field) = left
            .rsplit_once('.')
            .ok_or_else(|| fault("it names no measurement"))?;
        let field = [Field::Value, Field::Low, Field::High]
            .into_iter()
            .find(|f| f.as_str() == field)
            .ok_or_else(|| fault("the measurement is not followed by .value, .low or .high"))?;
        let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-*".contains(&b);
        if pattern.is_empty() || !pattern.bytes().all(sound) {
            return Err(fault(
                "the measurement's name has other characters than a-z, 0-9, _, -, . and *",
            ));
        }
        let bound = right
            .parse::<f64>()
            .ok()
            .filter(|b| b.is_finite())
            .ok_or_else(|| fault("what follows the comparison is no number"))?;
        Ok(Self {
            pattern: pattern.to_owned(),
            field,
            op,
            bound,
        })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, op) = (self.field.as_str(), self.op.as_str());
        write!(f, "{}.{field} {op} {}", self.pattern, self.bound)
    }
}

impl TryFrom<String> for Gate {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> Self {
        gate.to_string()
    }
}

/// Whether `name` fits `pattern`, where `*` is any run of characters, dots included.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.collect::<Vec<_>>();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    // The leftmost fit of each middle part leaves the most for the ones after it.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::Unit;

    fn results() -> Results {
        let auc = |name: &str, low, value, high| {
            Measurement::new(name, Unit::Fraction, value).interval(low, high)
        };
        Results::new(
            vec![
                auc("membership.global_loss.auc", 0.61, 0.66, 0.71),
                auc("membership.type_i.auc", 0.48, 0.55, 0.62),
                auc("control.blind.auc", 0.70, 0.75, 0.80),
                Measurement::new("segmentation.miou", Unit::Fraction, 0.8),
            ],
            vec![],
        )
        .expect("the example is sound")
    }

    fn judge(gate: &str) -> Result<GateOutcome> {
        gate.parse::<Gate>()?.judge(&results())
    }

    #[test]
    fn one_match_above_the_bound_fails() {
        let outcome = judge("membership.*.auc.low > 0.6").unwrap();
        assert_eq!(outcome.matched, 2);
        assert_eq!(outcome.failures.len(), 1);
        assert_eq!(outcome.failures[0].0.name, "membership.global_loss.auc");
        assert!(judge("membership.*.auc.low > 0.61").unwrap().passed());
        assert!(!judge("membership.*.auc.low >= 0.61").unwrap().passed());
        assert!(!judge("segmentation.miou.value<0.9").unwrap().passed());
    }

    #[test]
    fn controls_never_match() {
        assert!(judge("*.auc.low > 0.65").unwrap().passed());
        assert!(judge("control.blind.auc.low > 0.6").is_err());
    }

    #[test]
    fn a_gate_that_checks_nothing_is_an_error() {
        assert!(judge("membership.lira.auc.low > 0.6").is_err());
        let problem = judge("segmentation.miou.low < 0.5")
            .unwrap_err()
            .to_string();
        assert!(problem.contains("without an interval"), "{problem}");
    }

    #[test]
    fn malformed_gates_say_what_is_wrong() {
        for (text, problem) in [
            ("membership.auc.low", "none of <"),
            ("auc > 0.6", "names no measurement"),
            ("membership.auc > 0.6", "not followed by"),
            ("membership.auc.low > six", "no number"),
            ("membership.auc.low > inf", "no number"),
            ("membership.auc.low == 0.6", "none of <"),
            ("membership.AUC.low > 0.6", "other characters"),
            (".low > 0.6", "other characters"),
        ] {
            let found = text.parse::<Gate>().unwrap_err().to_string();
            assert!(found.contains(problem), "{text}: {found}");
        }
    }

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, name, fits) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.*", "a.b.c", true),
            ("*.c", "a.b.c", true),
            ("a*c", "ac", true),
            ("a.*.c", "a.c", false),
            ("*a*a*", "aa", true),
            ("*a*a*", "a", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn writing_a_gate_gives_it_back(name in "[a-z_*]{1,8}\\.[a-z0-9*-]{1,8}", field in 0usize..3, op in 0usize..4, bound in -1e6..1e6f64) {
            let field = ["value", "low", "high"][field];
            let op = ["<", "<=", ">", ">="][op];
            let gate: Gate = format!("{name}.{field}  {op}{bound}").parse().unwrap();
            let again: Gate = gate.to_string().parse().unwrap();
            prop_assert_eq!(gate, again);
        }
    }
}
