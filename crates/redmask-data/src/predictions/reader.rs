//! Reading saved predictions by sample id.

use std::io::Read;
use std::path::{Path, PathBuf};

use ndarray::ArrayViewD;
use ndarray_npy::ViewNpyExt;
use redmask_core::{
    Capability, ClassId, ClassTable, Error, Fingerprint, FingerprintBuilder, LabelMap, Prediction,
    Predictor, Result, Sample, SampleId, ScoreKind, Scores,
};

use super::{DESCRIPTION, PredictionDescription, PredictionKind, relative};
use crate::files::{LabelCode, Limits, decode_mask};

/// How far the class probabilities of a pixel may be from summing to one.
const SUM_TOLERANCE: f32 = 1e-3;

/// A folder of saved predictions as a model.
#[derive(Debug, Clone)]
pub struct PredictionFolder {
    root: PathBuf,
    description: PredictionDescription,
    /// Class of each plane or file id, in the data set's numbering.
    classes: Vec<ClassId>,
    limits: Limits,
}

impl PredictionFolder {
    /// Opens a folder of predictions for a data set with the classes of `table`. Files are read when they are asked
    /// for.
    ///
    /// # Errors
    /// If the description is missing or wrong, or its classes are not those of the data set.
    pub fn open(root: &Path, table: &ClassTable, limits: Limits) -> Result<Self> {
        let path = root.join(DESCRIPTION);
        let description: PredictionDescription = toml::from_str(&limits.read_text(&path)?)
            .map_err(|e| Error::input(&path, e.to_string()))?;
        let classes = match &description.classes {
            None => (0..table.len() as u8).collect(),
            Some(names) => {
                let ids: Vec<ClassId> = names
                    .iter()
                    .map(|name| {
                        table.id_of(name).ok_or_else(|| {
                            let known: Vec<_> =
                                table.classes().iter().map(|c| c.name.as_str()).collect();
                            Error::input(&path, format!("`{name}` is no class of the data set"))
                                .with_hint(format!("its classes are {}", known.join(", ")))
                        })
                    })
                    .collect::<Result<_>>()?;
                let mut seen = ids.clone();
                seen.sort_unstable();
                seen.dedup();
                if seen.len() != table.len() || ids.len() != table.len() {
                    return Err(Error::input(
                        &path,
                        format!(
                            "{} classes are listed, the data set has {}, each once",
                            ids.len(),
                            table.len()
                        ),
                    ));
                }
                ids
            }
        };
        Ok(Self {
            root: root.to_owned(),
            description,
            classes,
            limits,
        })
    }

    /// What `predictions.toml` says.
    pub fn description(&self) -> &PredictionDescription {
        &self.description
    }

    /// A hash of the stored predictions of these records, in order.
    ///
    /// # Errors
    /// If one is missing, too large, or cannot be read.
    pub fn fingerprint(&self, ids: &[SampleId]) -> Result<Fingerprint> {
        let mut builder = FingerprintBuilder::new();
        builder.part("description", format!("{:?}", self.description).as_bytes());
        let extension = match self.description.scores {
            PredictionKind::Labels => "png",
            PredictionKind::Logits | PredictionKind::Probabilities => "npy",
        };
        for id in ids {
            let bytes = self.limits.read(&self.file(id, extension)?)?;
            builder.part(id.as_str(), Fingerprint::of(&bytes).to_hex().as_bytes());
        }
        Ok(builder.finish())
    }

    fn file(&self, id: &SampleId, extension: &str) -> Result<PathBuf> {
        let path = self.root.join(format!("{}.{extension}", relative(id)?));
        if path.is_file() {
            Ok(path)
        } else {
            Err(
                Error::input(&path, format!("the prediction for `{id}` is missing"))
                    .with_hint("predictions are stored as <split>/<stem> under the folder"),
            )
        }
    }

