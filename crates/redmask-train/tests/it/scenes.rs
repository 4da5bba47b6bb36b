//! A tiny data set and what interrupts a training.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngExt;
use redmask_core::{
    CancelToken, ClassKind, ClassTable, Fingerprint, FingerprintBuilder, GroupId, Image, LabelMap,
    ProgressSink, ProgressTask, Result, Sample, SampleId, Seed, SegDataset, Session,
};

/// Bright discs on dark noise; class 1 is the disc.
pub(crate) struct Discs {
    pub(crate) count: usize,
    pub(crate) side: usize,
    pub(crate) seed: u64,
    group_size: usize,
    table: ClassTable,
}

impl Discs {
    pub(crate) fn new(count: usize, side: usize, seed: u64) -> Self {
        let table = ClassTable::from_rows(&[
            ("ground", [0, 0, 0], ClassKind::Stuff),
            ("disc", [255, 0, 0], ClassKind::Thing),
        ]);
        Self {
            count,
            side,
            seed,
            group_size: 1,
            table,
        }
    }

    pub(crate) fn in_groups_of(self, group_size: usize) -> Self {
        Self { group_size, ..self }
    }
}

impl SegDataset for Discs {
    fn len(&self) -> usize {
        self.count
    }

    fn class_table(&self) -> &ClassTable {
        &self.table
    }

    fn channels(&self) -> usize {
        3
    }

    fn id(&self, index: usize) -> SampleId {
        SampleId::new("discs", &format!("{}-{index}", self.seed))
    }

    fn group(&self, index: usize) -> GroupId {
        GroupId(
            self.id(index / self.group_size * self.group_size)
                .to_string(),
        )
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let mut rng = Seed::root(self.seed).index(index as u64).rng();
        let side = self.side as f32;
        let (cy, cx) = (
            rng.random_range(0.25..0.75) * side,
            rng.random_range(0.25..0.75) * side,
        );
        let radius = rng.random_range(0.1..0.3) * side;
        let inside: Vec<bool> = (0..self.side * self.side)
            .map(|i| {
                let (y, x) = ((i / self.side) as f32, (i % self.side) as f32);
                (y - cy).hypot(x - cx) < radius
            })
            .collect();
        let mut pixels = Vec::new();
        for c in 0..3 {
            for &disc in &inside {
                let base = if disc { 150 + 30 * c } else { 40 };
                pixels.push((base + rng.random_range(0..40)) as u8);
            }
        }
        Ok(Sample {
            id: self.id(index),
            group: self.group(index),
            image: Image::new(3, self.side, self.side, pixels),
            labels: LabelMap::new(
                self.side,
                self.side,
                inside.iter().map(|&d| u8::from(d)).collect(),
            ),
            instances: None,
            attributes: BTreeMap::new(),
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut builder = FingerprintBuilder::new();
        builder.part(
            "discs",
            format!("{} {} {}", self.count, self.side, self.seed).as_bytes(),
        );
        builder.finish()
    }
}

/// What happens when a training has taken a number of steps in this process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum After {
    /// The user asks it to stop.
    Cancel(u64),
    /// It dies without a chance to save.
    Die(u64),
}

/// A session in which that happens.
pub(crate) fn session_that(after: After) -> Session {
    let cancel = CancelToken::default();
    let sink = Sink {
        after,
        cancel: cancel.clone(),
        steps: Arc::default(),
    };
    Session {
        progress: Arc::new(sink),
        cancel,
    }
}

#[derive(Debug, Clone)]
struct Sink {
    after: After,
    cancel: CancelToken,
    steps: Arc<AtomicU64>,
}

impl ProgressSink for Sink {
    fn start(&self, label: &str, _: u64, unit: &'static str) -> Box<dyn ProgressTask> {
        let counts = unit == "step" && label.starts_with("train");
        Box::new(Counter {
            sink: self.clone(),
            counts,
        })
    }

    fn line(&self, _: &str) {}
}

struct Counter {
    sink: Sink,
    counts: bool,
}

impl ProgressTask for Counter {
    fn advance(&mut self, n: u64) {
        // The first call of a resumed training reports the steps of earlier processes at once.
        if !self.counts || n != 1 {
            return;
        }
        let steps = self.sink.steps.fetch_add(1, Ordering::SeqCst) + 1;
        match self.sink.after {
            After::Cancel(at) if steps == at => self.sink.cancel.cancel(),
            After::Die(at) => assert!(steps < at, "killed on purpose"),
            After::Cancel(_) => {}
        }
    }

    fn message(&mut self, _: &str) {}
}
