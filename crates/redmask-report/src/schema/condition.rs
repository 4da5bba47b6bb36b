//! Under which conditions a number was measured.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The conditions of a measurement by name: `data`, `victim`, `shadow`, `attack`, `defence`, `trigger`, `rate`, ...
pub type Conditions = BTreeMap<String, Condition>;

/// One condition. In JSON it is a bare boolean, number or string.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    /// On or off, such as `paper_compat`.
    Flag(bool),
    /// A whole number, such as an epoch or a number of shadow models.
    Count(u64),
    /// A real number, such as a poisoning rate. Never NaN or infinite in a checked result.
    Number(f64),
    /// A name, such as a data set or an encoder.
    Text(String),
}

impl Condition {
    /// The number, for axes.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Count(n) => Some(*n as f64),
            Self::Number(x) => Some(*x),
            Self::Flag(_) | Self::Text(_) => None,
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Self::Number(x) => x.is_finite(),
            Self::Text(text) => !text.is_empty(),
            Self::Flag(_) | Self::Count(_) => true,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Flag(_) => 0,
            Self::Count(_) | Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Count(n) => n.fmt(f),
            Self::Number(x) => x.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Flags before numbers before names; numbers by value, so that rates sort as rates and not as text. A whole number and
/// the same real number are one condition.
impl Ord for Condition {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Flag(a), Self::Flag(b)) => a.cmp(b),
            (Self::Count(a), Self::Count(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()).then_with(|| {
                match (self.as_number(), other.as_number()) {
                    (Some(a), Some(b)) => a.total_cmp(&b),
                    _ => Ordering::Equal,
                }
            }),
        }
    }
}

impl PartialOrd for Condition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Condition {}

impl From<bool> for Condition {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Condition {
    fn from(n: u64) -> Self {
        Self::Count(n)
    }
}

impl From<u32> for Condition {
    fn from(n: u32) -> Self {
        Self::Count(n.into())
    }
}

impl From<usize> for Condition {
    fn from(n: usize) -> Self {
        Self::Count(n as u64)
    }
}

impl From<f64> for Condition {
    fn from(x: f64) -> Self {
        Self::Number(x)
    }
}

impl From<&str> for Condition {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Condition {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
