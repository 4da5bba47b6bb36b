//! Intervals: exact ones for counts, bootstrap ones for everything else.

mod binomial;
mod bootstrap;
mod groups;
mod roc;

use serde::{Deserialize, Serialize};

pub use binomial::{clopper_pearson, clopper_pearson_lower, clopper_pearson_upper};
pub use bootstrap::{BootstrapMethod, GroupedBootstrap};
pub use groups::{GroupedScores, Groups};
pub use roc::RocStatistic;

/// A measured value with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value on the data as they are.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `x` lies in the interval, ends included.
    pub fn covers(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }
}
