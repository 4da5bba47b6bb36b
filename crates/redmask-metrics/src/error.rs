//! Why a number cannot be given.

/// A measurement that was refused. A metric never returns a number that its inputs do not support.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Nothing to measure on.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// An input number is NaN.
    #[error("{what} {index} is NaN")]
    NotANumber {
        /// What the number is.
        what: &'static str,
        /// Its position.
        index: usize,
    },
    /// Two inputs that must have one size do not.
    #[error("{what}: {left} against {right}")]
    SizeMismatch {
        /// What is compared.
        what: &'static str,
        /// Size of the first.
        left: String,
        /// Size of the second.
        right: String,
    },
    /// A class id that the class table does not have.
    #[error("class id {id} in {what}, which has {classes} classes")]
    UnknownClass {
        /// Where it was found.
        what: &'static str,
        /// The id.
        id: u8,
        /// Number of classes.
        classes: usize,
    },
    /// A parameter outside its domain.
    #[error("{what} is {value}, which is not {domain}")]
    OutOfDomain {
        /// The parameter.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Where it must lie.
        domain: &'static str,
    },
    /// A false-positive rate finer than the number of non-members can show.
    #[error(
        "a false-positive rate of {fpr} cannot be measured on {non_members} non-members; the smallest is {smallest}"
    )]
    Unmeasurable {
        /// The rate that was asked for.
        fpr: f64,
        /// Number of non-members.
        non_members: usize,
        /// `1 / non_members`.
        smallest: f64,
    },
    /// A computation that did not converge or left its range.
    #[error("{what}: {problem}")]
    Failed {
        /// The quantity.
        what: &'static str,
        /// What happened.
        problem: String,
    },
}

/// The result of a metric.
pub type Result<T, E = MetricError> = std::result::Result<T, E>;

impl From<MetricError> for redmask_core::Error {
    fn from(error: MetricError) -> Self {
        Self::numeric("metric", error.to_string())
    }
}

/// Refuses anything but a number in `[0, 1]`.
pub(crate) fn fraction(what: &'static str, value: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(MetricError::OutOfDomain {
            what,
            value,
            domain: "in [0, 1]",
        })
    }
}

/// Refuses anything but a number strictly between 0 and 1.
pub(crate) fn open_fraction(what: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err(MetricError::OutOfDomain {
            what,
            value,
            domain: "strictly between 0 and 1",
        })
    }
}

/// Refuses NaN.
pub(crate) fn no_nan(what: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| v.is_nan()) {
        Some(index) => Err(MetricError::NotANumber { what, index }),
        None => Ok(()),
    }
}
