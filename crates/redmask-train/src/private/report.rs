//! What a private training guarantees.

use std::path::Path;

use redmask_core::{Error, Result};
use redmask_metrics::accountant::{Accountant, SampledGaussian, Spent, spent};
use serde::{Deserialize, Serialize};

use super::canary::AuditReport;
use super::clip::Clipping;
use super::config::{PrivacyConfig, PrivacyUnit};
use super::lint::{Finding, Rule, Severity};
use crate::checkpoint::write_file;

const FILE: &str = "privacy.json";

/// The privacy statement of a finished training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyReport {
    /// Whether the epsilons below are guaranteed: no refusal was overruled, there was noise, and no audit contradicts them.
    pub guarantee: bool,
    /// What the guarantee is about: adding or removing one of these.
    pub unit: PrivacyUnit,
    /// Number of units.
    pub units: usize,
    /// Delta of both epsilons.
    pub delta: f64,
    /// Standard deviation of the noise over the clipping norm.
    pub noise_multiplier: f64,
    /// Probability of a unit to join a step.
    pub sample_rate: f64,
    /// Steps taken, empty ones included.
    pub steps: u64,
    /// How influence was bounded.
    pub clipping: Clipping,
    /// Upper bound on epsilon by Renyi accounting; absent without noise.
    pub rdp: Option<Spent>,
    /// Upper bound on epsilon by the privacy-loss distribution; absent without noise.
    pub pld: Option<Spent>,
    /// Lower bound on epsilon by the training's own canaries, if it had any.
    #[serde(default)]
    pub audit: Option<AuditReport>,
    /// What the linter found.
    pub findings: Vec<Finding>,
}

impl PrivacyReport {
    /// Whether the audit contradicts the upper bound: then the implementation does not do what the accountant assumes, and
    /// nothing is guaranteed.
    pub fn is_contradicted(&self) -> bool {
        match (&self.audit, &self.pld) {
            (Some(audit), Some(bound)) => audit.epsilon > bound.epsilon,
            _ => false,
        }
    }

    pub(super) fn new(
        config: &PrivacyConfig,
        findings: Vec<Finding>,
        noise_multiplier: f64,
        sample_rate: f64,
        steps: u64,
        units: usize,
        audit: Option<AuditReport>,
    ) -> Result<Self> {
        let account = |accountant| -> Result<Option<Spent>> {
            if noise_multiplier == 0.0 {
                return Ok(None);
            }
            SampledGaussian::new(sample_rate, noise_multiplier, steps)
                .and_then(|history| spent(&[history], config.delta, accountant))
                .map(Some)
                .map_err(|e| Error::numeric("privacy accounting", e.to_string()))
        };
        let void = |f: &Finding| f.severity == Severity::Refusal || f.rule == Rule::NoNoise;
        let mut report = Self {
            guarantee: noise_multiplier > 0.0 && !findings.iter().any(void),
            unit: config.unit,
            units,
            delta: config.delta,
            noise_multiplier,
            sample_rate,
            steps,
            clipping: config.clipping,
            rdp: account(Accountant::Rdp)?,
            pld: account(Accountant::Pld)?,
            audit,
            findings,
        };
        report.guarantee &= !report.is_contradicted();
        Ok(report)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::Internal(format!("a privacy report: {e}")))?;
        write_file(&folder.join(FILE), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::Budget;

    #[test]
    fn the_published_run_spent_what_was_reconstructed() {
        // Chobola et al.: 500 records, batches of 8, 70 epochs, delta 1/500.
        let config = PrivacyConfig::new(Budget::Noise { multiplier: 0.8 }, 2e-3);
        let report =
            PrivacyReport::new(&config, Vec::new(), 0.8, 1.0 / 63.0, 4410, 500, None).unwrap();
        let close = |spent: Option<Spent>, expected: f64| {
            let epsilon = spent.unwrap().epsilon;
            assert!((epsilon - expected).abs() < 2e-3, "{epsilon}");
        };
        close(report.rdp, 8.531487);
        close(report.pld, 7.452916);
        assert!(report.guarantee);
    }
}
