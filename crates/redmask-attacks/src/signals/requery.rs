//! Signals of a record under small changes of it: how right, and how steady, a model is on views of the same scene.

use rayon::prelude::*;
use redmask_core::{IGNORE, LabelMap, Predictor, Result, SegDataset, Session};
use redmask_data::Transform;
use serde::{Deserialize, Serialize};

use super::agreement::label_agreement;
use super::collect::{predict_in_batches, scores_of};
use super::pass::{SignalConfig, record_signals};
use super::view::View;

/// What one view of a record gave. The mask moves with the view.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ViewSignals {
    /// Mean cross-entropy over the labelled pixels that the view shows, nats.
    pub loss: f64,
    /// Mean pixel margin, clipped as in [`super::RecordSignals::margin`].
    pub margin: f64,
    /// Share of labelled pixels predicted right.
    pub pixel_accuracy: f64,
    /// Mean intersection over union.
    pub mean_iou: f64,
    /// Share of the pixels shown whose predicted label is that of the plain record, moved along.
    pub steadiness: f64,
}

/// The views of [`requery`] by default: the mirror image, and shifts by a twentieth of the side in four directions, as
/// Choquette-Choo et al. (ICML 2021, arXiv 2007.14321) query classifiers.
pub fn default_views() -> [Transform; 5] {
    let shifted = |shift| Transform {
        shift,
        ..Transform::IDENTITY
    };
    [
        Transform::FLIP_X,
        shifted((0.05, 0.0)),
        shifted((-0.05, 0.0)),
        shifted((0.0, 0.05)),
        shifted((0.0, -0.05)),
    ]
}

/// Queries `predictor` with each of `views` of every record. `plain` holds its labels for the records as they are.
/// Returns, for each record, one entry for each view.
///
/// # Errors
/// As [`predict_in_batches`]; also if a view shows no labelled pixel. A predictor that looks records up by their
/// identifier, as saved predictions are, does not know the views and says so.
///
/// # Panics
/// If `plain` has another length than `data`.
pub fn requery(
    predictor: &dyn Predictor,
    data: &dyn SegDataset,
    plain: &[LabelMap],
    views: &[Transform],
    batch: usize,
    config: &SignalConfig,
    session: &Session,
) -> Result<Vec<Vec<ViewSignals>>> {
    assert_eq!(plain.len(), data.len(), "one plain prediction a record");
    let classes = predictor.class_count();
    let mut rows: Vec<Vec<ViewSignals>> = vec![Vec::with_capacity(views.len()); data.len()];
    for view in views {
        let seen = View::new(data, *view);
        predict_in_batches(
            predictor,
            &seen,
            batch,
            session,
            |start, samples, prediction| {
                let found = prediction.labels();
                let scores = scores_of(prediction, classes)?;
                let signals = samples
                    .par_iter()
                    .zip(&found)
                    .enumerate()
                    .map(|(i, (sample, found))| {
                        let signals = record_signals(
                            scores.image(i),
                            scores.kind(),
                            classes,
                            &sample.labels,
                            config,
                        )?;
                        let [pixel_accuracy, mean_iou, _] =
                            label_agreement(&sample.labels, found, classes, config.boundary_radius);
                        Ok(ViewSignals {
                            loss: signals.loss,
                            margin: signals.margin,
                            pixel_accuracy,
                            mean_iou,
                            steadiness: steadiness(&view.raster(&plain[start + i], IGNORE), found),
                        })
                    })
                    .collect::<Result<Vec<_>>>()?;
                for (row, signals) in rows[start..].iter_mut().zip(signals) {
                    row.push(signals);
                }
                Ok(())
            },
        )?;
    }
    Ok(rows)
}

/// Share of pixels with equal labels, of those the view shows.
pub(crate) fn steadiness(expected: &LabelMap, found: &LabelMap) -> f64 {
    let (mut shown, mut equal) = (0u64, 0u64);
    for (&a, &b) in expected.data().iter().zip(found.data()) {
        if a != IGNORE {
            shown += 1;
            equal += u64::from(a == b);
        }
    }
    equal as f64 / shown.max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;

    use super::*;
    use crate::testing::{Discs, Memoriser, part};

    #[test]
    fn a_model_that_follows_the_mask_is_steady() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(3, 20, 1, Seed::root(1)));
        let model = Memoriser::new(&part(&data, 0..3), 4.0, Seed::root(2)).noisy(0.1);
        let plain: Vec<LabelMap> = (0..3)
            .map(|i| {
                let sample = data.sample(i).expect("a disc");
                let prediction = model.predict(&[&sample]).expect("an answer");
                prediction.labels().remove(0)
            })
            .collect();
        let rows = requery(
            &model,
            data.as_ref(),
            &plain,
            &default_views(),
            2,
            &SignalConfig::default(),
            &Session::default(),
        )
        .expect("a model that can be queried");
        assert_eq!((rows.len(), rows[0].len()), (3, 5));
        for view in rows.iter().flatten() {
            assert!(
                view.pixel_accuracy > 0.99 && view.steadiness > 0.95,
                "{view:?}"
            );
        }
    }
}
