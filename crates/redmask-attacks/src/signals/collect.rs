//! Signals of a whole data set under a model.

use rayon::prelude::*;
use redmask_core::{Error, Prediction, Predictor, Result, Sample, SegDataset, Session};

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

/// The signals of every record of `data` under `predictor`, in order.
///
/// # Errors
/// As [`predict_in_batches`]; [`Error::Unsupported`] if the model gives labels only; [`Error::Numeric`] naming the
/// record if it has no labelled pixel or a class the model does not score.
pub fn collect(
    predictor: &dyn Predictor,
    data: &dyn SegDataset,
    batch: usize,
    config: &SignalConfig,
    session: &Session,
) -> Result<Vec<RecordSignals>> {
    let mut all = Vec::with_capacity(data.len());
    predict_in_batches(predictor, data, batch, session, |_, samples, prediction| {
        let scores = prediction.into_scores()?;
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
