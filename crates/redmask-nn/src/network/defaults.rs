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