    /// Appends the planes `[k, h, w]` of one record to `out`, in the data set's class order.
    fn read_scores(&self, sample: &Sample, kind: ScoreKind, out: &mut Vec<f32>) -> Result<()> {
        let path = self.file(&sample.id, "npy")?;
        let bytes = Aligned::read(&path, &self.limits)?;
        let array = ArrayViewD::<f32>::view_npy(bytes.as_slice()).map_err(|e| {
            Error::input(&path, format!("cannot be decoded: {e}"))
                .with_hint("an .npy file of f32, [k, h, w]")
        })?;
        let (h, w) = (sample.labels.height(), sample.labels.width());
        let k = self.classes.len();
        let single = k == 2 && array.shape() == [1, h, w];
        if array.shape() != [k, h, w] && !single {
            return Err(Error::input(
                &path,
                format!(
                    "its shape is {:?}, [{k}, {h}, {w}] was expected",
                    array.shape()
                ),
            ));
        }
        if let Some(bad) = array.iter().find(|v| !v.is_finite()) {
            return Err(Error::input(&path, format!("a class score is {bad}")));
        }
        let plane = h * w;
        let start = out.len();
        out.resize(start + k * plane, 0.0);
        let target = &mut out[start..];
        for (p, scores) in array.outer_iter().enumerate() {
            let class = if single {
                1
            } else {
                usize::from(self.classes[p])
            };
            for (to, &score) in target[class * plane..(class + 1) * plane]
                .iter_mut()
                .zip(scores.iter())
            {
                *to = score;
            }
        }
        if kind == ScoreKind::Probabilities {
            if single {
                let (background, object) = target.split_at_mut(plane);
                background
                    .iter_mut()
                    .zip(object)
                    .for_each(|(b, o)| *b = 1.0 - *o);
            }
            check_probabilities(&path, target, plane)?;
        }
        Ok(())
    }

    fn read_labels(&self, sample: &Sample) -> Result<LabelMap> {
        let path = self.file(&sample.id, "png")?;
        let mask = decode_mask(&path, &self.limits)?;
        let (h, w) = (sample.labels.height(), sample.labels.width());
        if (mask.height, mask.width) != (h, w) {
            return Err(Error::input(
                &path,
                format!(
                    "it is {}x{} pixels, the labels are {h}x{w}",
                    mask.height, mask.width
                ),
            ));
        }
        let ids = (0u16..).zip(self.classes.iter().copied()).collect();
        LabelCode::Ids(ids).decode(&path, &mask)
    }
}

fn check_probabilities(path: &Path, scores: &[f32], plane: usize) -> Result<()> {
    for p in 0..plane {
        let pixel = scores[p..].iter().step_by(plane);
        let sum: f32 = pixel.clone().sum();
        if pixel
            .into_iter()
            .any(|v| !(-SUM_TOLERANCE..=1.0 + SUM_TOLERANCE).contains(v))
            || (sum - 1.0).abs() > SUM_TOLERANCE
        {
            return Err(Error::input(
                path,
                format!("the scores of a pixel sum to {sum}, these are no probabilities"),
            )
            .with_hint("write `scores = \"logits\"` for unnormalised scores"));
        }
    }
    Ok(())
}

impl Predictor for PredictionFolder {
    fn capability(&self) -> Capability {
        match self.description.scores {
            PredictionKind::Labels => Capability::Labels,
            PredictionKind::Logits | PredictionKind::Probabilities => Capability::Scores,
        }
    }

    fn class_count(&self) -> usize {
        self.classes.len()
    }

    fn predict(&self, batch: &[&Sample]) -> Result<Prediction> {
        let kind = match self.description.scores {
            PredictionKind::Labels => {
                let maps = batch
                    .iter()
                    .map(|sample| self.read_labels(sample))
                    .collect::<Result<_>>()?;
                return Ok(Prediction::Labels(maps));
            }
            PredictionKind::Logits => ScoreKind::Logits,
            PredictionKind::Probabilities => ScoreKind::Probabilities,
        };
        let (h, w) = batch
            .first()
            .map_or((0, 0), |s| (s.labels.height(), s.labels.width()));
        if batch
            .iter()
            .any(|s| (s.labels.height(), s.labels.width()) != (h, w))
        {
            return Err(Error::Internal("a batch of several sizes".into()));
        }
        let mut data = Vec::new();
        for sample in batch {
            self.read_scores(sample, kind, &mut data)?;
        }
        Scores::new(kind, [batch.len(), self.classes.len(), h, w], data).map(Prediction::Scores)
    }
}

/// A file's bytes at an address where floats may be viewed in place: a hostile header can then claim no memory.
struct Aligned {
    words: Vec<u64>,
    length: usize,
}

impl Aligned {
    fn read(path: &Path, limits: &Limits) -> Result<Self> {
        let mut file = limits.open(path)?;
        let length = file
            .metadata()
            .map_err(|e| Error::io(path, "reading", e))?
            .len() as usize;
        let mut words = vec![0u64; length.div_ceil(8)];
        let bytes = &mut bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..length];
        file.read_exact(bytes)
            .map_err(|e| Error::io(path, "reading", e))?;
        Ok(Self { words, length })
    }

    fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }
}
