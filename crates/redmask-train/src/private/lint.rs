//! What would make the printed epsilon a lie.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleVisitor};
use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::config::{Budget, PrivacyConfig, PrivacyUnit, PrivateSampling, SecretSource};
use crate::segmentation::TrainConfig;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The loss couples the records of a batch, so that no per-record gradient bounds one record's influence.
    CoupledLoss,
    /// Batch normalisation mixes records and stores statistics of them outside of the noise.
    BatchNorm,
    /// Delta allows the full disclosure of a record.
    LargeDelta,
    /// Batches are not drawn as the accountant assumes.
    NotPoisson,
    /// Records of one group are protected one by one only.
    SplitGroups,
    /// There is no noise, hence no guarantee.
    NoNoise,
    /// The noise follows from a seed.
    RepeatableNoise,
    /// Something else about the private records is released without noise.
    UnaccountedRelease,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The guarantee does not hold.
    Refusal,
    /// The guarantee holds, but for less than a reader may think.
    Warning,
}

/// One finding of the linter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How bad.
    pub severity: Severity,
    /// In words, with the way out.
    pub message: String,
}

/// The facts that the linter looks at.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    pub(crate) training: &'a TrainConfig,
    pub(crate) privacy: &'a PrivacyConfig,
    /// Kinds of modules in the network.
    pub(crate) modules: BTreeSet<String>,
    /// Number of units.
    pub(crate) units: usize,
    /// Most records of one group.
    pub(crate) largest_group: usize,
    /// Whether the held-out records overlap the private ones.
    pub(crate) validates_on_private: bool,
}

pub(crate) fn lint(facts: &Facts<'_>) -> Vec<Finding> {
    let Facts {
        training, privacy, ..
    } = facts;
    let mut findings = Vec::new();
    let mut add = |rule, severity, message: String| {
        findings.push(Finding {
            rule,
            severity,
            message,
        });
    };
    if !training.loss.is_separable() {
        add(
            Rule::CoupledLoss,
            Severity::Refusal,
            "the loss sums over the batch, so one record changes the others' gradients; use reduction = \"per-image\""
                .to_owned(),
        );
    }
    if facts.modules.contains("BatchNorm2d") {
        add(
            Rule::BatchNorm,
            Severity::Refusal,
            "the network has batch normalisation; use norm = \"group\"".to_owned(),
        );
    }
    if privacy.delta * facts.units as f64 >= 1.0 {
        add(
            Rule::LargeDelta,
            Severity::Refusal,
            format!(
                "delta {} is at least 1/{}: it permits the full disclosure of one of the {} protected units",
                privacy.delta, facts.units, facts.units
            ),
        );
    }
    if privacy.sampling != PrivateSampling::Poisson {
        add(
            Rule::NotPoisson,
            Severity::Refusal,
            "shuffled batches are not the independent draws that the accountant assumes; use sampling = \"poisson\""
                .to_owned(),
        );
    }
    if matches!(privacy.budget, Budget::Noise { multiplier } if multiplier == 0.0) {
        add(
            Rule::NoNoise,
            Severity::Warning,
            "the noise multiplier is 0: gradients are clipped, nothing is guaranteed".to_owned(),
        );
    }
    if privacy.unit == PrivacyUnit::Record && facts.largest_group > 1 {
        add(
            Rule::SplitGroups,
            Severity::Warning,
            format!(
                "records come in groups of up to {0}; for a whole group the epsilon is up to {0} times as large; use unit = \"group\"",
                facts.largest_group
            ),
        );
    }
    if privacy.secret == SecretSource::Seed {
        add(
            Rule::RepeatableNoise,
            Severity::Warning,
            "sampling and noise follow from the seed: the guarantee holds only against those who do not know it"
                .to_owned(),
        );
    }
    if facts.validates_on_private {
        add(
            Rule::UnaccountedRelease,
            Severity::Warning,
            "held-out records are also private training records; their metrics are released without noise".to_owned(),
        );
    }
    add(
        Rule::UnaccountedRelease,
        Severity::Warning,
        "the training loss in the epoch log is measured on private records without noise; the guarantee covers the \
         weights alone"
            .to_owned(),
    );
    findings
}

/// Lets the findings pass, or refuses.
pub(crate) fn admit(findings: &[Finding], paper_compat: bool) -> Result<()> {
    let refusals: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.severity == Severity::Refusal)
        // Without per-record gradients there is nothing to clip, whatever a paper did.
        .filter(|f| !paper_compat || f.rule == Rule::BatchNorm)
        .collect();
    if refusals.is_empty() {
        return Ok(());
    }
    let reasons: Vec<&str> = refusals.iter().map(|f| f.message.as_str()).collect();
    let error = Error::config("privacy", reasons.join("; "));
    Err(if refusals.iter().any(|f| f.rule == Rule::BatchNorm) {
        error
    } else {
        error.with_hint("paper_compat = true goes on without a formal guarantee")
    })
}

/// The kinds of modules inside `network`.
pub(crate) fn module_kinds<M: Module>(network: &M) -> BTreeSet<String> {
    #[derive(Default)]
    struct Kinds(BTreeSet<String>);
    impl ModuleVisitor for Kinds {
        fn enter_module(&mut self, _: &str, container: &str) {
            if let Some(kind) = container.strip_prefix("Struct:") {
                self.0.insert(kind.to_owned());
            }
        }
    }
    let mut kinds = Kinds::default();
    network.visit(&mut kinds);
    kinds.0
}
