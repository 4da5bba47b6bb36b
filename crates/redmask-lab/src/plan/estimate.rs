//! What a plan will take: time, memory, disk.

use std::collections::BTreeMap;
use std::path::Path;

use redmask_nn::network::NetworkConfig;
use redmask_train::TrainConfig;

use crate::deal::Dealt;
use crate::plan::{AttackTask, Plan, Stage, Task};
use crate::store::{self, StageKind};

/// The measure of a stage's work.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Work {
    /// Floating-point operations, in units of 1e9; comparable within a kind of stage.
    pub gflop: f64,
    /// Bytes the stage needs at its peak.
    pub memory: f64,
    /// Bytes it leaves in the store.
    pub disk: f64,
}

/// Multiply-accumulates of a forward pass over a 256 x 256 image at width 1, and parameters at width 1, of U-Nets as
/// smp builds them (counted with a profiler at three input channels and one output). Other decoders are heavier or
/// lighter by less than the estimate is off anyway, and are counted as these.
fn cost_of_encoder(name: &str) -> (f64, f64) {
    match name {
        "resnet18" => (5.4e9, 14.3e6),
        "resnet34" => (7.8e9, 24.4e6),
        "resnet50" => (10.7e9, 32.5e6),
        "mobilenet-v2" => (3.4e9, 6.6e6),
        "vgg11" => (14.6e9, 18.3e6),
        _ => (15.6e9, 51.5e6),
    }
}

const PIXELS: f64 = 256.0 * 256.0;
/// Activations that a training step keeps, bytes for each pixel of each image at width 1 (measured on U-Net/ResNet-34).
const TRAINING_BYTES_A_PIXEL: f64 = 4000.0;
/// Activations alive at one moment of a forward pass.
const INFERENCE_BYTES_A_PIXEL: f64 = 600.0;
/// The process with its data, before any network.
const BASE_MEMORY: f64 = 150e6;
/// A backward pass costs about two forward passes.
const TRAINING_FACTOR: f64 = 3.0;
/// Two cores, before anything was measured here.
const DEFAULT_GFLOP_A_SECOND: f64 = 60.0;

struct Size {
    /// GFLOP of a forward pass over one image.
    forward: f64,
    pixels: f64,
    width: f64,
    parameters: f64,
}

fn size_of(network: &NetworkConfig, size: [usize; 2]) -> Size {
    // Every architecture has these two keys, whatever else it has.
    let keys = serde_json::to_value(network).unwrap_or_default();
    let (macs, parameters) = cost_of_encoder(keys["encoder"].as_str().unwrap_or_default());
    let width = keys["width"].as_f64().unwrap_or(1.0);
    let pixels = (size[0] * size[1]) as f64;
    Size {
        forward: 2.0 * macs * width.powi(2) * pixels / PIXELS / 1e9,
        pixels,
        width,
        parameters: parameters * width.powi(2),
    }
}

impl Work {
    /// A stage that only writes what is known.
    pub fn none() -> Self {
        Self {
            gflop: 0.0,
            memory: BASE_MEMORY,
            disk: 1e5,
        }
    }

    /// Training a segmentation network.
    pub fn training(
        network: &NetworkConfig,
        size: [usize; 2],
        records: usize,
        training: &TrainConfig,
    ) -> Self {
        let network = size_of(network, size);
        let kept = training.keep_epochs.len() as f64 + 1.0;
        Self {
            gflop: TRAINING_FACTOR * network.forward * records as f64 * f64::from(training.epochs),
            memory: BASE_MEMORY
                + network.parameters * 16.0
                + training.batch_size as f64
                    * network.pixels
                    * network.width
                    * TRAINING_BYTES_A_PIXEL,
            disk: network.parameters * 4.0 * kept,
        }
    }

    /// What a defence adds to a training of this work: `lessons` forward passes over a record.
    pub(crate) fn with_lessons(
        self,
        network: &NetworkConfig,
        size: [usize; 2],
        lessons: f64,
    ) -> Self {
        Self {
            gflop: self.gflop + size_of(network, size).forward * lessons,
            ..self
        }
    }

    /// A forward pass over some records.
    pub fn inference(network: &NetworkConfig, size: [usize; 2], records: usize) -> Self {
        let network = size_of(network, size);
        Self {
            gflop: network.forward * records as f64,
            memory: BASE_MEMORY
                + network.parameters * 4.0
                + 8.0 * network.pixels * network.width * INFERENCE_BYTES_A_PIXEL,
            disk: 300.0 * records as f64,
        }
    }

