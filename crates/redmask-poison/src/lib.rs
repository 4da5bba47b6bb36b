//! Backdoor poisoning of segmentation data, as one grammar of four choices: which [`Trigger`], put where
//! ([`Placement`]), which pixels get which label ([`Relabelling`], with [`RandomLabels`] as a modifier), in which records
//! ([`Selection`]).
//!
//! An [`Attack`] is one sentence of the grammar; [`PoisonConfig`] names a published one and what differs from it.
//! [`BoundAttack`] is an attack on the classes of a data set. It poisons records in memory ([`PoisonedDataset`]) or writes
//! a data set that any framework can train on ([`write()`]), with a [`Manifest`] that says what was done and everything
//! that is needed to undo it ([`undo`]).
//!
//! ```
//! use redmask_core::{SegDataset, Seed, Session};
//! use redmask_data::{OpenOptions, open};
//! use redmask_poison::{PoisonConfig, PoisonedDataset};
//! let scenes = open(&"street:7?count=12&size=64".parse()?, &OpenOptions::default())?;
//! let config = PoisonConfig {
//!     victim: Some("car".into()),
//!     target: Some("road".into()),
//!     trigger_size: Some(5),
//!     rate: Some(0.25),
//!     ..PoisonConfig::preset("iba-nni")
//! };
//! let attack = config.attack(scenes.class_table())?.bind(scenes.class_table(), &Seed::root(7))?;
//! let poisoned = PoisonedDataset::draw(scenes, attack, &Session::default())?;
//! assert_eq!(poisoned.draft().poisoned.len(), 3);
//! # Ok::<(), redmask_core::Error>(())
//! ```

mod attack;
mod bound;
mod classes;
mod config;
mod dataset;
mod draft;
mod epoch;
mod manifest;
mod placement;
mod preset;
mod region;
mod relabel;
mod selection;
mod sheet;
mod survey;
mod target;
mod trigger;
mod trigger_file;
mod write;

pub use attack::Attack;
pub use bound::{BoundAttack, Planned, Refusal, Triggered};
pub use classes::ClassSet;
pub use config::{PlacementKind, PoisonConfig};
pub use dataset::PoisonedDataset;
pub use draft::{Draft, Skipped};
pub use epoch::EpochPoison;
pub use manifest::{MANIFEST, MANIFEST_VERSION, Manifest, ManifestSample, UNDO_FOLDER};
pub use placement::{Corner, Metric, PixelBox, Placement, legal_centres};
pub use preset::{Preset, presets};
pub use relabel::{Fill, LabelSource, RandomLabels, RandomScope, Relabelling};
pub use selection::{DecoyKind, Decoys, Selection};
pub use sheet::{SheetRow, contact_sheet};
pub use survey::{Survey, survey};
pub use target::{ClassCentres, CoOccurrence, TargetChoice};
pub use trigger::{Art, Edge, Rgba, Trigger};
pub use trigger_file::TriggerFile;
pub use write::{WriteRequest, WriteSummary, undo, write};
