//! The liver task of the Medical Segmentation Decathlon (Antonelli et al., Nature Communications 2022):
//! `imagesTr/liver_<n>.nii.gz` and `labelsTr/liver_<n>.nii.gz`, 131 CT volumes, read as axial slices.
//!
//! A slice is `train/liver_<n>-z<index>`, its group the patient `liver_<n>`. Hounsfield units are windowed to 8 bits,
//! by default the abdominal window of 400 units about 50. Labels are background, liver and tumour; by default the tumour
//! counts as liver, as the LIVER experiments of Chobola et al. have it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use redmask_core::{
    ClassKind, ClassTable, Error, Fingerprint, FingerprintBuilder, GroupId, Image, LabelMap,
    Result, Sample, SampleId, SegDataset,
};

use crate::files::file_hash;
use crate::volume::{Shape, Volume};
use crate::{DataSpec, OpenOptions};

/// The options of `msd-liver:DIR`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    (
        "slices",
        "`labelled` (default: those that show liver) or `all`",
    ),
    ("step", "take every n-th of them (default 1)"),
    (
        "window",
        "LOW:HIGH Hounsfield units that become black and white (default -150:250)",
    ),
    (
        "tumour",
        "`merge` into liver (default) or a `class` of its own",
    ),
];

/// Decoded volumes that are kept, pairs of picture and labels. Readers go through a patient's slices in order, each
/// thread in its own patient.
const KEPT: usize = 4;

/// One patient.
#[derive(Debug)]
struct Patient {
    name: String,
    image: PathBuf,
    labels: PathBuf,
    shape: Shape,
}

/// Slices of liver volumes.
#[derive(Debug)]
pub struct MsdLiver {
    patients: Vec<Patient>,
    /// (patient, slice) of each record.
    records: Vec<(usize, usize)>,
    window: (f32, f32),
    classes: ClassTable,
    kept: Mutex<VecDeque<(usize, Arc<Pair>)>>,
    settings: String,
}

#[derive(Debug)]
struct Pair {
    image: Volume,
    labels: Volume,
}

/// Opens the training volumes; with `slices=labelled` every label volume is decoded once to find its slices.
///
/// # Errors
/// If a folder is missing or empty, a volume has no labels or labels of another shape, or an option is wrong.
pub fn open(spec: &DataSpec, _: &OpenOptions) -> Result<MsdLiver> {
    let root = spec.path()?;
    let option =
        |key: &str, default: &'static str| spec.options.get(key).map_or(default, String::as_str);
    let window = parse_window(option("window", "-150:250"))?;
    let step: usize = option("step", "1")
        .parse()
        .ok()
        .filter(|&step| step > 0)
        .ok_or_else(|| Error::config("step", "it is no whole number above 0"))?;
    let labelled = match option("slices", "labelled") {
        "labelled" => true,
        "all" => false,
        other => {
            return Err(Error::config(
                "slices",
                format!("`{other}` is neither labelled nor all"),
            ));
        }
    };
    let merged = match option("tumour", "merge") {
        "merge" => true,
        "class" => false,
        other => {
            return Err(Error::config(
                "tumour",
                format!("`{other}` is neither merge nor class"),
            ));
        }
    };
    let mut rows = vec![
        ("background", [0, 0, 0], ClassKind::Stuff),
        ("liver", [213, 94, 0], ClassKind::Thing),
    ];
    if !merged {
        rows.push(("tumour", [0, 158, 115], ClassKind::Thing));
    }
    let mut dataset = MsdLiver {
        patients: patients(root)?,
        records: Vec::new(),
        window,
        classes: ClassTable::from_rows(&rows),
        kept: Mutex::default(),
        settings: format!("{window:?} merged {merged}"),
    };
    let slices: Vec<Vec<usize>> = dataset
        .patients
        .par_iter()
        .map(|patient| {
            let all = 0..patient.shape.slices();
            if !labelled {
                return Ok(all.collect());
            }
            let labels = dataset.read_labels(patient)?;
            Ok(all.filter(|&z| labels.is_marked(z)).collect())
        })
        .collect::<Result<_>>()?;
    dataset.records = slices
        .into_iter()
        .enumerate()
        .flat_map(|(patient, slices)| slices.into_iter().step_by(step).map(move |z| (patient, z)))
        .collect();
    if dataset.records.is_empty() {
        return Err(Error::input(root, "no slice shows liver"));
    }
    Ok(dataset)
}

fn parse_window(text: &str) -> Result<(f32, f32)> {
    text.split_once(':')
        .and_then(|(low, high)| Some((low.parse::<f32>().ok()?, high.parse::<f32>().ok()?)))
        .filter(|(low, high)| low.is_finite() && high.is_finite() && low < high)
        .ok_or_else(|| Error::config("window", format!("`{text}` is not LOW:HIGH")))
}

