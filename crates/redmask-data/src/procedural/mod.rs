//! Procedural data sets: scenes drawn from a seed, so that Redmask runs without any data.
//!
//! A scene is a pure function of (seed, index) and its raster of (seed, index, size): the same scene at two sizes
//! shows the same things. Two seeds give independent draws of one distribution.

mod canvas;
mod colour;
mod noise;
pub mod polyp;
pub mod street;

use std::collections::BTreeMap;
use std::sync::Arc;

use redmask_core::{
    ClassTable, Error, Fingerprint, FingerprintBuilder, GroupId, Image, InstanceMap, LabelMap,
    Result, Sample, SampleId, Seed, SegDataset,
};

use crate::{DataSpec, Location, OpenOptions};

/// A kind of scene.
pub trait Scenery: Send + Sync + std::fmt::Debug {
    /// The name in [`crate::DataSpec`].
    fn name(&self) -> &'static str;

    /// Its classes.
    fn class_table(&self) -> &ClassTable;

    /// Raised whenever any pixel of any of its scenes changes, so that cached results of older scenes are not reused.
    fn version(&self) -> u32;

    /// Everything besides the seed and the size that decides the pixels, for the fingerprint.
    fn settings(&self) -> String;

    /// Draws the scene of `seed` at `height` x `width` pixels.
    fn draw(&self, seed: &Seed, height: usize, width: usize) -> Drawing;
}

/// A drawn scene.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// The picture, `[3, h, w]`.
    pub image: Image,
    /// The truth, `[h, w]`.
    pub labels: LabelMap,
    /// Instance ids where the scenery has them, `[h, w]`.
    pub instances: Option<InstanceMap>,
    /// Attributes of the scene.
    pub attributes: BTreeMap<String, String>,
}

/// A named run of consecutive scenes (`train`, 300).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The split part of its sample ids.
    pub name: String,
    /// Number of scenes.
    pub count: usize,
}

/// How many scenes of which seed, and their size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The number in `street:SEED`.
    pub seed: u64,
    /// Named runs of scenes, in index order.
    pub parts: Vec<Part>,
    /// (height, width), pixels.
    pub size: (usize, usize),
}

pub(crate) const COUNT: (&str, &str) = ("count", "scenes in the part `train` (default 1000)");
pub(crate) const VAL: (&str, &str) = ("val", "further scenes in a part `val` (default 0)");
pub(crate) const TEST: (&str, &str) = ("test", "further scenes in a part `test` (default 0)");
pub(crate) const SIZE: (&str, &str) = (
    "size",
    "SIDE or HEIGHTxWIDTH, pixels (default 128), where the command gives none",
);

impl Layout {
    pub(crate) fn from_spec(spec: &DataSpec, options: &OpenOptions) -> Result<Self> {
        let Location::Seed(seed) = spec.location else {
            return Err(Error::config(
                format!("data set `{spec}`"),
                "a procedural data set takes a seed, not a path",
            ));
        };
        let bad = |key: &str, value: &str, wanted: &str| {
            Error::config(
                format!("data set `{spec}`"),
                format!("`{key}={value}` is not {wanted}"),
            )
        };
        let count = |key: &str, default: usize| match spec.options.get(key) {
            Some(text) => text.parse().map_err(|_| bad(key, text, "a whole number")),
            None => Ok(default),
        };
        let parts = [
            ("train", count("count", 1000)?),
            ("val", count("val", 0)?),
            ("test", count("test", 0)?),
        ];
        let drawn = match spec.options.get("size") {
            None => (128, 128),
            Some(text) => {
                let (h, w) = text.split_once('x').unwrap_or((text, text));
                match (h.parse(), w.parse()) {
                    (Ok(h), Ok(w)) => (h, w),
                    _ => return Err(bad("size", text, "SIDE or HEIGHTxWIDTH")),
                }
            }
        };
        Ok(Self {
            seed,
            parts: parts
                .into_iter()
                .map(|(name, count)| Part {
                    name: name.to_owned(),
                    count,
                })
                .collect(),
            size: options.size.unwrap_or(drawn),
        })
    }
}

/// Scenes of one seed as a data set. Each record is its own group.
#[derive(Debug, Clone)]
pub struct ProceduralDataset {
    scenery: Arc<dyn Scenery>,
    seed: u64,
    parts: Vec<Part>,
    size: (usize, usize),
}

/// The largest side, pixels: the float canvas takes 16 bytes a pixel.
const MAX_SIDE: usize = 4096;

impl ProceduralDataset {
    /// Scenes as `layout` says. Ids are `part/scenery-seed-index`; the index runs on over the parts, so no scene is in
    /// two of them.
    ///
    /// # Errors
    /// If there is no scene, or a side is below 16 or above 4096 pixels.
    pub fn new(scenery: Arc<dyn Scenery>, layout: Layout) -> Result<Self> {
        let Layout { seed, parts, size } = layout;
        if parts.iter().all(|part| part.count == 0) {
            return Err(Error::config(
                "count",
                "a data set needs at least one scene",
            ));
        }
        if [size.0, size.1]
            .iter()
            .any(|side| !(16..=MAX_SIDE).contains(side))
        {
            return Err(Error::config(
                "size",
                format!(
                    "{}x{} is outside 16 to {MAX_SIDE} pixels a side",
                    size.0, size.1
                ),
            ));
        }
        Ok(Self {
            scenery,
            seed,
            parts,
            size,
        })
    }

    fn part_of(&self, index: usize) -> &str {
        let mut end = 0;
        for part in &self.parts {
            end += part.count;
            if index < end {
                return &part.name;
            }
        }
        panic!("record {index} of a set of {end}");
    }
}

impl SegDataset for ProceduralDataset {
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.count).sum()
    }

    fn class_table(&self) -> &ClassTable {
        self.scenery.class_table()
    }

    fn channels(&self) -> usize {
        3
    }

    fn id(&self, index: usize) -> SampleId {
        let stem = format!("{}-{}-{index:06}", self.scenery.name(), self.seed);
        SampleId::new(self.part_of(index), &stem)
    }

    fn group(&self, index: usize) -> GroupId {
        GroupId(self.id(index).as_str().to_owned())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let seed = Seed::root(self.seed)
            .child(self.scenery.name())
            .index(index as u64);
        let drawing = self.scenery.draw(&seed, self.size.0, self.size.1);
        Ok(Sample {
            id: self.id(index),
            group: self.group(index),
            image: drawing.image,
            labels: drawing.labels,
            instances: drawing.instances,
            attributes: drawing.attributes,
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder
            .part("procedural", self.scenery.name().as_bytes())
            .part("version", &self.scenery.version().to_le_bytes())
            .part("settings", self.scenery.settings().as_bytes())
            .part("seed", &self.seed.to_le_bytes())
            .part("height", &(self.size.0 as u64).to_le_bytes())
            .part("width", &(self.size.1 as u64).to_le_bytes());
        for part in &self.parts {
            builder
                .part("part", part.name.as_bytes())
                .part("count", &(part.count as u64).to_le_bytes());
        }
        builder.finish()
    }
}
