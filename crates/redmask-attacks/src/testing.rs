//! Doubles for tests: records in memory, and models whose memory of their training records is planted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::RngExt;
use redmask_core::{
    Capability, ClassKind, ClassTable, Fingerprint, GroupId, Image, LabelMap, Prediction,
    Predictor, Result, Sample, SampleId, ScoreKind, Scores, Seed, SegDataset, Subset,
};

/// Records of noise with a disc, two classes, `size` pixels square.
#[derive(Debug)]
pub(crate) struct Discs {
    samples: Vec<Sample>,
    table: ClassTable,
}

impl Discs {
    pub(crate) fn new(count: usize, size: usize, group_size: usize, seed: Seed) -> Self {
        let samples = (0..count)
            .map(|i| {
                let mut rng = seed.index(i as u64).rng();
                let r = rng.random_range(0.15..0.4) * size as f64;
                let (cy, cx) = (
                    rng.random_range(0.3..0.7) * size as f64,
                    rng.random_range(0.3..0.7) * size as f64,
                );
                let labels: Vec<u8> = (0..size * size)
                    .map(|p| {
                        let (dy, dx) = ((p / size) as f64 - cy, (p % size) as f64 - cx);
                        u8::from(dy * dy + dx * dx < r * r)
                    })
                    .collect();
                let data = (0..3)
                    .flat_map(|_| labels.clone())
                    .map(|l| 80 + 60 * l + rng.random_range(0..60))
                    .collect();
                Sample {
                    id: SampleId::new("all", &format!("{i:04}")),
                    group: GroupId(format!("g{}", i / group_size)),
                    image: Image::new(3, size, size, data),
                    labels: LabelMap::new(size, size, labels),
                    instances: None,
                    attributes: BTreeMap::new(),
                }
            })
            .collect();
        let table = ClassTable::from_rows(&[
            ("background", [0; 3], ClassKind::Stuff),
            ("disc", [255; 3], ClassKind::Thing),
        ]);
        Self { samples, table }
    }
}

impl SegDataset for Discs {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn class_table(&self) -> &ClassTable {
        &self.table
    }

    fn channels(&self) -> usize {
        3
    }

    fn id(&self, index: usize) -> SampleId {
        self.samples[index].id.clone()
    }

    fn group(&self, index: usize) -> GroupId {
        self.samples[index].group.clone()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.samples[index].clone())
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.samples.len().to_string().as_bytes())
    }
}

/// The records `range` of `data`.
pub(crate) fn part(data: &Arc<dyn SegDataset>, range: std::ops::Range<usize>) -> Subset {
    Subset::new(Arc::clone(data), range.collect()).expect("the range lies in the data")
}

/// A model that answers with the truth, at a confidence that is higher on records it memorised.
#[derive(Debug)]
pub(crate) struct Memoriser {
    memorised: BTreeSet<SampleId>,
    gap: f64,
    seed: Seed,
    noise: f64,
    capability: Capability,
}

impl Memoriser {
    /// `gap` is the difference of the mean logits in units of their spread over records.
    pub(crate) fn new(members: &dyn SegDataset, gap: f64, seed: Seed) -> Self {
        Self {
            memorised: (0..members.len()).map(|i| members.id(i)).collect(),
            gap,
            seed,
            noise: 1.5,
            capability: Capability::Scores,
        }
    }

    pub(crate) fn noisy(mut self, noise: f64) -> Self {
        self.noise = noise;
        self
    }

    pub(crate) fn labels_only(mut self) -> Self {
        self.capability = Capability::Labels;
        self
    }
}

impl Predictor for Memoriser {
    fn capability(&self) -> Capability {
        self.capability
    }

    fn class_count(&self) -> usize {
        2
    }

    fn predict(&self, batch: &[&Sample]) -> Result<Prediction> {
        let (h, w) = (batch[0].labels.height(), batch[0].labels.width());
        let mut data = Vec::with_capacity(batch.len() * 2 * h * w);
        for sample in batch {
            // Views of a record have its identifier before a `#`.
            let id = sample
                .id
                .as_str()
                .split('#')
                .next()
                .unwrap_or_default()
                .to_owned();
            let mut rng = self.seed.child(&id).rng();
            // A triangular spread over records, and noise over pixels.
            let spread = rng.random_range(-1.0..1.0) + rng.random_range(-1.0..1.0);
            let bonus = if self.memorised.contains(&SampleId::from(id)) {
                self.gap
            } else {
                0.0
            };
            let confidence = 2.0 + 0.5 * (spread + bonus);
            data.extend(std::iter::repeat_n(0f32, h * w));
            data.extend(sample.labels.data().iter().map(|&y| {
                let sign = if y == 1 { 1.0 } else { -1.0 };
                (sign * confidence + rng.random_range(-self.noise..self.noise)) as f32
            }));
        }
        let scores = Scores::new(ScoreKind::Logits, [batch.len(), 2, h, w], data)?;
        Ok(match self.capability {
            Capability::Labels => Prediction::Labels(scores.argmax()),
            _ => Prediction::Scores(scores),
        })
    }
}