fn patients(root: &Path) -> Result<Vec<Patient>> {
    let images = root.join("imagesTr");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&images).map_err(|e| Error::io(&images, "listing", e))? {
        let path = entry.map_err(|e| Error::io(&images, "listing", e))?.path();
        let Some(file) = path.file_name().and_then(|f| f.to_str()) else {
            continue;
        };
        // The published archive holds macOS's `._` twins of every file.
        let name = file
            .strip_suffix(".nii.gz")
            .or_else(|| file.strip_suffix(".nii"));
        if let Some(name) = name.filter(|name| !name.starts_with('.')) {
            found.insert(name.to_owned(), path.clone());
        }
    }
    if found.is_empty() {
        return Err(Error::input(
            &images,
            "the folder holds no .nii or .nii.gz volume",
        ));
    }
    found
        .into_iter()
        .map(|(name, image)| {
            let folder = root.join("labelsTr");
            let labels = ["nii.gz", "nii"]
                .map(|extension| folder.join(format!("{name}.{extension}")))
                .into_iter()
                .find(|path| path.is_file())
                .ok_or_else(|| {
                    Error::input(
                        &image,
                        format!(
                            "its labels `{name}.nii.gz` are missing in {}",
                            folder.display()
                        ),
                    )
                })?;
            let shape = Shape::read(&image)?;
            let found = Shape::read(&labels)?;
            if found != shape {
                return Err(Error::input(
                    &labels,
                    format!(
                        "shape or orientation differs from its volume {}: {found:?}, {shape:?}",
                        image.display()
                    ),
                ));
            }
            Ok(Patient {
                name,
                image,
                labels,
                shape,
            })
        })
        .collect()
}

impl MsdLiver {
    fn read_labels(&self, patient: &Patient) -> Result<Volume> {
        let highest = self.classes.len() as u8 - 1;
        Volume::read(&patient.labels, patient.shape, |value| {
            if value == 0.0 || value == 1.0 || value == 2.0 {
                Ok((value as u8).min(highest))
            } else {
                Err(format!("the value {value} is no class id (0, 1, 2)"))
            }
        })
    }

    fn pair(&self, index: usize) -> Result<Arc<Pair>> {
        let held = |kept: &mut VecDeque<(usize, Arc<Pair>)>| {
            kept.iter()
                .find(|(patient, _)| *patient == index)
                .map(|(_, pair)| Arc::clone(pair))
        };
        // A panic elsewhere leaves the list whole: it is only ever replaced entry by entry.
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = held(&mut lock()) {
            return Ok(pair);
        }
        let patient = &self.patients[index];
        let (low, high) = self.window;
        let image = Volume::read(&patient.image, patient.shape, |value| {
            if value.is_nan() {
                return Err("a value is NaN".to_owned());
            }
            Ok(((value - low) / (high - low) * 255.0)
                .round()
                .clamp(0.0, 255.0) as u8)
        })?;
        let labels = self.read_labels(patient)?;
        let pair = Arc::new(Pair { image, labels });
        let mut kept = lock();
        if let Some(twin) = held(&mut kept) {
            return Ok(twin);
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((index, Arc::clone(&pair)));
        Ok(pair)
    }
}

impl SegDataset for MsdLiver {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn class_table(&self) -> &ClassTable {
        &self.classes
    }

    fn channels(&self) -> usize {
        1
    }

    fn id(&self, index: usize) -> SampleId {
        let (patient, z) = self.records[index];
        SampleId::new("train", &format!("{}-z{z:04}", self.patients[patient].name))
    }

    fn group(&self, index: usize) -> GroupId {
        GroupId(self.patients[self.records[index].0].name.clone())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let (patient, z) = self.records[index];
        let pair = self.pair(patient)?;
        let (rows, columns, grey) = pair.image.slice(z);
        let (_, _, labels) = pair.labels.slice(z);
        Ok(Sample {
            id: self.id(index),
            group: self.group(index),
            image: Image::new(1, rows, columns, grey),
            labels: LabelMap::new(rows, columns, labels),
            instances: None,
            attributes: BTreeMap::from([(
                "patient".to_owned(),
                self.patients[patient].name.clone(),
            )]),
        })
    }

    /// Hashes the compressed volumes.
    fn fingerprint(&self) -> Fingerprint {
        let files: Vec<[String; 2]> = self
            .patients
            .par_iter()
            .map(|p| [file_hash(&p.image), file_hash(&p.labels)])
            .collect();
        let mut builder = FingerprintBuilder::new();
        builder.part("msd-liver", self.settings.as_bytes());
        for (patient, hashes) in self.patients.iter().zip(files) {
            builder.part("patient", patient.name.as_bytes());
            for hash in hashes {
                builder.part("file", hash.as_bytes());
            }
        }
        for (patient, z) in &self.records {
            builder.part("slice", &(*patient as u64).to_le_bytes());
            builder.part("z", &(*z as u64).to_le_bytes());
        }
        builder.finish()
    }
}
