//! Signals of a whole data set under a model.

use rayon::prelude::*;
use redmask_core::{
    Error, Prediction, Predictor, Result, Sample, ScoreKind, Scores, SegDataset, Session,
};

use super::pass::{SignalConfig, record_signals};
use super::signal::RecordSignals;

/// Queries `predictor` with every record of `data` in order, at most `batch` images of one size at a time, and hands
/// each batch to `each` with the index of its first record.
///
/// Records decode in parallel; the model is called from the calling thread, because it has its own parallelism.
///
/// # Errors
/// If a record cannot be decoded, the model or `each` fails, or the session is cancelled.
pub fn predict_in_batches(
    predictor: &dyn Predictor,
    data: &dyn SegDataset,
    batch: usize,
    session: &Session,
    mut each: impl FnMut(usize, &[Sample], Prediction) -> Result<()>,
) -> Result<()> {
    let mut task = session.progress.start("query", data.len() as u64, "image");
    for start in (0..data.len()).step_by(batch.max(1)) {
        session.cancel.check()?;
        let end = (start + batch.max(1)).min(data.len());
        let samples = (start..end)
            .into_par_iter()
            .map(|i| data.sample(i))
            .collect::<Result<Vec<_>>>()?;
        let mut first = 0;
        for run in samples.chunk_by(|a, b| size(a) == size(b)) {
            let prediction = predictor.predict(&run.iter().collect::<Vec<_>>())?;
            each(start + first, run, prediction)?;
            first += run.len();
        }
        task.advance((end - start) as u64);
    }
    Ok(())
}

/// The signals of every record of `data` under `predictor`, in order. Labels without scores count as certain
/// predictions; [`super::Signal::access`] says which signals that leaves meaningful.
///
/// # Errors
/// As [`predict_in_batches`]; [`Error::Numeric`] naming the record if it has no labelled pixel or a class the model
/// does not score.
pub fn collect(
    predictor: &dyn Predictor,
    data: &dyn SegDataset,
    batch: usize,
    config: &SignalConfig,
    session: &Session,
) -> Result<Vec<RecordSignals>> {
    let mut all = Vec::with_capacity(data.len());
    predict_in_batches(predictor, data, batch, session, |_, samples, prediction| {
        let scores = scores_of(prediction, predictor.class_count())?;
        let [n, k, h, w] = scores.shape();
        if n != samples.len() || size(&samples[0]) != (h, w) {
            return Err(Error::Internal(format!(
                "scores {:?} for {} images of {:?}",
                scores.shape(),
                samples.len(),
                size(&samples[0])
            )));
        }
        let signals = samples
            .par_iter()
            .enumerate()
            .map(|(i, sample)| {
                record_signals(scores.image(i), scores.kind(), k, &sample.labels, config)
                    .map_err(|error| name_record(error, sample))
            })
            .collect::<Result<Vec<_>>>()?;
        all.extend(signals);
        Ok(())
    })?;
    Ok(all)
}

/// Scores as they are, labels as one-hot probabilities.
///
/// # Errors
/// [`Error::Internal`] if the prediction holds no image.
pub fn scores_of(prediction: Prediction, classes: usize) -> Result<Scores> {
    let maps = match prediction {
        Prediction::Scores(scores) => return Ok(scores),
        Prediction::Labels(maps) => maps,
    };
    let Some(first) = maps.first() else {
        return Err(Error::Internal("a prediction of no image".to_owned()));
    };
    let (h, w) = (first.height(), first.width());
    let mut data = vec![0.0; maps.len() * classes * h * w];
    for (image, map) in data.chunks_exact_mut(classes * h * w).zip(&maps) {
        for (i, &label) in map.data().iter().enumerate() {
            if usize::from(label) < classes {
                image[usize::from(label) * h * w + i] = 1.0;
            }
        }
    }
    Scores::new(ScoreKind::Probabilities, [maps.len(), classes, h, w], data)
}

fn size(sample: &Sample) -> (usize, usize) {
    (sample.labels.height(), sample.labels.width())
}

fn name_record(error: Error, sample: &Sample) -> Error {
    match error {
        Error::Numeric { what, problem } => {
            Error::numeric(format!("{what} of {}", sample.id), problem)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;

    use super::*;
    use crate::signals::Signal;
    use crate::testing::{Discs, Memoriser, part};

    #[test]
    fn the_batch_size_changes_nothing() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(7, 9, 1, Seed::root(1)));
        let model = Memoriser::new(&part(&data, 0..3), 1.0, Seed::root(2));
        let of = |batch| {
            collect(
                &model,
                data.as_ref(),
                batch,
                &SignalConfig::default(),
                &Session::default(),
            )
            .expect("sound records")
        };
        assert_eq!(of(1), of(3));
        assert_eq!(of(7).len(), 7);
    }

    #[test]
    fn labels_give_the_label_only_signals() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(4, 9, 1, Seed::root(1)));
        let members = part(&data, 0..2);
        let of = |model: Memoriser| {
            collect(
                &model,
                data.as_ref(),
                2,
                &SignalConfig::default(),
                &Session::default(),
            )
            .expect("sound records")
        };
        let scores = of(Memoriser::new(&members, 1.0, Seed::root(2)));
        let labels = of(Memoriser::new(&members, 1.0, Seed::root(2)).labels_only());
        for signal in [Signal::PixelAccuracy, Signal::MeanIou, Signal::BoundaryF1] {
            for (a, b) in scores.iter().zip(&labels) {
                assert_eq!(signal.of(a), signal.of(b));
            }
        }
    }

    #[test]
    fn a_cancelled_session_stops() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(2, 9, 1, Seed::root(1)));
        let model = Memoriser::new(&part(&data, 0..1), 1.0, Seed::root(2));
        let session = Session::default();
        session.cancel.cancel();
        let stopped = collect(&model, data.as_ref(), 1, &SignalConfig::default(), &session);
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}
