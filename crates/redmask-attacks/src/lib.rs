//! Membership inference attacks on segmentation models and their controls.
