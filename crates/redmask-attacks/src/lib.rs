//! Membership inference attacks on segmentation models and their controls.
//!
//! The unit of inference is one record: an image with its mask. Pixels of one image depend on each other, so their
//! likelihoods are never multiplied; each image becomes one score (or a short vector) first, and statistics are done
//! across records and models.
//!
//! - [`membership`]: what an attack is given, what it returns, and the numbers that follow from it.
//! - [`signals`]: per-record scalars and vectors, all in one pass over the class scores of an image.

pub mod membership;
pub mod signals;

#[cfg(test)]
mod testing;
