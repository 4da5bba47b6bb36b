//! Writing predictions where [`super::PredictionFolder`] finds them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use ndarray::ArrayView3;
use ndarray_npy::WriteNpyExt;
use redmask_core::{Error, LabelMap, Result, SampleId};

use super::{DESCRIPTION, PredictionDescription, relative};
use crate::files::{RawMask, RawPixels, write_mask};

/// Writes a folder of predictions, record by record.
#[derive(Debug)]
pub struct PredictionWriter {
    root: PathBuf,
    description: PredictionDescription,
}

impl PredictionWriter {
    /// Creates the folder and its description.
    ///
    /// # Errors
    /// If the folder exists and is not empty, or cannot be created.
    pub fn create(root: &Path, description: PredictionDescription) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(|e| Error::io(root, "creating", e))?;
        let mut entries = std::fs::read_dir(root).map_err(|e| Error::io(root, "listing", e))?;
        if entries.next().is_some() {
            return Err(
                Error::input(root, "the folder is not empty").with_hint("name a new folder")
            );
        }
        let path = root.join(DESCRIPTION);
        let text = toml::to_string(&description)
            .map_err(|e| Error::Internal(format!("describing predictions: {e}")))?;
        std::fs::write(&path, text).map_err(|e| Error::io(&path, "writing", e))?;
        Ok(Self {
            root: root.to_owned(),
            description,
        })
    }

    /// Writes the scores `[k, h, w]` of one record.
    ///
    /// # Errors
    /// If the folder is for labels, `scores` does not fill `shape`, or the file cannot be written.
    pub fn write_scores(&self, id: &SampleId, shape: [usize; 3], scores: &[f32]) -> Result<()> {
        if self.description.scores == super::PredictionKind::Labels {
            return Err(Error::Internal("scores for a folder of labels".into()));
        }
        let array = ArrayView3::from_shape(shape, scores)
            .map_err(|e| Error::Internal(format!("{} scores for {shape:?}: {e}", scores.len())))?;
        let path = self.path(id, "npy")?;
        let file = File::create(&path).map_err(|e| Error::io(&path, "creating", e))?;
        let mut out = BufWriter::new(file);
        array
            .write_npy(&mut out)
            .map_err(|e| Error::io(&path, "writing", std::io::Error::other(e)))?;
        out.flush().map_err(|e| Error::io(&path, "writing", e))
    }

    /// Writes the predicted labels of one record.
    ///
    /// # Errors
    /// If the folder is for scores, or the file cannot be written.
    pub fn write_labels(&self, id: &SampleId, labels: &LabelMap) -> Result<()> {
        if self.description.scores != super::PredictionKind::Labels {
            return Err(Error::Internal("labels for a folder of scores".into()));
        }
        let mask = RawMask {
            height: labels.height(),
            width: labels.width(),
            pixels: RawPixels::Values {
                values: labels.data().iter().copied().map(u16::from).collect(),
                palette: None,
            },
        };
        write_mask(&self.path(id, "png")?, &mask)
    }

    fn path(&self, id: &SampleId, extension: &str) -> Result<PathBuf> {
        let path = self.root.join(format!("{}.{extension}", relative(id)?));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, "creating", e))?;
        }
        Ok(path)
    }
}
