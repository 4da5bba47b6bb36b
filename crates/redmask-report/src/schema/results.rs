//! `results.json`: the numbers of a run, without a clock, so that the same run gives the same bytes.

use std::path::Path;

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::file;
use super::{Conditions, Measurement, MeasurementKey};

/// The version of `results.json` that this build reads and writes. Any change to the definition of a metric raises it.
pub const SCHEMA_VERSION: u32 = 1;

/// Far beyond any real run; a file that declares more is not ours.
const MAX_BYTES: u64 = 256 << 20;

/// Something that changes what a result means, such as a substitution or a false positive rate that n cannot measure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Stable, for scripts: `data-substituted`, `no-imagenet-weights`, `control-not-measured`, ...
    pub code: String,
    /// For people: one or two sentences.
    pub message: String,
    /// Names of the measurements it concerns, `*` allowed; empty means all.
    #[serde(default)]
    pub concerns: Vec<String>,
}

impl Warning {
    /// A warning about the whole result.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            concerns: Vec::new(),
        }
    }

    /// Narrows it to some measurements.
    #[must_use]
    pub fn about(mut self, name: impl Into<String>) -> Self {
        self.concerns.push(name.into());
        self
    }
}

/// Checked and sorted measurements: finite, in range, unique by name and conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Results {
    measurements: Vec<Measurement>,
    warnings: Vec<Warning>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    schema_version: u32,
    measurements: Vec<Measurement>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

impl Results {
    /// Checks, sorts by name and conditions, and drops repeated warnings.
    ///
    /// # Errors
    /// If a measurement is malformed, NaN or out of range, or two have one name and the same conditions.
    pub fn new(mut measurements: Vec<Measurement>, mut warnings: Vec<Warning>) -> Result<Self> {
        for measurement in &measurements {
            measurement.check()?;
        }
        let order = |a: &Measurement, b: &Measurement| {
            (&a.name, &a.conditions).cmp(&(&b.name, &b.conditions))
        };
        measurements.sort_by(order);
        if let Some(pair) = measurements
            .windows(2)
            .find(|pair| order(&pair[0], &pair[1]).is_eq())
        {
            return Err(Error::Internal(format!(
                "{} was measured twice",
                pair[0].key()
            )));
        }
        warnings.sort();
        warnings.dedup();
        Ok(Self {
            measurements,
            warnings,
        })
    }

    /// All measurements, sorted by name and conditions.
    pub fn measurements(&self) -> &[Measurement] {
        &self.measurements
    }

    /// All warnings, sorted by code.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The measurement with this name and exactly these conditions.
    pub fn get(&self, name: &str, conditions: &Conditions) -> Option<&Measurement> {
        self.measurements
            .binary_search_by(|m| (m.name.as_str(), &m.conditions).cmp(&(name, conditions)))
            .ok()
            .map(|i| &self.measurements[i])
    }

    /// The measurement with this key.
    pub fn by_key(&self, key: &MeasurementKey) -> Option<&Measurement> {
        self.get(&key.name, &key.conditions)
    }

    /// All measurements with this name.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Measurement> {
        let start = self
            .measurements
            .partition_point(|m| m.name.as_str() < name);
        let len = self.measurements[start..].partition_point(|m| m.name.as_str() == name);
        self.measurements[start..start + len].iter()
    }

    /// Writes `path` atomically: readers see the old file or the new one, never a part.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        file::write_json(path, self)
    }

    /// Reads and checks a result.
    ///
    /// # Errors
    /// If the file is missing, too large, of another schema version, or breaks a rule of the schema.
    pub fn read(path: &Path) -> Result<Self> {
        file::read_versioned(path, MAX_BYTES, SCHEMA_VERSION)
    }
}

impl From<Results> for Unchecked {
    fn from(results: Results) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            measurements: results.measurements,
            warnings: results.warnings,
        }
    }
}

impl TryFrom<Unchecked> for Results {
    type Error = Error;

