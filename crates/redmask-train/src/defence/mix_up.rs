//! Slice mix-up.

use std::borrow::Cow;

use rand::seq::SliceRandom;
use rand_distr::{Beta, Distribution};
use redmask_core::{Error, Image, LabelMap, Result, Sample, Seed};
use serde::{Deserialize, Serialize};

use crate::sampler::Batch;

/// Shape of the Beta distribution of cut points, both parameters (Algorithm 1).
const SHAPE: f64 = 2.0;

/// Training on images put together from vertical slices of the images of their batch, masks alike: `copies` permuted copies
/// of the batch, cut at `copies - 1` sorted points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixUpConfig {
    /// Slices of each image, at least 2.
    pub copies: usize,
    /// The published code: two copies of which the second is the batch as it is, and one cut at `floor(b w)` for all images
    /// of a batch. The default draws a cut for each image, as Algorithm 1 would with the draw inside its loop.
    pub paper_compat: bool,
}

impl Default for MixUpConfig {
    fn default() -> Self {
        Self {
            copies: 2,
            paper_compat: false,
        }
    }
}

impl MixUpConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if self.copies < 2 || self.copies > 64 {
            return Err(Error::config(
                "mix-up.copies",
                format!("{} is outside 2 to 64", self.copies),
            ));
        }
        if self.paper_compat && self.copies != 2 {
            return Err(Error::config(
                "mix-up.copies",
                "the published code mixes two copies",
            ));
        }
        Ok(())
    }

    /// Mixes the records of a batch. The result has the names of the records, in their order, for messages only.
    pub(super) fn apply<'a>(
        &self,
        samples: Vec<Cow<'a, Sample>>,
        batch: &Batch,
        seed: Seed,
    ) -> Result<Vec<Cow<'a, Sample>>> {
        let Some(first) = samples.first() else {
            return Ok(samples);
        };
        let size = (first.image.height(), first.image.width());
        if let Some(other) = samples
            .iter()
            .find(|s| (s.image.height(), s.image.width()) != size)
        {
            return Err(Error::unsupported(
                format!("mix-up of record {}", other.id),
                "the images of a batch have several sizes; give the data set one size",
            ));
        }
        let node = seed.child("mix-up").index(batch.step);
        let orders: Vec<Vec<usize>> = (0..self.copies)
            .map(|copy| {
                let mut order: Vec<usize> = (0..samples.len()).collect();
                if !(self.paper_compat && copy == 1) {
                    order.shuffle(&mut node.child("order").index(copy as u64).rng());
                }
                order
            })
            .collect();
        let mixed = (0..samples.len())
            .map(|i| {
                let place = if self.paper_compat { 0 } else { i as u64 };
                let cuts = self.cuts(size.1, node.child("cuts").index(place))?;
                let sources: Vec<&Sample> = orders.iter().map(|o| samples[o[i]].as_ref()).collect();
                Ok(Cow::Owned(assemble(&samples[i], &sources, &cuts)))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(mixed)
    }

    /// Where each slice begins, and the width at the end: `copies + 1` ascending columns.
    fn cuts(&self, width: usize, seed: Seed) -> Result<Vec<usize>> {
        let beta = Beta::new(SHAPE, SHAPE)
            .map_err(|e| Error::Internal(format!("the distribution of cut points: {e}")))?;
        let mut rng = seed.rng();
        let mut cuts: Vec<usize> = (1..self.copies)
            .map(|_| {
                let at: f64 = beta.sample(&mut rng) * width as f64;
                // The algorithm counts columns from 1 and takes those below the ceiling from the first copy.
                let cut = if self.paper_compat {
                    at.floor()
                } else {
                    at.ceil() - 1.0
                };
                cut.clamp(0.0, width as f64) as usize
            })
            .collect();
        cuts.sort_unstable();
        cuts.insert(0, 0);
        cuts.push(width);
        Ok(cuts)
    }
}

