//! `provenance.json`: time, memory, hardware, versions; everything that may differ between two equal runs.

use std::collections::BTreeMap;
use std::path::Path;

use redmask_core::Result;
use serde::{Deserialize, Serialize};

use super::file;

/// The version of `provenance.json` that this build reads and writes.
pub const PROVENANCE_VERSION: u32 = 1;

const MAX_BYTES: u64 = 64 << 20;

/// Where a result comes from and what it cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// [`PROVENANCE_VERSION`].
    pub schema_version: u32,
    /// The command line.
    pub command: Vec<String>,
    /// The recipe's name and fingerprint.
    pub recipe: String,
    /// The profile that ran: `paper`, `small`, ...
    pub profile: String,
    /// The root seed.
    pub seed: u64,
    /// When the run began, UTC, RFC 3339.
    pub started: String,
    /// Seconds from start to end of this command; cached stages cost almost nothing here.
    pub wall_seconds: f64,
    /// Largest resident set, in bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// The compute device of the tensor library: `cpu`, `vulkan`, `cuda`.
    pub device: String,
    /// Worker threads.
    pub threads: u64,
    /// The machine.
    pub hardware: Hardware,
    /// Versions by name: `redmask`, `burn`, `rustc`, ...
    pub versions: BTreeMap<String, String>,
    /// Every stage of the plan, in order of execution.
    pub stages: Vec<StageTime>,
    /// What each role of the recipe was bound to.
    pub data: Vec<DataBinding>,
    /// Where the initial weights of each network came from.
    pub weights: Vec<WeightsOrigin>,
}

/// The machine a run used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Model name.
    pub cpu: String,
    /// Logical cores that the process may use.
    pub cores: u64,
    /// Installed memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Instruction sets that change results: `avx512f`, ...
    #[serde(default)]
    pub cpu_features: Vec<String>,
    /// Operating system and architecture.
    pub os: String,
}

/// What one stage cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTime {
    /// The stage's key in the store.
    pub key: String,
    /// `split`, `train`, `predict`, `signal`, `attack`, ...
    pub kind: String,
    /// For people.
    pub label: String,
    /// Seconds it took when it ran.
    pub wall_seconds: f64,
    /// Whether this command found it in the store.
    pub cached: bool,
}

/// One role of a recipe and its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataBinding {
    /// The role, such as `liver`.
    pub role: String,
    /// What the recipe names, such as `MSD liver`.
    pub expected: String,
    /// What it was bound to, such as `Kvasir-SEG` or `polyp:0`; never an absolute path.
    pub bound: String,
    /// Whether `bound` stands in for something else.
    pub substituted: bool,
    /// Number of records.
    pub records: u64,
    /// The data set's fingerprint.
    pub fingerprint: String,
}

/// Initial weights of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsOrigin {
    /// The network, such as `unet-resnet34`.
    pub network: String,
    /// `from scratch`, or the file and its hash.
    pub origin: String,
    /// What the paper started from, if that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
}

impl Provenance {
    /// An empty record of the current version.
    pub fn new() -> Self {
        Self {
            schema_version: PROVENANCE_VERSION,
            ..Self::default()
        }
    }

    /// Writes `path` atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        file::write_json(path, self)
    }

    /// # Errors
    /// If the file is missing, too large, malformed or of another version.
    pub fn read(path: &Path) -> Result<Self> {
        file::read_versioned(path, MAX_BYTES, PROVENANCE_VERSION)
    }
}
