//! What was done to a data set, so that it can be audited, undone and made again.

use std::collections::BTreeMap;
use std::path::Path;

use redmask_core::{ClassTable, Error, Fingerprint, IGNORE, LabelMap, Result, SampleId};
use redmask_data::Limits;
use serde::{Deserialize, Serialize};

use crate::attack::Attack;
use crate::bound::{BoundAttack, Planned};
use crate::draft::Skipped;
use crate::placement::{Metric, PixelBox};
use crate::survey::count_pixels;
use crate::target::CoOccurrence;

/// The manifest's file in a poisoned data set.
pub const MANIFEST: &str = "manifest.json";
/// The folder that holds the originals of altered files.
pub const UNDO_FOLDER: &str = ".redmask-undo";
/// The format that this build writes and reads.
pub const MANIFEST_VERSION: u32 = 1;

/// No manifest of ours comes near this.
const LIMIT: u64 = 256 << 20;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub manifest_version: u32,
    /// What wrote it.
    pub tool: String,
    /// The reader of the source, and the seed of procedural data.
    pub source: String,
    /// The preset, where one was named.
    pub preset: Option<String>,
    /// Its resolved parameters.
    pub parameters: Parameters,
    /// The root seed.
    pub seed: u64,
    /// The split that was poisoned.
    pub split: String,
    /// Records of the split.
    pub images: usize,
    /// Those that the attack could use.
    pub usable: usize,
    /// Poisoned over all records of the split, as asked for.
    pub requested_rate: f64,
    /// The same, as it came out.
    pub achieved_rate: f64,
    /// Hash of the trigger as drawn.
    pub trigger_hash: Fingerprint,
    /// Every poisoned record, in order of id.
    pub samples: Vec<ManifestSample>,
    /// Records that carry a trigger and keep their labels.
    #[serde(default)]
    pub decoys: Vec<SampleId>,
    /// Records that are not poisoned and got random labels.
    #[serde(default)]
    pub randomised: Vec<SampleId>,
    /// Records that were drawn and could not be poisoned.
    pub skipped: Vec<Skipped>,
    /// Which classes share images, where the target was chosen by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub co_occurrence: Option<CoOccurrence>,
    /// Every altered file.
    pub files: Vec<AlteredFile>,
}

/// The resolved parameters of an attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Victim classes.
    pub victim: Vec<String>,
    /// What they become.
    pub target: Option<String>,
    /// Side or thickness of the trigger, pixels.
    pub trigger_size: Option<usize>,
    /// `[L, U]`, pixels: the band of distances, where the placement has one.
    pub band: Option<[f64; 2]>,
    /// How `distance` is measured.
    pub metric: Metric,
    /// The whole attack.
    pub attack: Attack,
}

/// One poisoned record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSample {
    /// `split/stem`.
    pub id: SampleId,
    /// The split.
    pub split: String,
    /// Where the trigger is; null for a semantic one.
    #[serde(rename = "box")]
    pub place: Option<PixelBox>,
    /// Further boxes, of triggers on several instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_boxes: Vec<PixelBox>,
    /// From the box's centre to the nearest attacked pixel; null for triggers that span the picture.
    pub distance: Option<f64>,
    /// Pixels that the attack is about.
    pub victim_pixels: u64,
    /// Pixels whose label the relabelling changed.
    pub relabelled_pixels: u64,
    /// Further pixels whose label random labelling changed.
    pub randomised_pixels: u64,
    /// Hash of the trigger as drawn.
    pub trigger_hash: Fingerprint,
    /// Pixels of each class before; `ignore` for those without.
    pub classes_before: BTreeMap<String, u64>,
    /// And after.
    pub classes_after: BTreeMap<String, u64>,
}

/// One altered file; paths are relative to the data set, with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlteredFile {
    /// What is there now.
    pub written: String,
    /// What was there before.
    pub original: String,
    /// Hash of the original.
    pub original_hash: String,
}

impl Parameters {
    pub(crate) fn of(attack: &BoundAttack) -> Self {
        let names = attack.attack();
        Self {
            victim: names.relabelling.victims().to_vec(),
            target: names.relabelling.target().map(str::to_owned),
            trigger_size: names.trigger.size(),
            band: names.placement.band(),
            metric: attack.metric(),
            attack: names.clone(),
        }
    }
}

impl ManifestSample {
    pub(crate) fn of(
        id: SampleId,
        attack: &BoundAttack,
        table: &ClassTable,
        before: &LabelMap,
        planned: &Planned,
    ) -> Self {
        Self {
            split: id.split().to_owned(),
            id,
            place: planned.boxes.first().copied(),
            further_boxes: planned.boxes.iter().skip(1).copied().collect(),
            distance: planned.distance,
            victim_pixels: planned.victim_pixels,
            relabelled_pixels: planned.relabelled_pixels,
            randomised_pixels: planned.randomised_pixels,
            trigger_hash: attack.trigger_hash(),
            classes_before: by_name(table, before),
            classes_after: by_name(table, &planned.labels),
        }
    }
}

fn by_name(table: &ClassTable, labels: &LabelMap) -> BTreeMap<String, u64> {
    let name = |id: usize| match table.get(id as u8) {
        Some(class) => class.name.clone(),
        None if id == usize::from(IGNORE) => "ignore".to_owned(),
        None => id.to_string(),
    };
    count_pixels(labels)
        .into_iter()
        .enumerate()
        .filter(|(_, n)| *n > 0)
        .map(|(id, n)| (name(id), n))
        .collect()
}

impl Manifest {
    /// Reads the manifest of a poisoned data set.
    ///
    /// # Errors
    /// If there is none, or it is not what [`crate::write()`] writes.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        if !path.is_file() {
            return Err(
                Error::input(folder, format!("there is no {MANIFEST}")).with_hint(
                    "this is no data set that `redmask poison` wrote, or it was undone already",
                ),
            );
        }
        let limits = Limits {
            max_bytes: LIMIT,
            ..Limits::default()
        };
        let manifest: Self = serde_json::from_str(&limits.read_text(&path)?)
            .map_err(|e| Error::input(&path, format!("not a poisoning manifest: {e}")))?;
        if manifest.manifest_version != MANIFEST_VERSION {
            return Err(Error::input(
                &path,
                format!(
                    "manifest_version {} is not {MANIFEST_VERSION}, the format of this build",
                    manifest.manifest_version
                ),
            ));
        }
        Ok(manifest)
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(MANIFEST);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::Internal(format!("a manifest as JSON: {e}")))?;
        text.push('\n');
        std::fs::write(&path, text).map_err(|e| Error::io(&path, "writing", e))
    }
}