/// An image and a mask whose columns `cuts[j]..cuts[j + 1]` are those of `sources[j]`.
fn assemble(name: &Sample, sources: &[&Sample], cuts: &[usize]) -> Sample {
    let (h, w) = (name.image.height(), name.image.width());
    let channels = name.image.channels();
    let mut pixels = name.image.data().to_vec();
    let mut labels = name.labels.data().to_vec();
    for (source, cut) in sources.iter().zip(cuts.windows(2)) {
        let columns = cut[0]..cut[1];
        for row in 0..channels * h {
            let place = row * w + columns.start..row * w + columns.end;
            pixels[place.clone()].copy_from_slice(&source.image.data()[place]);
        }
        for row in 0..h {
            let place = row * w + columns.start..row * w + columns.end;
            labels[place.clone()].copy_from_slice(&source.labels.data()[place]);
        }
    }
    Sample {
        id: name.id.clone(),
        group: name.group.clone(),
        image: Image::new(channels, h, w, pixels),
        labels: LabelMap::new(h, w, labels),
        instances: None,
        attributes: name.attributes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use redmask_core::{GroupId, SampleId};

    use super::*;

    /// A record whose pixels and labels are all `value`.
    fn flat(value: u8) -> Cow<'static, Sample> {
        Cow::Owned(Sample {
            id: SampleId::new("flat", &value.to_string()),
            group: GroupId(value.to_string()),
            image: Image::new(2, 3, 40, vec![value; 240]),
            labels: LabelMap::filled(3, 40, value),
            instances: None,
            attributes: BTreeMap::new(),
        })
    }

    fn batch(step: u64) -> Batch {
        Batch {
            epoch: 0,
            position: step,
            step,
            indices: (0..6).collect(),
        }
    }

    fn mixed(config: MixUpConfig, step: u64) -> Vec<Vec<u8>> {
        let samples = (0..6).map(flat).collect();
        let mixed = config.apply(samples, &batch(step), Seed::root(1)).unwrap();
        mixed
            .iter()
            .map(|sample| {
                let row = sample.labels.data()[..40].to_vec();
                // Every row and channel is cut alike, and the mask moves with the image.
                assert!(sample.labels.data().chunks(40).all(|r| r == row));
                assert!(sample.image.data().chunks(40).all(|r| r == row));
                row
            })
            .collect()
    }

    fn cut(row: &[u8]) -> usize {
        row.iter().position(|v| *v != row[0]).unwrap_or(row.len())
    }

    #[test]
    fn slices_are_whole_and_cuts_differ_from_image_to_image() {
        let ours = mixed(MixUpConfig::default(), 0);
        let cuts: BTreeSet<usize> = ours.iter().map(|r| cut(r)).collect();
        assert!(cuts.len() > 2, "{cuts:?}");
        for row in &ours {
            let changes = row.windows(2).filter(|w| w[0] != w[1]).count();
            assert!(changes <= 1);
        }
        // Each copy is a permutation: every record is the left slice once.
        let left: BTreeSet<u8> = ours.iter().map(|r| r[0]).collect();
        assert_eq!(left.len(), 6);
        assert_eq!(ours, mixed(MixUpConfig::default(), 0));
        assert_ne!(ours, mixed(MixUpConfig::default(), 1));
    }

    #[test]
    fn the_published_form_has_one_cut_and_keeps_the_second_copy() {
        let published = MixUpConfig {
            copies: 2,
            paper_compat: true,
        };
        let rows = mixed(published, 0);
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(row[39], i as u8, "the right slice is the record's own");
        }
        let cuts: BTreeSet<usize> = rows
            .iter()
            .filter(|r| r[0] != r[39])
            .map(|r| cut(r))
            .collect();
        assert_eq!(cuts.len(), 1, "{cuts:?}");
    }

    #[test]
    fn several_copies_make_several_slices() {
        let four = MixUpConfig {
            copies: 4,
            ..MixUpConfig::default()
        };
        let most = mixed(four, 0)
            .iter()
            .map(|row| row.windows(2).filter(|w| w[0] != w[1]).count())
            .max();
        assert_eq!(most, Some(3));
        for seed in 0..50 {
            let cuts = four.cuts(40, Seed::root(seed)).unwrap();
            assert!(cuts.is_sorted() && cuts.len() == 5 && cuts[4] == 40);
        }
    }

    #[test]
    fn cut_points_follow_the_stated_distribution() {
        // Beta(2, 2) has mean 1/2 and variance 1/20.
        let width = 10_000;
        let at: Vec<f64> = (0..4000)
            .map(|i| {
                let cuts = MixUpConfig::default()
                    .cuts(width, Seed::root(2).index(i))
                    .unwrap();
                cuts[1] as f64 / width as f64
            })
            .collect();
        let mean = at.iter().sum::<f64>() / 4000.0;
        let variance = at.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
        assert!((variance - 0.05).abs() < 0.004, "{variance}");
    }
}
