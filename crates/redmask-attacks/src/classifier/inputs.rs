//! What the attack classifier sees of each record.

use half::f16;
use redmask_core::{
    Error, Fingerprint, FingerprintBuilder, IGNORE, LabelMap, Predictor, Result, ScoreKind,
    SegDataset, Session,
};
use redmask_train::ClassifierInputs;

use super::Sight;
use super::config::{OutputForm, Resolved};
use crate::signals::{PixelWeights, predict_in_batches, scores_of};

/// Outputs above this size are stored in half precision.
const FULL_PRECISION_BYTES: usize = 4 << 30;

const MARGIN_UNIT: f64 = 10.0;
const MARGIN_LIMIT: f64 = 2.0;

/// Output planes `[planes, h, w]` of all records, and their masks.
#[derive(Debug)]
pub(super) struct AttackInputs {
    sight: Sight,
    output: OutputForm,
    scrambled_mask: bool,
    classes: usize,
    size: Option<(usize, usize)>,
    ids: Vec<String>,
    groups: Vec<String>,
    targets: Vec<bool>,
    outputs: Outputs,
    masks: Vec<LabelMap>,
}

#[derive(Debug)]
enum Outputs {
    Full(Vec<f32>),
    Half(Vec<f16>),
}

impl AttackInputs {
    pub(super) fn new(sight: Sight, resolved: &Resolved, classes: usize) -> Self {
        Self {
            sight,
            output: resolved.output,
            scrambled_mask: resolved.scrambled_mask,
            classes,
            size: None,
            ids: Vec::new(),
            groups: Vec::new(),
            targets: Vec::new(),
            outputs: Outputs::Full(Vec::new()),
            masks: Vec::new(),
        }
    }

    /// Planes of one output, and of one mask: two classes share one.
    fn planes(&self) -> usize {
        if self.classes == 2 { 1 } else { self.classes }
    }

    /// Queries a model with all records of a set and keeps what it answers. `from` tells equal identifiers of different
    /// queries apart.
    pub(super) fn query(
        &mut self,
        from: &str,
        predictor: &dyn Predictor,
        data: &dyn SegDataset,
        member: bool,
        batch: usize,
        session: &Session,
    ) -> Result<()> {
        let side = if member { "in" } else { "out" };
        predict_in_batches(predictor, data, batch, session, |_, samples, prediction| {
            let scores = scores_of(prediction, self.classes)?;
            for (i, sample) in samples.iter().enumerate() {
                let size = (sample.labels.height(), sample.labels.width());
                if *self.size.get_or_insert(size) != size {
                    return Err(Error::unsupported(
                        format!("record {} in a classifier attack", sample.id),
                        format!(
                            "it is {}x{}, the first record was {:?}; resize the data set",
                            size.0, size.1, self.size
                        ),
                    ));
                }
                let planes = self.output_planes(scores.image(i), scores.kind(), size.0 * size.1);
                self.outputs.extend(planes);
                self.ids.push(format!("{from}/{side}/{}", sample.id));
                self.groups.push(sample.group.0.clone());
                self.targets.push(member);
                if self.sight == Sight::OutputAndMask {
                    self.masks.push(sample.labels.clone());
                }
            }
            Ok(())
        })
    }

    fn output_planes(&self, scores: &[f32], kind: ScoreKind, plane: usize) -> Vec<f32> {
        let first = self.classes - self.planes();
        if self.output == OutputForm::Raw {
            if self.classes == 2 {
                return (0..plane).map(|i| scores[plane + i] - scores[i]).collect();
            }
            return scores.to_vec();
        }
        let mut planes = vec![0.0; self.planes() * plane];
        let mut pixel = PixelWeights::new(self.classes);
        for i in 0..plane {
            pixel.read(scores, kind, plane, i);
            for c in first..self.classes {
                let value = match self.output {
                    OutputForm::Margins => {
                        (pixel.terms(c).margin / MARGIN_UNIT).clamp(-MARGIN_LIMIT, MARGIN_LIMIT)
                    }
                    _ => pixel.probability(c),
                };
                planes[(c - first) * plane + i] = value as f32;
            }
        }
        planes
    }

    /// One-hot planes; an ignored pixel is zero in all of them.
    fn fill_mask(&self, mask: &LabelMap, out: &mut [f32]) {
        let plane = mask.data().len();
        let first = self.classes - self.planes();
        out.fill(0.0);
        for (i, &label) in mask.data().iter().enumerate() {
            let label = usize::from(label);
            if label == usize::from(IGNORE) || label < first || label >= self.classes {
                continue;
            }
            let place = if self.scrambled_mask {
                // A `[h, w, k]` buffer read as `[k, h, w]`.
                i * self.classes + label
            } else {
                (label - first) * plane + i
            };
            out[place] = 1.0;
        }
    }
}

