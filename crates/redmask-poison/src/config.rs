//! An attack by the name of its preset, and what differs from it: the form of recipes and of the command line.

use std::path::PathBuf;

use redmask_core::{ClassTable, Error, Result};
use serde::{Deserialize, Serialize};

use crate::attack::Attack;
use crate::placement::{Metric, Placement};
use crate::preset;
use crate::relabel::Relabelling;
use crate::selection::Selection;
use crate::trigger::{Art, Trigger};
use crate::trigger_file::TriggerFile;

/// A preset with changes, or a whole [`Attack`]. Keys that mean nothing to the preset are refused, not ignored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoisonConfig {
    /// One of [`crate::presets`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The four choices in full, instead of a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attack: Option<Attack>,
    /// Victim class; several by comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub victim: Option<String>,
    /// What victim pixels become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// For an image-level attack: the record whose annotation replaces all others, instead of a target class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_record: Option<String>,
    /// Poisoned records over all records of the split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Or a number of records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Draw anew in each epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each_epoch: Option<bool>,
    /// Side or thickness, odd pixels of the picture as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_size: Option<usize>,
    /// Grey level of a line, frame or square.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_value: Option<u8>,
    /// Opacity, or the share of the trigger's spectrum or coefficients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opacity: Option<f64>,
    /// Which picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub art: Option<Art>,
    /// The class that is the trigger of a semantic attack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_class: Option<String>,
    /// The class that must be in the scene of a conditional attack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Where the trigger is put, instead of the preset's placement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementKind>,
    /// Least and largest distance, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<[f64; 2]>,
    /// How distances are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Pixels between a trigger's centre (at a fixed place: its box) and the border.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<usize>,
    /// Share of the labelled pixels that random labelling changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_share: Option<f64>,
    /// The published behaviour where it differs from the right one.
    pub paper_compat: bool,
    /// A trigger and its placement from a file, as an optimiser wrote it. In a recipe `{seed}` stands for the root seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_file: Option<PathBuf>,
    /// What such a file holds: a plan reads it once, so that what was trained under another trigger is not taken for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<TriggerFile>,
}

/// A placement without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlacementKind {
    /// See [`Placement::Uniform`].
    Uniform,
    /// See [`Placement::Nearest`].
    Nearest,
    /// See [`Placement::BandUniform`].
    BandUniform,
    /// See [`Placement::Ring`].
    Ring,
    /// See [`Placement::OnVictim`].
    OnVictim,
    /// See [`Placement::PerInstance`].
    PerInstance,
}

/// The paper's band for Cityscapes, `[0, 60]` pixels.
pub(crate) const BAND: [f64; 2] = [0.0, 60.0];

impl PlacementKind {
    fn placement(self) -> Placement {
        let (band, margin) = (BAND, 0);
        match self {
            Self::Uniform => Placement::Uniform { margin },
            Self::Nearest => Placement::Nearest {
                band,
                metric: Metric::Euclidean,
                margin,
            },
            Self::BandUniform => Placement::BandUniform {
                band,
                metric: Metric::Chebyshev,
                margin,
            },
            Self::Ring => Placement::Ring {
                band,
                metric: Metric::Euclidean,
                margin,
            },
            Self::OnVictim => Placement::OnVictim,
            Self::PerInstance => Placement::PerInstance,
        }
    }
}

