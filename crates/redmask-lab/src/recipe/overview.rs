//! The table that sums defences up in words, and what the words mean.

use std::collections::BTreeMap;

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Words for measurements: what lies below the first limit is low, below the second medium, the rest high.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverviewConfig {
    /// Names the CSV file.
    pub id: String,
    /// Heads the table.
    pub title: String,
    /// Limits of the protection: the share of `AUC - 0.5` that the defence takes from the worst adaptive attack.
    pub protection: [f64; 2],
    /// Limits of the loss of mean Dice on held-out records.
    pub utility_loss: [f64; 2],
    /// Limits of the training FLOPs relative to the undefended training.
    pub cost: [f64; 2],
    /// What a paper says of each defence: protection, utility decrease, cost, additional model.
    #[serde(default)]
    pub published: BTreeMap<String, [String; 4]>,
}

impl OverviewConfig {
    pub(super) fn validate(&self) -> Result<()> {
        for (key, [first, second]) in [
            ("protection", self.protection),
            ("utility_loss", self.utility_loss),
            ("cost", self.cost),
        ] {
            if !(first.is_finite() && second.is_finite() && first < second) {
                return Err(Error::config(
                    format!("overview.{key}"),
                    format!("{first} and {second} are not two ascending limits"),
                ));
            }
        }
        Ok(())
    }

    /// The word for a value.
    pub(crate) fn word(value: f64, [medium, high]: [f64; 2]) -> &'static str {
        if value < medium {
            "low"
        } else if value < high {
            "medium"
        } else {
            "high"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_belong_to_the_higher_word() {
        let words: Vec<&str> = [-1.0, 0.29, 0.3, 0.6, 2.0]
            .into_iter()
            .map(|v| OverviewConfig::word(v, [0.3, 0.6]))
            .collect();
        assert_eq!(words, ["low", "low", "medium", "high", "high"]);
    }
}