impl Outputs {
    fn extend(&mut self, planes: Vec<f32>) {
        match self {
            Self::Full(data) => {
                data.extend(planes);
                if data.len() * 4 > FULL_PRECISION_BYTES {
                    *self = Self::Half(data.iter().map(|&v| f16::from_f32(v)).collect());
                }
            }
            Self::Half(data) => data.extend(planes.into_iter().map(f16::from_f32)),
        }
    }

    fn fill(&self, start: usize, out: &mut [f32]) {
        let end = start + out.len();
        match self {
            Self::Full(data) => out.copy_from_slice(&data[start..end]),
            Self::Half(data) => {
                for (out, v) in out.iter_mut().zip(&data[start..end]) {
                    *out = v.to_f32();
                }
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Full(data) => bytemuck::cast_slice(data),
            Self::Half(data) => bytemuck::cast_slice(data),
        }
    }
}

impl ClassifierInputs for AttackInputs {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn shape(&self) -> [usize; 3] {
        let (h, w) = self.size.unwrap_or((0, 0));
        let masks = if self.sight == Sight::OutputAndMask {
            2
        } else {
            1
        };
        [self.planes() * masks, h, w]
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn group(&self, index: usize) -> &str {
        &self.groups[index]
    }

    fn target(&self, index: usize) -> bool {
        self.targets[index]
    }

    fn fill(&self, index: usize, out: &mut [f32]) -> Result<()> {
        let [_, h, w] = self.shape();
        let stride = self.planes() * h * w;
        let (output, mask) = out.split_at_mut(stride);
        self.outputs.fill(index * stride, output);
        if let Some(labels) = self.masks.get(index) {
            self.fill_mask(labels, mask);
        }
        Ok(())
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder.part("scrambled", &[u8::from(self.scrambled_mask)]);
        for i in 0..self.len() {
            builder
                .part("id", self.ids[i].as_bytes())
                .part("group", self.groups[i].as_bytes())
                .part("target", &[u8::from(self.targets[i])]);
        }
        builder.part("outputs", self.outputs.bytes());
        for mask in &self.masks {
            builder.part("mask", mask.data());
        }
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;

    use super::*;
    use crate::classifier::ClassifierAttackConfig;
    use crate::testing::{Discs, Memoriser, part};

    fn resolved(output: OutputForm) -> Resolved {
        Resolved {
            output,
            ..ClassifierAttackConfig::default().resolve(2)
        }
    }

    #[test]
    fn a_binary_record_is_one_output_and_one_mask_plane() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(3, 6, 1, Seed::root(1)));
        let members = part(&data, 0..3);
        let model = Memoriser::new(&members, 1.0, Seed::root(2));
        let fill = |output| {
            let mut inputs = AttackInputs::new(Sight::OutputAndMask, &resolved(output), 2);
            inputs
                .query("shadow-0", &model, &members, true, 2, &Session::default())
                .expect("sound records");
            assert_eq!((inputs.shape(), inputs.len()), ([2, 6, 6], 3));
            let mut out = vec![0.0; 72];
            inputs.fill(1, &mut out).expect("in memory");
            out
        };
        let (raw, probabilities, margins) = (
            fill(OutputForm::Raw),
            fill(OutputForm::Probabilities),
            fill(OutputForm::Margins),
        );
        let labels = members.sample(1).expect("in memory").labels;
        for i in 0..36 {
            let sigmoid = 1.0 / (1.0 + (-raw[i]).exp());
            assert!((probabilities[i] - sigmoid).abs() < 1e-6);
            assert!((margins[i] - raw[i] / 10.0).abs() < 1e-6);
            assert_eq!(raw[36 + i], f32::from(labels.data()[i]));
        }
    }

    #[test]
    fn the_published_mask_is_scrambled_and_ours_is_not() {
        let mask = LabelMap::new(1, 4, vec![2, 0, IGNORE, 1]);
        let one_hot = |scrambled| {
            let resolved = ClassifierAttackConfig {
                paper_compat: scrambled,
                ..Default::default()
            }
            .resolve(3);
            let mut out = [0.0; 12];
            AttackInputs::new(Sight::OutputAndMask, &resolved, 3).fill_mask(&mask, &mut out);
            out
        };
        assert_eq!(
            one_hot(false),
            [0., 1., 0., 0., 0., 0., 0., 1., 1., 0., 0., 0.]
        );
        // Rows of [h * w, k]: (0 0 1) (1 0 0) (0 0 0) (0 1 0), read on.
        assert_eq!(
            one_hot(true),
            [0., 0., 1., 1., 0., 0., 0., 0., 0., 0., 1., 0.]
        );
    }

    #[test]
    fn half_precision_keeps_what_counts() {
        let mut half = Outputs::Half(Vec::new());
        half.extend(vec![0.25, -1.7]);
        let mut out = [0.0; 2];
        half.fill(0, &mut out);
        assert!(out[0] == 0.25 && (out[1] + 1.7).abs() < 1e-3);
        assert_eq!(half.bytes().len(), 4);
    }
}
