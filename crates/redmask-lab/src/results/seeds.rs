//! One measurement of several seeds.

use redmask_metrics::Interval;
use redmask_report::schema::{Measurement, Unit};

/// Combines the values of several seeds: their mean, and the mean of the ends of their intervals. The interval says
/// how far the records leave one victim's number open, which more seeds do not narrow; how much a retraining moves it is
/// seen in the values of the seeds.
pub(crate) fn combine(
    name: impl Into<String>,
    unit: Unit,
    per_seed: &[(u64, Interval)],
) -> Measurement {
    let mean = |end: fn(&Interval) -> f64| {
        per_seed.iter().map(|(_, i)| end(i)).sum::<f64>() / per_seed.len() as f64
    };
    Measurement::new(name, unit, mean(|i| i.value))
        .interval(mean(|i| i.low), mean(|i| i.high))
        .per_seed(per_seed.iter().map(|(seed, i)| (*seed, i.value)))
}

/// Combines numbers without intervals.
pub(crate) fn combine_plain(
    name: impl Into<String>,
    unit: Unit,
    per_seed: &[(u64, f64)],
) -> Measurement {
    let mean = per_seed.iter().map(|(_, v)| v).sum::<f64>() / per_seed.len() as f64;
    Measurement::new(name, unit, mean).per_seed(per_seed.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_ends_are_averaged() {
        let interval = |value, low, high| Interval { value, low, high };
        let m = combine(
            "membership.x.auc",
            Unit::Fraction,
            &[
                (0, interval(0.5, 0.25, 0.75)),
                (1, interval(1.0, 0.75, 1.0)),
            ],
        );
        assert_eq!((m.value, m.bounds()), (0.75, Some((0.5, 0.875))));
        assert_eq!((m.seeds, m.per_seed), (vec![0, 1], vec![0.5, 1.0]));
    }
}
