//! One measured number with everything that is needed to judge it.

use std::fmt;

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Condition, Conditions, Unit};

/// What identifies a measurement in a result: no two have the same name and conditions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurementKey {
    /// Dotted, such as `membership.global_loss.auc`.
    pub name: String,
    /// Data set, victim, shadow, attack, defence, trigger, rate, and so on.
    #[serde(default)]
    pub conditions: Conditions,
}

impl fmt::Display for MeasurementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (i, (name, value)) in self.conditions.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { " [" } else { ", " })?;
        }
        if !self.conditions.is_empty() {
            f.write_str("]")?;
        }
        Ok(())
    }
}

/// How many of what a number rests on. What does not apply is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counts {
    /// Records that were trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// Records that were held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_members: Option<u64>,
    /// Groups (patients, drives) that the interval resamples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<u64>,
    /// Images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Pixels, ignore label excluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<u64>,
    /// Images that were left out, for instance because a trigger had no legal place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
}

impl Counts {
    /// The least false positive rate above zero that these counts can measure: one over the non-members.
    pub fn smallest_fpr(&self) -> Option<f64> {
        self.non_members.filter(|&n| n > 0).map(|n| 1.0 / n as f64)
    }
}

/// What a paper printed for this number, in this measurement's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The printed value; percentages become fractions.
    pub value: f64,
    /// Where it is printed, such as `Chobola et al. 2022, Table 2`.
    pub source: String,
}

/// One number of `results.json`.
///
/// ```
/// use redmask_report::schema::{Measurement, Results, Unit};
///
/// let auc = Measurement::new("membership.global_loss.auc", Unit::Fraction, 0.81)
///     .condition("data", "polyp")
///     .interval(0.78, 0.84)
///     .per_seed([(0, 0.80), (1, 0.82)])
///     .records(200, 200)
///     .published(0.806, "Chobola et al. 2022, Table 3");
/// assert_eq!(auc.n.smallest_fpr(), Some(0.005));
/// let results = Results::new(vec![auc], vec![])?;
/// assert_eq!(results.measurements().len(), 1);
/// # Ok::<(), redmask_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Dotted: lower-case letters, digits, `_` and `-` between the dots.
    pub name: String,
    /// Also bounds the value.
    pub unit: Unit,
    /// The mean over `seeds` where there are several.
    pub value: f64,
    /// Lower end of the 95 % interval, a stratified bootstrap over groups unless the metric says otherwise.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// Everything that tells this number from others of the same name.
    pub conditions: Conditions,
    /// What it rests on.
    pub n: Counts,
    /// The seeds of the trainings behind it, in the order of `per_seed`.
    pub seeds: Vec<u64>,
    /// The value of each seed.
    pub per_seed: Vec<f64>,
    /// Whether it says how far to trust the others, rather than what leaks.
    pub control: bool,
    /// What the reproduced paper printed.
    pub published: Option<Published>,
}

impl Measurement {
    /// A number without interval, conditions or seeds. Names that start with `control.` are controls.
    pub fn new(name: impl Into<String>, unit: Unit, value: f64) -> Self {
        let name = name.into();
        Self {
            control: name.starts_with("control."),
            name,
            unit,
            value,
            low: None,
            high: None,
            conditions: Conditions::new(),
            n: Counts::default(),
            seeds: Vec::new(),
            per_seed: Vec::new(),
            published: None,
        }
    }

    /// Sets the interval.
    #[must_use]
    pub fn interval(mut self, low: f64, high: f64) -> Self {
        self.low = Some(low);
        self.high = Some(high);
        self
    }

    /// Sets one condition.
    #[must_use]
    pub fn condition(mut self, name: &str, value: impl Into<Condition>) -> Self {
        self.conditions.insert(name.to_owned(), value.into());
        self
    }

    /// Adds conditions that many measurements share.
    #[must_use]
    pub fn conditions(mut self, shared: &Conditions) -> Self {
        self.conditions
            .extend(shared.iter().map(|(k, v)| (k.clone(), v.clone())));
        self
    }

    /// Sets the seeds and the value of each.
    #[must_use]
    pub fn per_seed(mut self, values: impl IntoIterator<Item = (u64, f64)>) -> Self {
        (self.seeds, self.per_seed) = values.into_iter().unzip();
        self
    }

    /// Sets the numbers of members and non-members.
    #[must_use]
    pub fn records(mut self, members: u64, non_members: u64) -> Self {
        self.n.members = Some(members);
        self.n.non_members = Some(non_members);
        self
    }

    /// Sets all counts.
    #[must_use]
    pub fn counts(mut self, n: Counts) -> Self {
        self.n = n;
        self
    }

    /// Sets what the paper printed, in this unit.
    #[must_use]
    pub fn published(mut self, value: f64, source: impl Into<String>) -> Self {
        self.published = Some(Published {
            value,
            source: source.into(),
        });
        self
    }

    /// Its name and conditions.
    pub fn key(&self) -> MeasurementKey {
        MeasurementKey {
            name: self.name.clone(),
            conditions: self.conditions.clone(),
        }
    }

    /// Both ends of the interval.
    pub fn bounds(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }

    /// # Errors
    /// If a number is NaN, infinite or out of its unit's range, the interval is upside down or half given, seeds and
    /// values do not match, or a name is malformed.
    pub(crate) fn check(&self) -> Result<()> {
        let fault = |problem: String| Err(Error::numeric(self.key().to_string(), problem));
        if !is_dotted_name(&self.name) {
            return fault("a name has two or more dotted parts of a-z, 0-9, _ and -".into());
        }
        if self.control != self.name.starts_with("control.") {
            return fault("controls, and only controls, are named control.*".into());
        }
        for (name, value) in &self.conditions {
            if !is_part(name) || !value.is_sound() {
                return fault(format!("condition {name} = {value} cannot be stored"));
            }
        }
        let published = self.published.as_ref().map(|p| p.value);
        let numbers = [Some(self.value), self.low, self.high, published];
        for number in numbers
            .into_iter()
            .flatten()
            .chain(self.per_seed.iter().copied())
        {
            if !self.unit.admits(number) {
                return fault(format!("{number} is no {}", self.unit.as_str()));
            }
        }
        match (self.low, self.high) {
            (Some(low), Some(high)) if low > high => {
                return fault(format!("the interval [{low}, {high}] is upside down"));
            }
            (Some(_), None) | (None, Some(_)) => return fault("half an interval".into()),
            _ => {}
        }
        if self.seeds.len() != self.per_seed.len() {
            return fault(format!(
                "{} seeds for {} values",
                self.seeds.len(),
                self.per_seed.len()
            ));
        }
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        if seeds.windows(2).any(|pair| pair[0] == pair[1]) {
            return fault("a seed occurs twice".into());
        }
        Ok(())
    }
}

fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn is_dotted_name(name: &str) -> bool {
    name.contains('.') && name.split('.').all(is_part)
}
