//! Patches as classifier inputs.

use redmask_core::{
    Capability, Error, Fingerprint, FingerprintBuilder, IGNORE, Predictor, Result, Sample,
    ScoreKind, Seed, SegDataset, Session,
};
use redmask_train::ClassifierInputs;

use super::config::{PatchConfig, Representation};
use super::select::Map;
use crate::signals::{PixelWeights, predict_in_batches, scores_of};

/// What the published code divides the loss map by under label-only answers.
const LABEL_ONLY_SCALE: f32 = 50.0;

/// The sampled planes `[channels, height, width]` of one record.
#[derive(Debug)]
struct Planes {
    height: usize,
    width: usize,
    data: Vec<f32>,
}

/// One patch: its record and corner.
#[derive(Debug)]
struct Patch {
    record: usize,
    corner: (usize, usize),
    id: String,
}

/// Patches of all records queried so far.
#[derive(Debug)]
pub(super) struct PatchInputs<'a> {
    config: &'a PatchConfig,
    classes: usize,
    seed: Seed,
    records: Vec<Planes>,
    groups: Vec<String>,
    members: Vec<bool>,
    patches: Vec<Patch>,
}

impl<'a> PatchInputs<'a> {
    pub(super) fn new(config: &'a PatchConfig, classes: usize, seed: Seed) -> Self {
        Self {
            config,
            classes,
            seed,
            records: Vec::new(),
            groups: Vec::new(),
            members: Vec::new(),
            patches: Vec::new(),
        }
    }

    pub(super) fn query(
        &mut self,
        from: &str,
        predictor: &dyn Predictor,
        data: &dyn SegDataset,
        member: bool,
        batch: usize,
        session: &Session,
    ) -> Result<()> {
        let scale = if predictor.capability() == Capability::Labels {
            LABEL_ONLY_SCALE
        } else {
            1.0
        };
        let side = if member { "in" } else { "out" };
        predict_in_batches(predictor, data, batch, session, |_, samples, prediction| {
            let scores = scores_of(prediction, self.classes)?;
            for (i, sample) in samples.iter().enumerate() {
                let id = format!("{from}/{side}/{}", sample.id);
                self.add(&id, sample, scores.image(i), scores.kind(), scale)?;
                self.members.push(member);
            }
            Ok(())
        })
    }

    fn add(
        &mut self,
        id: &str,
        sample: &Sample,
        scores: &[f32],
        kind: ScoreKind,
        scale: f32,
    ) -> Result<()> {
        let stride = self.config.stride;
        let (full_height, full_width) = (sample.labels.height(), sample.labels.width());
        let (height, width) = (full_height.div_ceil(stride), full_width.div_ceil(stride));
        if height.min(width) < self.config.size {
            return Err(Error::config(
                "patch size",
                format!(
                    "patches of {} pixels do not fit into the {height}x{width} map of {}",
                    self.config.size, sample.id
                ),
            ));
        }
        let mut pixel = PixelWeights::new(self.classes);
        let (mut labels, mut losses) = (
            Vec::with_capacity(height * width),
            Vec::with_capacity(height * width),
        );
        let shared = usize::from(self.classes == 2);
        let channels = self.classes - shared;
        let mut concatenation = match self.config.representation {
            Representation::LossMap => Vec::new(),
            Representation::Concatenation => vec![0.0; 2 * channels * height * width],
        };
        for position in 0..height * width {
            let source = position / width * stride * full_width + position % width * stride;
            let label = sample.labels.data()[source];
            pixel.read(scores, kind, full_height * full_width, source);
            labels.push(label);
            losses.push(if label == IGNORE {
                0.0
            } else {
                pixel.terms(usize::from(label)).loss as f32
            });
            if !concatenation.is_empty() {
                for c in 0..channels {
                    let probability = pixel.probability(c + shared) as f32;
                    concatenation[c * height * width + position] = probability;
                }
                if label != IGNORE && usize::from(label) >= shared {
                    let channel = channels + usize::from(label) - shared;
                    concatenation[channel * height * width + position] = 1.0;
                }
            }
        }
        let map = Map {
            height,
            width,
            labels: &labels,
            losses: &losses,
        };
        let record = self.records.len();
        for (number, corner) in map
            .corners(self.config, self.seed.child(id))
            .into_iter()
            .enumerate()
        {
            self.patches.push(Patch {
                record,
                corner,
                id: format!("{id}#{number}"),
            });
        }
        let data = match self.config.representation {
            Representation::LossMap => losses.iter().map(|l| l / scale).collect(),
            Representation::Concatenation => concatenation,
        };
        self.records.push(Planes {
            height,
            width,
            data,
        });
        self.groups.push(sample.group.0.clone());
        Ok(())
    }

    /// The mean score of the patches of each record, in order.
    pub(super) fn means_by_record(&self, scores: &[f32]) -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); self.records.len()];
        for (patch, &score) in self.patches.iter().zip(scores) {
            let (sum, count) = &mut sums[patch.record];
            *sum += f64::from(score);
            *count += 1.0;
        }
        sums.into_iter().map(|(sum, count)| sum / count).collect()
    }
}

