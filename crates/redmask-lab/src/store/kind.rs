//! What a stage does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of stages a plan is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Deals records out to victims and shadows.
    Split,
    /// Trains a segmentation network.
    Train,
    /// Measures a trained network on the records it saw and on those it did not.
    Predict,
    /// Reduces records to signals under a trained network.
    Signal,
    /// Runs a membership attack.
    Attack,
    /// Measures a backdoor in a trained network.
    Backdoor,
    /// Runs a control: an attack that must fail if the experiment is sound.
    Control,
    /// Turns outcomes into measurements with intervals.
    Tabulate,
}

impl StageKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Split,
        Self::Train,
        Self::Predict,
        Self::Signal,
        Self::Attack,
        Self::Backdoor,
        Self::Control,
        Self::Tabulate,
    ];

    /// The folder in the store, and the word in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Train => "train",
            Self::Predict => "predict",
            Self::Signal => "signal",
            Self::Attack => "attack",
            Self::Backdoor => "backdoor",
            Self::Control => "control",
            Self::Tabulate => "tabulate",
        }
    }

    /// Part of every key: raised when the code of a stage changes what it produces.
    pub(crate) fn version(self) -> u32 {
        match self {
            // Boundary F1 of each record; the null victim of a pool is measured on one target of each pair.
            Self::Predict | Self::Tabulate => 2,
            Self::Split
            | Self::Train
            | Self::Signal
            | Self::Attack
            | Self::Backdoor
            | Self::Control => 1,
        }
    }

    /// Whether an unfinished output holds checkpoints worth keeping.
    pub fn resumes(self) -> bool {
        matches!(self, Self::Train | Self::Attack)
    }
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
