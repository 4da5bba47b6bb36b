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