impl ClassifierInputs for PatchInputs<'_> {
    fn len(&self) -> usize {
        self.patches.len()
    }

    fn shape(&self) -> [usize; 3] {
        let channels = match self.config.representation {
            Representation::LossMap => 1,
            Representation::Concatenation if self.classes == 2 => 2,
            Representation::Concatenation => 2 * self.classes,
        };
        [channels, self.config.size, self.config.size]
    }

    fn id(&self, index: usize) -> &str {
        &self.patches[index].id
    }

    fn group(&self, index: usize) -> &str {
        &self.groups[self.patches[index].record]
    }

    fn target(&self, index: usize) -> bool {
        self.members[self.patches[index].record]
    }

    fn fill(&self, index: usize, out: &mut [f32]) -> Result<()> {
        let Patch {
            record,
            corner: (y, x),
            ..
        } = self.patches[index];
        let planes = &self.records[record];
        let size = self.config.size;
        for (channel, patch) in planes
            .data
            .chunks_exact(planes.height * planes.width)
            .zip(out.chunks_exact_mut(size * size))
        {
            for (row, line) in patch.chunks_exact_mut(size).enumerate() {
                let start = (y + row) * planes.width + x;
                line.copy_from_slice(&channel[start..start + size]);
            }
        }
        Ok(())
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        for patch in &self.patches {
            let (y, x) = patch.corner;
            builder.part("patch", patch.id.as_bytes()).part(
                "corner",
                &[(y as u64).to_le_bytes(), (x as u64).to_le_bytes()].concat(),
            );
        }
        for ((planes, group), member) in self.records.iter().zip(&self.groups).zip(&self.members) {
            builder
                .part("record", bytemuck::cast_slice(&planes.data))
                .part("group", group.as_bytes())
                .part("member", &[u8::from(*member)]);
        }
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::patch::PatchSelection;
    use crate::signals::loss_map;
    use crate::testing::{Discs, Memoriser, part};

    fn query(config: &PatchConfig, labels_only: bool) -> PatchInputs<'_> {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(4, 12, 1, Seed::root(1)));
        let members = part(&data, 0..2);
        let model = Memoriser::new(&members, 1.0, Seed::root(2));
        let model = if labels_only {
            model.labels_only()
        } else {
            model
        };
        let mut inputs = PatchInputs::new(config, 2, Seed::root(3));
        inputs
            .query("s", &model, &members, true, 2, &Session::default())
            .expect("sound records");
        inputs
            .query(
                "s",
                &model,
                &part(&data, 2..4),
                false,
                2,
                &Session::default(),
            )
            .expect("sound records");
        inputs
    }

    #[test]
    fn patches_are_windows_of_the_loss_map() {
        let config = PatchConfig {
            selection: PatchSelection::Grid { step: 6 },
            size: 6,
            ..PatchConfig::default()
        };
        let inputs = query(&config, false);
        assert_eq!((inputs.len(), inputs.shape()), (16, [1, 6, 6]));
        assert!(inputs.target(7) && !inputs.target(8));
        let data = Discs::new(1, 12, 1, Seed::root(1));
        let sample = data.sample(0).expect("in memory");
        let members: Arc<dyn SegDataset> = Arc::new(Discs::new(4, 12, 1, Seed::root(1)));
        let model = Memoriser::new(&part(&members, 0..2), 1.0, Seed::root(2));
        let scores = model
            .predict(&[&sample])
            .and_then(redmask_core::Prediction::into_scores)
            .expect("scores");
        let map = loss_map(scores.image(0), scores.kind(), 2, &sample.labels);
        let mut patch = [0.0; 36];
        inputs.fill(3, &mut patch).expect("in memory");
        assert_eq!(patch[0], map.data()[6 * 12 + 6]);
        assert_eq!(patch[35], map.data()[143]);
        let means = inputs.means_by_record(&(0..16).map(|i| i as f32).collect::<Vec<_>>());
        assert_eq!(means, [1.5, 5.5, 9.5, 13.5]);
    }

    #[test]
    fn a_wrong_pixel_of_a_label_only_model_is_138() {
        let config = PatchConfig {
            selection: PatchSelection::Grid { step: 12 },
            size: 12,
            ..PatchConfig::default()
        };
        let inputs = query(&config, true);
        let mut patch = [0.0; 144];
        inputs.fill(0, &mut patch).expect("in memory");
        assert!(
            patch
                .iter()
                .all(|&v| v.abs() < 1e-6 || (v - 1.3816).abs() < 1e-4)
        );
    }

    #[test]
    fn concatenation_shows_the_foreground_twice() {
        let config = PatchConfig {
            representation: Representation::Concatenation,
            selection: PatchSelection::Grid { step: 12 },
            size: 12,
            ..PatchConfig::default()
        };
        let inputs = query(&config, false);
        assert_eq!(inputs.shape(), [2, 12, 12]);
        let mut patch = [0.0; 288];
        inputs.fill(0, &mut patch).expect("in memory");
        assert!(patch[..144].iter().all(|p| (0.0..=1.0).contains(p)));
        assert!(patch[144..].iter().all(|&y| y == 0.0 || y == 1.0));
        assert!(patch[144..].contains(&1.0));
    }

    #[test]
    fn a_patch_larger_than_the_map_is_refused() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(2, 12, 1, Seed::root(1)));
        let members = part(&data, 0..2);
        let model = Memoriser::new(&members, 1.0, Seed::root(2));
        let config = PatchConfig {
            size: 7,
            stride: 2,
            ..PatchConfig::default()
        };
        let mut inputs = PatchInputs::new(&config, 2, Seed::root(3));
        let refused = inputs.query("s", &model, &members, true, 2, &Session::default());
        assert!(
            refused
                .expect_err("six pixels")
                .to_string()
                .contains("do not fit")
        );
    }
}
