//! A model that always says the same.

use std::collections::BTreeMap;

use redmask_core::{
    Capability, GroupId, Image, LabelMap, Prediction, Predictor, Result, Sample, SampleId, Scores,
};

/// Answers every batch with one set of scores.
pub(crate) struct Fixed(Scores);

impl Fixed {
    pub(crate) fn new(scores: Scores) -> Self {
        Self(scores)
    }
}

impl Predictor for Fixed {
    fn capability(&self) -> Capability {
        Capability::Gradients
    }

    fn class_count(&self) -> usize {
        self.0.shape()[1]
    }

    fn predict(&self, _: &[&Sample]) -> Result<Prediction> {
        Ok(Prediction::Scores(self.0.clone()))
    }
}

/// A grey record whose pixels are `fill`, `fill + 1`, ...
pub(crate) fn picture(h: usize, w: usize, fill: u8) -> Sample {
    let pixels = (0..h * w).map(|i| fill.wrapping_add(i as u8)).collect();
    Sample {
        id: SampleId::new("all", "one"),
        group: GroupId("one".to_owned()),
        image: Image::new(1, h, w, pixels),
        labels: LabelMap::filled(h, w, 0),
        instances: None,
        attributes: BTreeMap::new(),
    }
}