    /// An attack: a forward pass of each model over its records, and the attack's own training.
    pub fn attack(task: &AttackTask, stages: &[Stage], size: [usize; 2]) -> Self {
        let mut work = Self::none();
        let shadow_uses = task.shadows.iter().map(|(model, dealt)| (model, dealt));
        let target_uses = task.targets.iter().map(|t| (&t.model, &t.dealt));
        for (model, dealt) in shadow_uses.chain(target_uses) {
            if let Task::Train(training) = &stages[model.stage].task {
                let records = dealt.members.len() + dealt.held_out.len();
                let pass = Self::inference(&training.network, size, records);
                work.gflop += pass.gflop;
                work.memory = work.memory.max(pass.memory);
                work.disk += 200.0 * records as f64;
            }
        }
        let records: usize = task
            .shadows
            .iter()
            .map(|(_, d)| d.members.len() + d.held_out.len())
            .sum();
        work.gflop += task.config.training_gflop(records, size);
        work
    }

    /// The blind control.
    pub fn blind(dealt: &Dealt) -> Self {
        let records = (dealt.members.len() + dealt.held_out.len()) as f64;
        Self {
            gflop: records * 0.01,
            disk: 200.0 * records,
            ..Self::none()
        }
    }
}

/// Whether a stage is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageState {
    /// In the store.
    Cached,
    /// An earlier sitting left checkpoints.
    Started,
    /// To do.
    ToDo,
}

impl StageState {
    /// The word in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Started => "started",
            Self::ToDo => "to do",
        }
    }
}

/// What is left of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The state of each stage and its seconds, in the plan's order; zero for cached ones.
    pub stages: Vec<(StageState, f64)>,
    /// Seconds in all.
    pub seconds: f64,
    /// Bytes of memory at the peak.
    pub memory: f64,
    /// Bytes to be written to the store.
    pub disk: f64,
    /// Whether the rates come from stages that ran on this store, rather than from defaults.
    pub measured: bool,
}

/// Seconds per unit of work, learnt from what the store has seen.
#[derive(Debug, Clone, Default)]
pub struct Estimator {
    rates: BTreeMap<StageKind, f64>,
}

impl Estimator {
    /// Learns from the finished stages of a store: the median rate of each kind.
    pub fn from_store(root: &Path) -> Self {
        let mut seen: BTreeMap<StageKind, Vec<f64>> = BTreeMap::new();
        for record in store::finished(root) {
            if record.cost.work > 0.0 && record.cost.seconds > 0.0 {
                seen.entry(record.kind)
                    .or_default()
                    .push(record.cost.seconds / record.cost.work);
            }
        }
        let rates = seen.into_iter().map(|(kind, mut rates)| {
            rates.sort_by(f64::total_cmp);
            (kind, rates[rates.len() / 2])
        });
        Self {
            rates: rates.collect(),
        }
    }

    /// Seconds that a stage takes.
    pub fn seconds(&self, kind: StageKind, work: &Work) -> f64 {
        let rate = self.rates.get(&kind).copied();
        work.gflop * rate.unwrap_or(1.0 / DEFAULT_GFLOP_A_SECOND)
    }

    /// What is left of a plan, given a store.
    pub fn estimate(&self, plan: &Plan, root: &Path) -> Estimate {
        let mut estimate = Estimate {
            stages: Vec::new(),
            seconds: 0.0,
            memory: 0.0,
            disk: 0.0,
            measured: false,
        };
        for stage in &plan.stages {
            let state = if matches!(store::find(root, stage.key), Ok(Some(_))) {
                StageState::Cached
            } else if store::has_partial(root, stage.key) {
                StageState::Started
            } else {
                StageState::ToDo
            };
            let seconds = if state == StageState::Cached {
                0.0
            } else {
                estimate.memory = estimate.memory.max(stage.work.memory);
                estimate.disk += stage.work.disk;
                estimate.measured |= self.rates.contains_key(&stage.key.kind);
                self.seconds(stage.key.kind, &stage.work)
            };
            estimate.seconds += seconds;
            estimate.stages.push((state, seconds));
        }
        estimate
    }
}
