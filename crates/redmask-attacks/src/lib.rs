//! Membership inference attacks on segmentation models and their controls, and the search for backdoor triggers.
//!
//! The unit of inference is one record: an image with its mask. Pixels of one image depend on each other, so their
//! likelihoods are never multiplied; each image becomes one score (or a short vector) first, and statistics are done
//! across records and models.
//!
//! - [`membership`]: what an attack is given, what it returns, and the numbers that follow from it.
//! - [`global_loss`]: a threshold on one scalar, the published baseline.
//! - [`classifier`]: Type-I and Type-II, a network that reads what the model answers.
//! - [`combination`]: all signals at once, weighed by a regression on shadow records.
//! - [`label_only`]: for models that answer with classes alone.
//! - [`patch`]: a classifier of patches of the loss map, averaged over the image.
//! - [`controls`]: the blind classifier and the null victim, without which no number means anything.
//! - [`scores`]: attacks across models (LiRA, RMIA, Attack-P, Attack-R, ...), as functions of matrices.
//! - [`trigger_search`]: which trigger a backdoor would use, found on a surrogate; it needs gradients, poisoning does not.
//! - [`signals`]: per-record scalars and vectors, all in one pass over the class scores of an image.

pub mod classifier;
pub mod combination;
pub mod controls;
pub mod global_loss;
pub mod label_only;
mod linear;
pub mod membership;
pub mod patch;
pub mod scores;
mod shadow_regression;
pub mod signals;
pub mod trigger_search;

#[cfg(test)]
mod testing;
