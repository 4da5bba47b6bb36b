//! Per-record signals: what one image's class scores say about its membership.
//!
//! Let `l_i = -ln p_{i,y_i}` be the cross-entropy of pixel `i` and `Omega` the pixels whose label is not
//! [`redmask_core::IGNORE`]. [`record_signals`] computes every scalar and vector below in one pass over the scores
//! `[k, h, w]` of an image, without a copy of them; [`collect`] runs a model over a data set, batch by batch, and keeps
//! only the signals.
//!
//! Agreement between the forms a model may be given in (logits, probabilities) is part of the contract: probabilities
//! are clamped below at [`PROBABILITY_FLOOR`], so no pixel's loss exceeds 69.08 nats in either form.

mod agreement;
mod boundary;
mod collect;
mod confidence;
mod dice;
mod gradient;
mod loss_map;
mod pass;
mod pixel;
mod quantile;
mod requery;
mod signal;
mod view;

pub use boundary::boundary_distance;
pub use collect::{collect, predict_in_batches, scores_of};
pub use confidence::{logit_confidence, logit_of_loss};
pub use dice::{DiceForm, dice_loss};
pub use gradient::{GradientNorm, gradient_norm, gradient_norms};
pub use loss_map::{LossMap, loss_map};
pub use pass::{SignalConfig, record_signals};
pub use pixel::PROBABILITY_FLOOR;
pub use requery::{ViewSignals, default_views, requery};
pub use signal::{RecordSignals, Signal, SignalVector};
pub use view::View;

pub(crate) use agreement::label_agreement;
pub(crate) use pixel::PixelWeights;
pub(crate) use requery::steadiness;
