//! The vocabulary of Redmask: images, label maps, samples, seeds, fingerprints, and the traits that data sets,
//! predictors, attacks and defences implement.
//!
//! Nothing here knows a tensor library. A higher attack score always means "more likely a member".

pub mod cancel;
pub mod class;
pub mod dataset;
pub mod error;
pub mod fingerprint;
pub mod image;
pub mod label;
pub mod predictor;
pub mod progress;
pub mod sample;
pub mod seed;
pub mod threat;

pub use cancel::CancelToken;
pub use class::{ClassId, ClassInfo, ClassKind, ClassTable, IGNORE};
pub use dataset::{SegDataset, Subset};
pub use error::{Error, Result};
pub use fingerprint::{Fingerprint, FingerprintBuilder};
pub use image::Image;
pub use label::{InstanceMap, LabelMap, Raster};
pub use predictor::{Capability, Prediction, Predictor, ScoreKind, Scores};
pub use progress::{NoProgress, ProgressSink, ProgressTask, Session};
pub use sample::{GroupId, Sample, SampleId, Split};
pub use seed::Seed;
pub use threat::{Access, Knowledge, ThreatModel};
