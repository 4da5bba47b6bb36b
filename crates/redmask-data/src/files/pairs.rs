//! Image files with mask files: what every reader of such a layout hands out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use redmask_core::{
    ClassTable, Error, Fingerprint, FingerprintBuilder, GroupId, Result, Sample, SampleId,
    SegDataset,
};

use super::decode::{Limits, decode_image, decode_mask};
use super::labels::{InstanceCode, LabelCode};

/// The files and facts of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `split/stem`.
    pub id: SampleId,
    /// What it belongs to.
    pub group: GroupId,
    /// The picture.
    pub image: PathBuf,
    /// The labels.
    pub mask: PathBuf,
    /// Instance ids, where they are a file; the mask itself may hold them.
    pub instances: Option<PathBuf>,
    /// Metadata by name.
    pub attributes: BTreeMap<String, String>,
}

impl Record {
    /// A record that is its own group.
    pub fn new(id: SampleId, image: PathBuf, mask: PathBuf) -> Self {
        Self {
            group: GroupId(id.as_str().to_owned()),
            id,
            image,
            mask,
            instances: None,
            attributes: BTreeMap::new(),
        }
    }
}

/// How a layout stores what it stores.
#[derive(Debug, Clone)]
pub struct Coding {
    /// The classes.
    pub classes: ClassTable,
    /// Channels to decode images to: 1 or 3.
    pub channels: usize,
    /// How masks encode classes.
    pub labels: LabelCode,
    /// How instance files encode instances.
    pub instances: InstanceCode,
}

/// A data set of image and mask files.
#[derive(Debug, Clone)]
pub struct PairDataset {
    root: PathBuf,
    records: Vec<Record>,
    coding: Coding,
    limits: Limits,
    fingerprint: OnceLock<Fingerprint>,
}

impl PairDataset {
    /// Wraps what a reader found under `root`.
    ///
    /// # Errors
    /// If there is no record, or two have one id.
    pub fn new(
        root: PathBuf,
        records: Vec<Record>,
        coding: Coding,
        limits: Limits,
    ) -> Result<Self> {
        if records.is_empty() {
            return Err(Error::input(&root, "there is no image with a mask"));
        }
        let mut seen = BTreeSet::new();
        if let Some(twin) = records.iter().find(|r| !seen.insert(&r.id)) {
            return Err(Error::input(
                &twin.image,
                format!("the id `{}` belongs to another file too", twin.id),
            ));
        }
        Ok(Self {
            root,
            records,
            coding,
            limits,
            fingerprint: OnceLock::new(),
        })
    }

    /// The folder that holds every file.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files of all records, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How files encode pictures and classes.
    pub fn coding(&self) -> &Coding {
        &self.coding
    }

    /// The decode limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// The hash of a file's content in hexadecimal, empty if it cannot be read.
pub(crate) fn file_hash(path: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    std::fs::File::open(path)
        .and_then(|file| Ok(hasher.update_reader(file)?.finalize().to_hex().to_string()))
        .unwrap_or_default()
}

impl SegDataset for PairDataset {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn class_table(&self) -> &ClassTable {
        &self.coding.classes
    }

    fn channels(&self) -> usize {
        self.coding.channels
    }

    fn id(&self, index: usize) -> SampleId {
        self.records[index].id.clone()
    }

    fn group(&self, index: usize) -> GroupId {
        self.records[index].group.clone()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let record = &self.records[index];
        let image = decode_image(&record.image, self.coding.channels, &self.limits)?;
        let size = (image.height(), image.width());
        let same_size = |path: &Path, found: (usize, usize)| {
            if found == size {
                return Ok(());
            }
            Err(Error::input(
                path,
                format!(
                    "it is {}x{} pixels, its image {} is {}x{} (height x width)",
                    found.0,
                    found.1,
                    record.image.display(),
                    size.0,
                    size.1
                ),
            ))
        };
        let mask = decode_mask(&record.mask, &self.limits)?;
        same_size(&record.mask, (mask.height, mask.width))?;
        let labels = self.coding.labels.decode(&record.mask, &mask)?;
        let instances = match (&record.instances, &self.coding.labels) {
            (Some(path), _) => {
                let ids = decode_mask(path, &self.limits)?;
                same_size(path, (ids.height, ids.width))?;
                Some(self.coding.instances.decode(path, ids)?)
            }
            (None, LabelCode::Instances) => Some(self.coding.instances.decode(&record.mask, mask)?),
            (None, _) => None,
        };
        Ok(Sample {
            id: record.id.clone(),
            group: record.group.clone(),
            image,
            labels,
            instances,
            attributes: record.attributes.clone(),
        })
    }

    /// Hashes every file once; a file that cannot be read counts as empty here and is an error when it is decoded.
    fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.get_or_init(|| {
            let files: Vec<[String; 3]> = self
                .records
                .par_iter()
                .map(|r| {
                    let instances = r.instances.as_deref().map(file_hash).unwrap_or_default();
                    [file_hash(&r.image), file_hash(&r.mask), instances]
                })
                .collect();
            let mut builder = FingerprintBuilder::new();
            builder.part("coding", format!("{:?}", self.coding).as_bytes());
            for (record, hashes) in self.records.iter().zip(files) {
                builder.part("id", record.id.as_str().as_bytes());
                builder.part("group", record.group.0.as_bytes());
                builder.part("attributes", format!("{:?}", record.attributes).as_bytes());
                for hash in hashes {
                    builder.part("file", hash.as_bytes());
                }
            }
            builder.finish()
        })
    }
}
