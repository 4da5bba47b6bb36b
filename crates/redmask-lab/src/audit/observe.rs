//! What a model shows of each record: one pass over the scores of an image, and the re-queries that follow.

use rayon::prelude::*;
use redmask_attacks::signals::{
    GradientNorm, RecordSignals, SignalConfig, ViewSignals, default_views, loss_map,
    predict_in_batches, record_signals, requery, scores_of,
};
use redmask_core::{
    Error, GroupId, IGNORE, LabelMap, Result, Sample, SampleId, ScoreKind, SegDataset, Session,
    Subset,
};
use redmask_metrics::{ClassCounts, ConfusionMatrix};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::model::OpenModel;
use crate::provenance::{StageLog, peak_memory};
use crate::stages::QUERY_BATCH;
use crate::store::{Begin, StageCost, StageKey, StageKind, Store};

/// Records in one stage of the store: what an interrupt costs at most.
const CHUNK: usize = 128;

const OBSERVATIONS: &str = "observations.json";

/// Everything an audit keeps of one record under one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observation {
    pub(crate) id: SampleId,
    pub(crate) group: GroupId,
    /// S1 to S11.
    pub(crate) signals: RecordSignals,
    /// Pixels of each class in truth, prediction and both.
    pub(crate) classes: Vec<ClassCounts>,
    /// Mean cross-entropy over the pixels of each class, where the mask has it.
    pub(crate) class_loss: Vec<Option<f64>>,
    /// S11 from re-queries; empty where the model was not queried again.
    pub(crate) views: Vec<ViewSignals>,
    /// S13, where the model has gradients.
    pub(crate) gradient: Option<GradientNorm>,
}

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Questions {
    /// Mirror image and shifts too.
    pub(crate) views: bool,
    /// Gradient norms too.
    pub(crate) gradients: bool,
}

impl Questions {
    /// What this model can answer of what is wanted.
    pub(crate) fn for_model(self, model: &OpenModel) -> Self {
        Self {
            views: self.views && model.can_be_queried(),
            gradients: self.gradients && model.capability() >= redmask_core::Capability::Gradients,
        }
    }
}

/// Asks a model about every record, or finds in the store what it answered.
pub(crate) struct Observer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) session: &'a Session,
    pub(crate) logs: Vec<StageLog>,
}

impl Observer<'_> {
    /// The observations of every record of `data`, in order.
    pub(crate) fn observe(
        &mut self,
        model: &OpenModel,
        data: &Subset,
        questions: Questions,
        label: &str,
    ) -> Result<Vec<Observation>> {
        let questions = questions.for_model(model);
        let mut all = Vec::with_capacity(data.len());
        let chunks = data.len().div_ceil(CHUNK);
        for (i, indices) in data.indices().chunks(CHUNK).enumerate() {
            self.session.cancel.check()?;
            let chunk = data.with_indices(indices.to_vec())?;
            let label = if chunks > 1 {
                format!("{label} ({} of {chunks})", i + 1)
            } else {
                label.to_owned()
            };
            all.extend(self.stage(model, &chunk, questions, &label)?);
        }
        Ok(all)
    }

    fn stage(
        &mut self,
        model: &OpenModel,
        data: &Subset,
        questions: Questions,
        label: &str,
    ) -> Result<Vec<Observation>> {
        let config = json!({
            "audit": "observe",
            "version": 1,
            "questions": questions,
            "signals": SignalConfig::default(),
        });
        let inputs = [
            model.fingerprint,
            data.fingerprint(),
            model.saved_answers(data)?,
        ];
        let key = StageKey::derive(StageKind::Predict, &config, &inputs, None)?;
        let (stored, cached) = match self.store.begin(key, self.session)? {
            Begin::Done(stored) => (stored, true),
            Begin::Todo(slot) => {
                let clock = std::time::Instant::now();
                let observed = observe(model, data, questions, self.session)?;
                slot.write_json(OBSERVATIONS, &observed)?;
                let cost = StageCost {
                    seconds: clock.elapsed().as_secs_f64(),
                    peak_bytes: peak_memory(),
                    threads: rayon::current_num_threads(),
                    work: data.len() as f64,
                };
                (slot.commit(label, config, cost)?, false)
            }
        };
        self.logs.push(StageLog {
            record: stored.record().clone(),
            cached,
        });
        stored.read_json(OBSERVATIONS)
    }
}

/// Asks a model about every record, without a store.
fn observe(
    model: &OpenModel,
    data: &dyn SegDataset,
    questions: Questions,
    session: &Session,
) -> Result<Vec<Observation>> {
    let predictor = model.predictor();
    let classes = predictor.class_count();
    let config = SignalConfig::default();
    let mut all: Vec<Observation> = Vec::with_capacity(data.len());
    let mut plain: Vec<LabelMap> = Vec::with_capacity(data.len());
    predict_in_batches(
        predictor,
        data,
        QUERY_BATCH,
        session,
        |_, samples, prediction| {
            let found = prediction.labels();
            let scores = scores_of(prediction, classes)?;
            let observed = samples
                .par_iter()
                .zip(&found)
                .enumerate()
                .map(|(i, (sample, found))| {
                    one(
                        sample,
                        scores.image(i),
                        scores.kind(),
                        found,
                        classes,
                        &config,
                    )
                })
                .collect::<Result<Vec<_>>>()?;
            all.extend(observed);
            plain.extend(found);
            Ok(())
        },
    )?;
    if questions.views {
        let rows = requery(
            predictor,
            data,
            &plain,
            &default_views(),
            QUERY_BATCH,
            &config,
            session,
        )?;
        for (observation, views) in all.iter_mut().zip(rows) {
            observation.views = views;
        }
    }
    if questions.gradients {
        let mut task = session
            .progress
            .start("gradients", data.len() as u64, "image");
        for (i, observation) in all.iter_mut().enumerate() {
            session.cancel.check()?;
            observation.gradient = model.gradient_norm(&data.sample(i)?)?;
            task.advance(1);
        }
    }
    Ok(all)
}

fn one(
    sample: &Sample,
    scores: &[f32],
    kind: ScoreKind,
    found: &LabelMap,
    classes: usize,
    config: &SignalConfig,
) -> Result<Observation> {
    let signals = record_signals(scores, kind, classes, &sample.labels, config).map_err(
        |error| match error {
            Error::Numeric { what, problem } => {
                Error::numeric(format!("{what} of {}", sample.id), problem)
            }
            other => other,
        },
    )?;
    let mut confusion = ConfusionMatrix::with_ignore(classes, IGNORE);
    confusion.add(&sample.labels, found)?;
    let losses = loss_map(scores, kind, classes, &sample.labels);
    let mut sums = vec![(0.0f64, 0u64); classes];
    for (&label, &loss) in sample.labels.data().iter().zip(losses.data()) {
        if let Some((sum, count)) = sums.get_mut(usize::from(label)) {
            *sum += f64::from(loss);
            *count += 1;
        }
    }
    Ok(Observation {
        id: sample.id.clone(),
        group: sample.group.clone(),
        signals,
        classes: confusion.class_counts(),
        class_loss: sums
            .into_iter()
            .map(|(sum, count)| (count > 0).then(|| sum / count as f64))
            .collect(),
        views: Vec::new(),
        gradient: None,
    })
}