    fn try_from(raw: Unchecked) -> Result<Self> {
        if raw.schema_version != SCHEMA_VERSION {
            return Err(Error::unsupported(
                format!("schema version {}", raw.schema_version),
                format!("this build reads version {SCHEMA_VERSION}"),
            ));
        }
        Self::new(raw.measurements, raw.warnings)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::{Condition, Unit};

    fn auc(data: &str, value: f64) -> Measurement {
        Measurement::new("membership.loss.auc", Unit::Fraction, value).condition("data", data)
    }

    #[test]
    fn name_and_conditions_are_unique() {
        let twice = vec![auc("a", 0.5), auc("b", 0.5), auc("a", 0.6)];
        let problem = Results::new(twice, vec![]).unwrap_err().to_string();
        assert!(
            problem.contains("membership.loss.auc [data=a]"),
            "{problem}"
        );
    }

    #[test]
    fn a_whole_number_is_one_condition_however_it_is_stored() {
        let as_count = auc("a", 0.5).condition("rate", 1u64);
        let as_number = auc("a", 0.5).condition("rate", 1.0);
        assert!(Results::new(vec![as_count, as_number], vec![]).is_err());
    }

    #[test]
    fn rates_sort_as_numbers() {
        let at = |rate: f64| auc("a", 0.5).condition("rate", rate);
        let results = Results::new(vec![at(0.1), at(0.02), at(0.05)], vec![]).unwrap();
        let rates: Vec<_> = results
            .measurements()
            .iter()
            .map(|m| &m.conditions["rate"])
            .collect();
        assert_eq!(
            rates,
            [
                &Condition::from(0.02),
                &Condition::from(0.05),
                &Condition::from(0.1)
            ]
        );
    }

    #[test]
    fn malformed_measurements_are_refused() {
        let faults = [
            auc("a", f64::NAN),
            auc("a", f64::INFINITY),
            auc("a", 0.5).interval(0.6, 0.4),
            Measurement {
                high: None,
                ..auc("a", 0.5).interval(0.4, 0.6)
            },
            Measurement {
                seeds: vec![1],
                ..auc("a", 0.5)
            },
            auc("a", 0.5).condition("rate", f64::NAN),
            auc("a", 0.5).condition("Rate", 0.1),
            auc("a", 0.5).per_seed([(3, 0.4), (3, 0.6)]),
        ];
        for fault in faults {
            assert!(
                Results::new(vec![fault.clone()], vec![]).is_err(),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn reading_names_the_file_and_the_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        std::fs::write(&path, r#"{"schema_version": 7, "novel": true}"#).unwrap();
        let problem = Results::read(&path).unwrap_err().to_string();
        assert!(
            problem.contains("results.json") && problem.contains("version 7"),
            "{problem}"
        );
        std::fs::write(&path, "{").unwrap();
        assert!(
            Results::read(&path)
                .unwrap_err()
                .to_string()
                .contains("results.json")
        );
        assert!(Results::read(&folder.path().join("none.json")).is_err());
    }

    #[test]
    fn writing_replaces_whole_files_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        std::fs::write(&path, "old").unwrap();
        let results = Results::new(vec![auc("a", 0.5)], vec![]).unwrap();
        results.write(&path).unwrap();
        assert_eq!(Results::read(&path).unwrap(), results);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        // A folder in the way makes the rename fail after the partial file was written.
        let blocked = folder.path().join("blocked.json");
        std::fs::create_dir_all(blocked.join("full")).unwrap();
        assert!(results.write(&blocked).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    proptest! {
        #[test]
        fn order_of_measuring_does_not_show(values in proptest::collection::vec(0.0..=1.0f64, 1..12), turn in 0usize..12) {
            let list: Vec<_> = values.iter().enumerate().map(|(i, &v)| auc(&format!("d{i}"), v)).collect();
            let mut turned = list.clone();
            turned.rotate_left(turn % list.len());
            let one = serde_json::to_string(&Results::new(list, vec![]).unwrap()).unwrap();
            let other = serde_json::to_string(&Results::new(turned, vec![]).unwrap()).unwrap();
            prop_assert_eq!(one, other);
        }

        #[test]
        fn json_gives_back_every_bit(value in 0.0..=1.0f64, seed: u64, rate in -1e300..1e300f64) {
            let m = auc("a", value).condition("rate", rate).per_seed([(seed, value)]);
            let results = Results::new(vec![m], vec![]).unwrap();
            let back: Results = serde_json::from_str(&serde_json::to_string(&results).unwrap()).unwrap();
            prop_assert_eq!(back, results);
        }
    }
}
