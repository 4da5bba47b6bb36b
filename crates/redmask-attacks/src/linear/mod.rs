//! Small dense linear models: enough for controls and for attacks that combine signals.

mod cholesky;

pub(crate) use cholesky::{Cholesky, SymmetricMatrix};