impl PoisonConfig {
    /// A preset as it is.
    pub fn preset(name: &str) -> Self {
        Self {
            preset: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// The victim classes by name.
    pub fn victims(&self) -> Vec<String> {
        self.victim
            .iter()
            .flat_map(|list| list.split(','))
            .map(|name| name.trim().to_owned())
            .collect()
    }

    /// The same with its trigger file read, `{seed}` in the path replaced by this root seed.
    ///
    /// # Errors
    /// If the file cannot be read, or is none.
    pub fn resolved(mut self, seed: u64) -> Result<Self> {
        if let Some(path) = self.trigger_file.take() {
            let path = path.to_string_lossy().replace("{seed}", &seed.to_string());
            self.found = Some(TriggerFile::read(path.as_ref())?);
        }
        Ok(self)
    }

    /// The attack that this means for data with these classes.
    ///
    /// # Errors
    /// If there is no such preset, it lacks something it needs, or a key means nothing to it.
    pub fn attack(&self, table: &ClassTable) -> Result<Attack> {
        let mut attack = match (&self.preset, &self.attack) {
            (Some(name), None) => preset::find(name)?.build(self, table)?,
            (None, Some(attack)) => attack.clone(),
            (Some(_), Some(_)) => {
                return Err(Error::config("attack", "a preset is named as well"));
            }
            (None, None) => {
                return Err(Error::config("preset", "no attack is named")
                    .with_hint(format!("presets: {}", preset::names().join(", "))));
            }
        };
        let read = self.trigger_file.as_deref().map(TriggerFile::read);
        if let Some(file) = read.transpose()?.or_else(|| self.found.clone()) {
            attack.trigger = file.trigger;
            attack.placement = file.placement;
        }
        self.change_trigger(&mut attack.trigger)?;
        self.change_placement(&mut attack.placement)?;
        self.change_selection(&mut attack.selection);
        self.check_left_over(&attack)?;
        if let (Some(share), Some(random)) = (self.random_share, &mut attack.random_labels) {
            random.share = share;
            random.count = None;
        }
        attack.validate()?;
        Ok(attack)
    }

    fn change_trigger(&self, trigger: &mut Trigger) -> Result<()> {
        if let Some(wanted) = self.trigger_size {
            match trigger {
                Trigger::Line { size, .. }
                | Trigger::Square { size, .. }
                | Trigger::Frame { size, .. }
                | Trigger::Patch { size, .. } => *size = wanted,
                _ => return Err(meaningless("trigger_size")),
            }
        }
        if let Some(grey) = self.trigger_value {
            match trigger {
                Trigger::Line { value, .. }
                | Trigger::Square { value, .. }
                | Trigger::Frame { value, .. } => *value = [grey; 3],
                _ => return Err(meaningless("trigger_value")),
            }
        }
        if let Some(wanted) = self.opacity {
            match trigger {
                Trigger::Square { opacity, .. }
                | Trigger::Patch { opacity, .. }
                | Trigger::Blended { opacity, .. } => *opacity = wanted,
                Trigger::Frequency { alpha, .. } | Trigger::Wavelet { alpha, .. } => {
                    *alpha = wanted;
                }
                _ => return Err(meaningless("opacity")),
            }
        }
        if let Some(wanted) = self.art {
            match trigger {
                Trigger::Patch { art, .. }
                | Trigger::Blended { art, .. }
                | Trigger::Frequency { art, .. }
                | Trigger::Wavelet { art, .. } => *art = wanted,
                _ => return Err(meaningless("art")),
            }
        }
        Ok(())
    }

    fn change_placement(&self, placement: &mut Placement) -> Result<()> {
        if let Some(kind) = self.placement {
            *placement = kind.placement();
        }
        if let Some(wanted) = self.band {
            match placement {
                Placement::Nearest { band, .. }
                | Placement::BandUniform { band, .. }
                | Placement::Ring { band, .. } => *band = wanted,
                _ => return Err(meaningless("band")),
            }
        }
        if let Some(wanted) = self.metric {
            match placement {
                Placement::Nearest { metric, .. }
                | Placement::BandUniform { metric, .. }
                | Placement::Ring { metric, .. } => *metric = wanted,
                _ => return Err(meaningless("metric")),
            }
        }
        if let Some(wanted) = self.margin {
            match placement {
                Placement::Fixed { margin, .. }
                | Placement::Uniform { margin }
                | Placement::Nearest { margin, .. }
                | Placement::BandUniform { margin, .. }
                | Placement::Ring { margin, .. } => *margin = wanted,
                _ => return Err(meaningless("margin")),
            }
        }
        Ok(())
    }

    fn change_selection(&self, selection: &mut Selection) {
        if self.rate.is_some() || self.count.is_some() {
            (selection.rate, selection.count) = (self.rate, self.count);
        }
        if let Some(each_epoch) = self.each_epoch {
            selection.each_epoch = each_epoch;
        }
    }

    /// Keys that the attack has no use for.
    fn check_left_over(&self, attack: &Attack) -> Result<()> {
        let relabelling = &attack.relabelling;
        let whole = matches!(relabelling, Relabelling::FixedMap { .. });
        let used = [
            (
                "trigger_class",
                self.trigger_class.is_none() || attack.trigger.semantic_class().is_some(),
            ),
            (
                "condition",
                self.condition.is_none() || relabelling.condition().is_some(),
            ),
            (
                "random_share",
                self.random_share.is_none() || attack.random_labels.is_some(),
            ),
            (
                "victim",
                self.victim.is_none() || !relabelling.victims().is_empty(),
            ),
            (
                "target",
                self.target.is_none() || relabelling.target().is_some(),
            ),
            ("target_record", self.target_record.is_none() || whole),
        ];
        match used.iter().find(|(_, used)| !used) {
            Some((key, _)) => Err(meaningless(key)),
            None => Ok(()),
        }
    }
}

fn meaningless(key: &str) -> Error {
    Error::config(key, "this attack has no use for it")
        .with_hint("leave it out, or choose another preset")
}
