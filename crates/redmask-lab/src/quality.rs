//! How good a segmentation model is, record by record.

use rayon::prelude::*;
use redmask_attacks::signals::{SignalConfig, predict_in_batches, record_signals};
use redmask_core::{GroupId, IGNORE, Predictor, Result, SampleId, SegDataset, Session};
use redmask_metrics::boundary::{BoundaryTolerance, boundary_counts};
use redmask_metrics::{AbsentClass, ClassCounts, ConfusionMatrix, overlap::class_mean};
use serde::{Deserialize, Serialize};

/// One record under one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordQuality {
    /// Which record.
    pub id: SampleId,
    /// What it belongs to.
    pub group: GroupId,
    /// Soft Dice loss of the image, in `[0, 1]`.
    pub dice_loss: f64,
    /// Mean cross-entropy over labelled pixels, nats.
    pub cross_entropy: f64,
    /// Pixels of each class in truth, prediction and both.
    pub classes: Vec<ClassCounts>,
    /// Mean boundary F1 over the classes with a contour in truth or prediction, tolerance 0.75 % of the diagonal; absent where
    /// no class has one.
    pub boundary_f1: Option<f64>,
}

/// What a predict stage writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// The training records.
    pub members: Vec<RecordQuality>,
    /// The records that the model did not see.
    pub held_out: Vec<RecordQuality>,
}

/// Measures a model on every record of a data set.
///
/// # Errors
/// If a record cannot be decoded, the model fails, or the session is cancelled.
pub fn measure(
    predictor: &dyn Predictor,
    data: &dyn SegDataset,
    batch: usize,
    session: &Session,
) -> Result<Vec<RecordQuality>> {
    let config = SignalConfig::default();
    let classes = predictor.class_count();
    let mut records = Vec::with_capacity(data.len());
    predict_in_batches(predictor, data, batch, session, |_, samples, prediction| {
        let scores = prediction.into_scores()?;
        let predicted = scores.argmax();
        let measured = samples
            .par_iter()
            .enumerate()
            .map(|(i, sample)| {
                let signals = record_signals(
                    scores.image(i),
                    scores.kind(),
                    classes,
                    &sample.labels,
                    &config,
                )?;
                let mut confusion = ConfusionMatrix::with_ignore(classes, IGNORE);
                confusion.add(&sample.labels, &predicted[i])?;
                let boundaries = boundary_counts(
                    &sample.labels,
                    &predicted[i],
                    classes,
                    BoundaryTolerance::default(),
                )?;
                let scores: Vec<f64> = boundaries
                    .iter()
                    .filter_map(redmask_metrics::boundary::BoundaryCounts::f1)
                    .collect();
                Ok(RecordQuality {
                    id: sample.id.clone(),
                    group: sample.group.clone(),
                    dice_loss: signals.dice,
                    cross_entropy: signals.loss,
                    classes: confusion.class_counts(),
                    boundary_f1: (!scores.is_empty())
                        .then(|| scores.iter().sum::<f64>() / scores.len() as f64),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        records.extend(measured);
        Ok(())
    })?;
    Ok(records)
}

/// Pixels of each class over weighted records.
pub fn pooled(records: &[RecordQuality], weights: &[u32]) -> Vec<ClassCounts> {
    let classes = records.first().map_or(0, |r| r.classes.len());
    let mut pooled = vec![ClassCounts::default(); classes];
    for (record, &weight) in records.iter().zip(weights) {
        for (sum, class) in pooled.iter_mut().zip(&record.classes) {
            sum.truth += class.truth * u64::from(weight);
            sum.predicted += class.predicted * u64::from(weight);
            sum.intersection += class.intersection * u64::from(weight);
        }
    }
    pooled
}

/// Mean IoU of pooled pixels over the classes that occur; NaN if none does.
pub fn miou(pooled: &[ClassCounts]) -> f64 {
    class_mean(pooled, AbsentClass::Skip, ClassCounts::iou).unwrap_or(f64::NAN)
}

/// Share of pixels predicted right; NaN without pixels.
pub fn pixel_accuracy(pooled: &[ClassCounts]) -> f64 {
    let sum = |value: fn(&ClassCounts) -> u64| pooled.iter().map(value).sum::<u64>() as f64;
    sum(|c| c.intersection) / sum(|c| c.truth)
}
