//! Crop training.

use std::borrow::Cow;

use rand::RngExt;
use rayon::prelude::*;
use redmask_core::{Error, Result, Sample, Seed, SegDataset};
use redmask_data::crop;
use serde::{Deserialize, Serialize};

use crate::sampler::Batch;

/// Training on random crops: no image is ever seen whole. A crop shows less, so published trainings are three times as long
/// (set the model's epochs). At inference the image is cut into tiles of the crop's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropConfig {
    /// Height and width of a crop.
    pub size: [usize; 2],
    /// Pixels that neighbouring tiles share at inference; 0 as published.
    #[serde(default)]
    pub overlap: usize,
    /// Ask the trained network for whole images, not for tiles.
    #[serde(default)]
    pub whole_image_inference: bool,
    /// The published code: one place for all crops of a batch, and never the last row or column of places.
    #[serde(default)]
    pub paper_compat: bool,
}

impl CropConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if self.size.contains(&0) {
            return Err(Error::config("crop.size", "a crop has at least one pixel"));
        }
        if self.size.iter().any(|&side| side <= self.overlap) {
            return Err(Error::config(
                "crop.overlap",
                format!(
                    "{} pixels leave nothing of a tile of {:?}",
                    self.overlap, self.size
                ),
            ));
        }
        Ok(())
    }

    /// # Errors
    /// If a crop is larger than an image of `height` times `width`.
    pub fn check_size(&self, [height, width]: [usize; 2]) -> Result<()> {
        if self.size[0] <= height && self.size[1] <= width {
            return Ok(());
        }
        Err(Error::config(
            "crop.size",
            format!(
                "a crop of {}x{} is larger than the image of {height}x{width}",
                self.size[0], self.size[1]
            ),
        ))
    }

    /// Looks at the first record, so that nothing is trained before the mistake is found.
    pub(super) fn check(&self, data: &dyn SegDataset) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let first = data.sample(0)?;
        self.check_size([first.image.height(), first.image.width()])
    }

    /// Crops each record of a batch at a place that follows from `seed`, the epoch and the record.
    pub(super) fn apply<'a>(
        &self,
        samples: Vec<Cow<'a, Sample>>,
        batch: &Batch,
        seed: Seed,
    ) -> Result<Vec<Cow<'a, Sample>>> {
        let node = seed.child("crop");
        samples
            .into_par_iter()
            .map(|sample| {
                let size = [sample.image.height(), sample.image.width()];
                self.check_size(size)?;
                let free = [size[0] - self.size[0], size[1] - self.size[1]];
                let corner = if self.paper_compat {
                    let mut rng = node.child("batch").index(batch.step).rng();
                    free.map(|places| rng.random_range(0..places.max(1)))
                } else {
                    let epoch = node.index(u64::from(batch.epoch));
                    let mut rng = epoch.child(sample.id.as_str()).rng();
                    free.map(|places| rng.random_range(0..=places))
                };
                Ok(Cow::Owned(crop(&sample, corner, self.size)))
            })
            .collect()
    }
}
