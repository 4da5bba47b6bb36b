//! Values of keys that a configuration leaves out.

use crate::encoder::EncoderKind;

pub(super) fn one() -> f64 {
    1.0
}

pub(super) fn half() -> f64 {
    0.5
}

pub(super) fn fifth() -> f64 {
    0.2
}

pub(super) fn rgb() -> usize {
    3
}

pub(super) fn binary() -> usize {
    1
}

pub(super) fn resnet50() -> EncoderKind {
    EncoderKind::Resnet50
}

/// Whether a share is zero: such a key is left out when a configuration is written, so that networks without it keep the
/// names under which they are stored.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference"
)]
pub(super) fn is_none(share: &f64) -> bool {
    *share == 0.0
}
