//! Where the numbers come from and what they cost.

use crate::number::{Style, bytes, duration};
use crate::schema::{Provenance, StageTime};

/// The provenance as printed.
pub(super) struct ProvenanceView<'a> {
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) data: Vec<DataRow<'a>>,
    pub(super) weights: &'a [crate::schema::WeightsOrigin],
    pub(super) stages: Vec<StageRow<'a>>,
    pub(super) stage_total: String,
}

/// One role.
pub(super) struct DataRow<'a> {
    pub(super) role: &'a str,
    pub(super) expected: &'a str,
    pub(super) bound: &'a str,
    pub(super) substituted: bool,
    pub(super) records: String,
    pub(super) fingerprint: &'a str,
}

/// One stage.
pub(super) struct StageRow<'a> {
    pub(super) kind: &'a str,
    pub(super) label: &'a str,
    pub(super) time: String,
    pub(super) percent: String,
    pub(super) cached: bool,
    pub(super) key: &'a str,
}

/// Enough of a hash to tell runs apart by eye; the JSON has it whole.
const HASH: usize = 12;

impl<'a> ProvenanceView<'a> {
    pub(super) fn of(provenance: &'a Provenance) -> Self {
        let hardware = &provenance.hardware;
        let versions = provenance
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"));
        let memory = hardware
            .memory_bytes
            .map(|b| format!(", {}", bytes(b)))
            .unwrap_or_default();
        let facts = [
            ("Command", provenance.command.join(" ")),
            ("Root seed", provenance.seed.to_string()),
            ("Started", provenance.started.clone()),
            ("Wall time", duration(provenance.wall_seconds)),
            (
                "Peak memory",
                provenance.peak_memory_bytes.map(bytes).unwrap_or_default(),
            ),
            (
                "Device",
                format!("{}, {} threads", provenance.device, provenance.threads),
            ),
            (
                "Machine",
                format!(
                    "{}, {} cores{memory}, {}",
                    hardware.cpu, hardware.cores, hardware.os
                ),
            ),
            ("Instruction sets", hardware.cpu_features.join(", ")),
            ("Versions", versions.collect::<Vec<_>>().join(", ")),
        ];
        let longest = provenance
            .stages
            .iter()
            .map(|s| s.wall_seconds)
            .fold(0.0, f64::max);
        let total = provenance
            .stages
            .iter()
            .map(|s| s.wall_seconds)
            .sum::<f64>();
        let cached = provenance.stages.iter().filter(|s| s.cached).count();
        Self {
            facts: facts
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .collect(),
            data: provenance
                .data
                .iter()
                .map(|d| DataRow {
                    role: &d.role,
                    expected: &d.expected,
                    bound: &d.bound,
                    substituted: d.substituted,
                    records: Style::Whole.bare(d.records as f64),
                    fingerprint: short(&d.fingerprint),
                })
                .collect(),
            weights: &provenance.weights,
            stages: provenance
                .stages
                .iter()
                .map(|s| stage(s, longest))
                .collect(),
            stage_total: format!(
                "{} stages, {} when they ran, {cached} from the store",
                provenance.stages.len(),
                duration(total)
            ),
        }
    }
}

fn stage(stage: &StageTime, longest: f64) -> StageRow<'_> {
    let share = if longest > 0.0 {
        stage.wall_seconds / longest
    } else {
        0.0
    };
    StageRow {
        kind: &stage.kind,
        label: &stage.label,
        time: duration(stage.wall_seconds),
        percent: format!("{:.1}", share * 100.0),
        cached: stage.cached,
        key: short(&stage.key),
    }
}

fn short(hash: &str) -> &str {
    hash.char_indices()
        .nth(HASH)
        .map_or(hash, |(end, _)| &hash[..end])
}
