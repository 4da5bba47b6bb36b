//! Gradients per sample from one backward pass ("book-keeping", Bu et al., arXiv 2210.00038).
//!
//! A layer whose parameter has a [`Rec`] does not register that parameter's gradient. It pushes what the gradient is made of
//! to a [`Tape`], which measures the norm of each sample's part. When the whole pass has been measured, the factors that the
//! norms call for weight the sum over the samples: no second pass through the network, and no copy of all weights for each
//! sample.
//!
//! The loss must be a sum over samples, and nothing in the network may couple them.

mod choice;
mod ghost;
mod parts;
mod recorded;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;
use burn::module::ParamId;
use burn::tensor::Device;

pub use self::recorded::SampleGradients;

use self::choice::{Method, choose};
use self::parts::{Parts, Product};
use super::{conv::Geometry, memory};

/// Where the gradient of a parameter is recorded: `None` in ordinary training.
pub type Rec = Option<(Arc<Tape>, ParamId)>;

/// Bytes of per-sample gradients that a tape keeps unless told otherwise.
pub const KEPT_BYTES: usize = 256 << 20;

/// Collects what the gradients per sample are made of, during one backward pass.
///
/// A sample is one row of the batch, or several consecutive ones whose gradients count as one (the slices of a patient,
/// augmented copies of one record).
#[derive(Debug)]
pub struct Tape {
    samples: Vec<Range<usize>>,
    only: Option<BTreeSet<ParamId>>,
    record: Mutex<Record>,
}

#[derive(Debug)]
struct Record {
    entries: Vec<Entry>,
    /// Bytes of gradients that may still be kept.
    room: usize,
}

/// One use of a parameter in the pass.
#[derive(Debug)]
struct Entry {
    id: ParamId,
    parts: Parts,
    /// The squared norm of each sample's gradient.
    squares: Vec<f64>,
}

impl Tape {
    /// A tape for a batch of `rows.len()` samples, sample `i` being the next `rows[i]` rows.
    pub fn new(rows: &[usize]) -> Self {
        let mut end = 0;
        let samples = rows
            .iter()
            .map(|&count| {
                let start = end;
                end += count;
                start..end
            })
            .collect();
        Self {
            samples,
            only: None,
            record: Mutex::new(Record {
                entries: Vec::new(),
                room: KEPT_BYTES,
            }),
        }
    }

    /// Keeps at most `bytes` of per-sample gradients (default [`KEPT_BYTES`]). With less room more of them are measured
    /// without being formed, or formed twice: the same results but for rounding, in less memory and more time.
    #[must_use]
    pub fn keeping(self, bytes: usize) -> Self {
        let record = Record {
            entries: Vec::new(),
            room: bytes,
        };
        Self {
            record: Mutex::new(record),
            ..self
        }
    }

    /// Records these parameters alone; nobody gets the gradients of the others.
    #[must_use]
    pub fn only(self, parameters: impl IntoIterator<Item = ParamId>) -> Self {
        Self {
            only: Some(parameters.into_iter().collect()),
            ..self
        }
    }

    /// Whether operations on `device` record; on others they register ordinary gradients as ever.
    pub fn works_on(device: &Device) -> bool {
        *device == Device::flex()
    }

    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        self.samples.last().map_or(0, |last| last.end)
    }

    /// What the backward passes since the last call left.
    pub fn finish(&self) -> SampleGradients {
        let entries = std::mem::take(&mut self.locked().entries);
        SampleGradients::new(&self.samples, entries)
    }

    fn wants(&self, id: ParamId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&id))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, entry: Entry) {
        self.locked().entries.push(entry);
    }

    /// Records the weight of a convolution from its input and the gradient of its output, both contiguous.
    pub(super) fn record_weight(
        &self,
        id: ParamId,
        geometry: Geometry,
        x: FlexTensor,
        dy: FlexTensor,
    ) {
        if !self.wants(id) {
            return;
        }
        self.check_rows(geometry.batch);
        let product = Product { geometry, x, dy };
        let method = {
            let mut record = self.locked();
            let method = choose(&geometry, &self.samples, record.room);
            if method == Method::Keep {
                record.room -= product.bytes(self.samples.len());
            }
            method
        };
        let entry = match method {
            Method::Keep => Entry::formed(id, product.each(&self.samples)),
            Method::Ghost => Entry {
                id,
                squares: product.ghost_squares(&self.samples),
                parts: Parts::Product(product),
            },
            Method::Twice => Entry {
                id,
                squares: product.formed_squares(&self.samples),
                parts: Parts::Product(product),
            },
        };
        self.push(entry);
    }

    /// Records a parameter of `len` elements whose gradients are given for each row, `[rows, len]`.
    pub(super) fn record_rows(&self, id: ParamId, len: usize, rows: &[f32]) {
        if !self.wants(id) {
            return;
        }
        self.check_rows(rows.len() / len);
        let values = self
            .samples
            .iter()
            .map(|span| {
                let rows = &rows[span.start * len..span.end * len];
                (0..len)
                    .map(|i| {
                        let column = rows[i..].iter().step_by(len);
                        column.map(|&v| f64::from(v)).sum::<f64>() as f32
                    })
                    .collect()
            })
            .collect();
        self.push(Entry::formed(id, values));
    }

    fn check_rows(&self, rows: usize) {
        assert_eq!(
            rows,
            self.rows(),
            "the tape and the batch differ in their number of rows"
        );
    }
}

impl Entry {
    fn formed(id: ParamId, values: Vec<Vec<f32>>) -> Self {
        Self {
            id,
            squares: memory::mapped(values.len(), |i| parts::sum_of_squares(&values[i])),
            parts: Parts::Values(values),
        }
    }
}

/// Hands the gradients of a layer's vectors to their tapes, `[rows, len]` each; those without a tape come back summed over
/// the rows.
pub(super) fn record_or_sum<const N: usize>(
    recs: &[Rec; N],
    len: usize,
    rows: [Vec<f32>; N],
) -> [Option<Vec<f32>>; N] {
    let mut recs = recs.iter();
    rows.map(|rows| {
        if let Some((tape, id)) = recs.next().and_then(Option::as_ref) {
            tape.record_rows(*id, len, &rows);
            return None;
        }
        let mut sum = vec![0.0; len];
        for row in rows.chunks_exact(len) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
        Some(sum)
    })
}
