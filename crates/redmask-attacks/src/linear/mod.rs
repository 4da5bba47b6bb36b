//! Small dense linear models: enough for controls and for attacks that combine signals.

mod cholesky;
mod logistic;
mod ridge;

pub(crate) use cholesky::{Cholesky, SymmetricMatrix};
pub(crate) use logistic::Logistic;
pub(crate) use ridge::Ridge;
