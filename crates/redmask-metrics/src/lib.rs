//! Segmentation, membership and backdoor metrics with intervals; pure functions and accumulators.
//!
//! Three rules hold everywhere. A ratio of nothing is `None` or an error, never 0. A number that the sample size cannot
//! support is refused. A higher membership score means "more likely a member".

pub mod accountant;
pub mod backdoor;
pub mod boundary;
pub mod confusion;
pub mod distance;
pub mod epsilon;
pub mod error;
pub mod image_quality;
pub mod interval;
mod normal;
pub mod overlap;
pub mod roc;
pub mod soft_dice;

pub use confusion::ConfusionMatrix;
pub use error::MetricError;
pub use interval::{GroupedBootstrap, GroupedScores, Groups, Interval, RocStatistic};
pub use overlap::{AbsentClass, ClassCounts};
pub use roc::{BinaryCounts, Roc, RocPoint};
pub use soft_dice::{SoftDice, SoftDiceOptions};
