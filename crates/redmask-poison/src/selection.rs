//! Which records are poisoned.

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How many records are poisoned, and how often they are drawn.
///
/// Records are drawn among those that the attack can use (that bear a victim pixel, that hold the semantic trigger, in which
/// the condition holds), in an order that follows from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Poisoned records over *all* records of the split, in `(0, 1]`; rounded to whole records, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Or a number of records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Draw anew in each epoch, each usable record on its own (Chobola et al. 2022, in the data loader), instead of once.
    #[serde(default)]
    pub each_epoch: bool,
}

impl Selection {
    /// This share of all records, drawn once.
    pub fn rate(rate: f64) -> Self {
        Self {
            rate: Some(rate),
            ..Self::default()
        }
    }

    /// # Errors
    /// If there is no amount or two, or it is out of range.
    pub fn validate(&self) -> Result<()> {
        match (self.rate, self.count) {
            (None, None) => Err(Error::config("rate", "neither a rate nor a count is given")),
            (Some(_), Some(_)) => Err(Error::config("count", "a rate is given as well")),
            (Some(rate), None) if rate.is_nan() || rate <= 0.0 || rate > 1.0 => Err(Error::config(
                "rate",
                format!("{rate} is not above 0 and at most 1"),
            )
            .with_hint(
                "the poisoning rate is poisoned images over all images of the split: 0.1 for 10 %",
            )),
            (None, Some(0)) => Err(Error::config("count", "0 records leave nothing poisoned")),
            (None, Some(_)) if self.each_epoch => Err(Error::config(
                "count",
                "records that are drawn anew in each epoch have a rate",
            )),
            _ => Ok(()),
        }
    }

    /// How many of `all` records to poison.
    pub fn wanted(&self, all: usize) -> usize {
        match self.rate {
            Some(rate) => ((rate * all as f64).round() as usize).max(1),
            None => self.count.unwrap_or(1),
        }
    }

    /// The probability with which each of `usable` records is poisoned in an epoch, so that the expected share among `all`
    /// is the rate.
    pub fn probability(&self, all: usize, usable: usize) -> f64 {
        let rate = self.rate.unwrap_or(0.0);
        (rate * all as f64 / usable.max(1) as f64).min(1.0)
    }
}

/// Records that look like poisoned ones and keep their labels, so that nothing but the whole attack fires.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoys {
    /// What is done to them.
    pub kind: DecoyKind,
    /// How many, over the number of poisoned records.
    #[serde(default = "one")]
    pub ratio: f64,
}

fn one() -> f64 {
    1.0
}

/// What a decoy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoyKind {
    /// A wrong trigger of the same size: FIBA's cross samples.
    WrongTrigger,
    /// The true trigger where the condition of a conditional attack does not hold.
    NoCondition,
}

impl Decoys {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.ratio.is_finite() && self.ratio >= 0.0 {
            Ok(())
        } else {
            Err(Error::config(
                "decoys.ratio",
                format!("{} is not a number from 0", self.ratio),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_are_none_are_refused() {
        for rate in [0.0, -0.1, 1.01, f64::NAN] {
            let error = Selection::rate(rate).validate().unwrap_err();
            assert!(error.to_string().starts_with("rate:"), "{error}");
        }
        assert!(Selection::rate(1.0).validate().is_ok());
        assert!(Selection::default().validate().is_err());
        let both = Selection {
            count: Some(3),
            ..Selection::rate(0.1)
        };
        assert!(both.validate().is_err());
    }

    #[test]
    fn a_rate_is_a_share_of_all_records() {
        assert_eq!(Selection::rate(0.1).wanted(468), 47);
        assert_eq!(Selection::rate(0.001).wanted(20), 1);
        // Half of the records are usable, so each of them is drawn twice as often.
        assert_eq!(Selection::rate(0.1).probability(100, 50), 0.2);
    }
}
