//! The attacks of an audit: all that need no training of the auditor's own.

use redmask_attacks::membership::{
    Decision, MembershipOutcome, Target, ThresholdSource, best_balanced_threshold,
};
use redmask_attacks::scores::{
    AttackP, AttackR, Difficulty, Lira, Population, QuantileRegression, Rmia, ScoreAttack,
    ScoreInput, ShadowScores,
};
use redmask_attacks::signals::Signal;
use redmask_core::{Access, Capability, Knowledge, Result, ThreatModel};

use super::observe::Observation;

/// Everything that was observed of one audited model, with what it is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// The audited model on the members and on the non-members.
    pub(crate) target: [&'a [Observation]; 2],
    /// The audited model on known non-members.
    pub(crate) population: Option<&'a [Observation]>,
    /// Models that saw none of the records.
    pub(crate) references: &'a [Reference],
    /// What the records look like, members, non-members and population.
    pub(crate) descriptors: Option<&'a [Vec<Vec<f64>>]>,
}

/// A model that saw none of the records.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// On members and non-members.
    pub(crate) target: [Vec<Observation>; 2],
    /// On the population.
    pub(crate) population: Option<Vec<Observation>>,
}

/// An attack of the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Play {
    /// A threshold on one signal of the plain record.
    Threshold(Signal),
    /// A threshold on the margin, averaged over the record and its views.
    MultiQuery,
    /// Pixel accuracy, averaged over the record and its views: what labels alone tell.
    LabelOnly,
    /// How little the labels move with the views.
    Steadiness,
    /// A threshold on the gradient norm.
    GradientNorm,
    /// Attack-P.
    AttackP,
    /// Quantile regression on the population.
    QuantileRegression,
    /// The loss minus the references' mean loss.
    Difficulty,
    /// Attack-R.
    AttackR,
    /// LiRA with models that did not see the record.
    LiraOffline,
    /// RMIA with models that did not see the record.
    RmiaOffline,
}

/// Attacks in the order of the report.
pub(crate) const PLAYS: [Play; 17] = [
    Play::Threshold(Signal::Dice),
    Play::Threshold(Signal::Loss),
    Play::Threshold(Signal::Margin),
    Play::Threshold(Signal::BalancedMargin),
    Play::Threshold(Signal::BoundaryLoss),
    Play::Threshold(Signal::Entropy),
    Play::Threshold(Signal::ModifiedEntropy),
    Play::MultiQuery,
    Play::LabelOnly,
    Play::Steadiness,
    Play::GradientNorm,
    Play::AttackP,
    Play::QuantileRegression,
    Play::Difficulty,
    Play::AttackR,
    Play::LiraOffline,
    Play::RmiaOffline,
];

/// Attacks that an audit never runs, and why.
pub(crate) const NEVER: [(&str, &str); 4] = [
    (
        "lira_online",
        "it needs models trained with each record; a recipe trains them",
    ),
    (
        "rmia_online",
        "it needs models trained with each record; a recipe trains them",
    ),
    (
        "type_i",
        "its classifier learns from a shadow model; a recipe trains one",
    ),
    (
        "type_ii",
        "its classifier learns from a shadow model; a recipe trains one",
    ),
];

/// One attack that ran.
#[derive(Debug, Clone)]
pub(crate) struct Played {
    pub(crate) play: Play,
    pub(crate) outcome: MembershipOutcome,
}

impl Play {
    /// The name in results.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Threshold(Signal::Dice) => "global_loss".to_owned(),
            Self::Threshold(signal) => format!("threshold_{}", signal.name()),
            Self::MultiQuery => "multi_query".to_owned(),
            Self::LabelOnly => "label_only".to_owned(),
            Self::Steadiness => "label_steadiness".to_owned(),
            Self::GradientNorm => "gradient_norm".to_owned(),
            Self::AttackP => "attack_p".to_owned(),
            Self::QuantileRegression => "quantile_regression".to_owned(),
            Self::Difficulty => "difficulty".to_owned(),
            Self::AttackR => "attack_r".to_owned(),
            Self::LiraOffline => "lira_offline".to_owned(),
            Self::RmiaOffline => "rmia_offline".to_owned(),
        }
    }

    /// As printed.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Threshold(Signal::Dice) => "Global loss (Dice)",
            Self::Threshold(Signal::Loss) => "Cross-entropy threshold",
            Self::Threshold(Signal::Margin) => "Margin threshold",
            Self::Threshold(Signal::BalancedMargin) => "Class-balanced margin",
            Self::Threshold(Signal::BoundaryLoss) => "Boundary loss",
            Self::Threshold(Signal::Entropy) => "Entropy threshold",
            Self::Threshold(Signal::ModifiedEntropy) => "Modified entropy",
            Self::Threshold(_) => "Threshold",
            Self::MultiQuery => "Margin over views",
            Self::LabelOnly => "Label-only",
            Self::Steadiness => "Label steadiness",
            Self::GradientNorm => "Gradient norm",
            Self::AttackP => "Attack-P",
            Self::QuantileRegression => "Quantile regression",
            Self::Difficulty => "Difficulty-calibrated",
            Self::AttackR => "Attack-R",
            Self::LiraOffline => "LiRA, offline",
            Self::RmiaOffline => "RMIA, offline",
        }
    }

    /// What the adversary sees and knows.
    pub(crate) fn threat_model(self) -> ThreatModel {
        let (access, knowledge) = match self {
            Self::Threshold(signal) => (
                signal.access(),
                if signal.needs_mask() {
                    vec![Knowledge::GroundTruth]
                } else {
                    Vec::new()
                },
            ),
            Self::MultiQuery => (Access::Scores, vec![Knowledge::GroundTruth]),
            Self::LabelOnly => (Access::Labels, vec![Knowledge::GroundTruth]),
            Self::Steadiness => (Access::Labels, Vec::new()),
            Self::GradientNorm => (Access::Gradients, vec![Knowledge::GroundTruth]),
            Self::AttackP => return AttackP::default().threat_model(),
            Self::QuantileRegression => return QuantileRegression::default().threat_model(),
            Self::Difficulty => return Difficulty::default().threat_model(),
            Self::AttackR => return AttackR::default().threat_model(),
            Self::LiraOffline => return Lira::offline().threat_model(),
            Self::RmiaOffline => return Rmia::default().threat_model(),
        };
        ThreatModel { access, knowledge }
    }

    /// The signal that the attack reads.
    pub(crate) fn signal(self) -> Signal {
        match self {
            Self::Threshold(signal) => signal,
            Self::LabelOnly | Self::Steadiness => Signal::PixelAccuracy,
            Self::MultiQuery | Self::QuantileRegression | Self::LiraOffline => Signal::Margin,
            Self::AttackR => Signal::Confidence,
            Self::GradientNorm | Self::AttackP | Self::Difficulty | Self::RmiaOffline => {
                Signal::Loss
            }
        }
    }

    /// Why the attack cannot run; `None` if it can.
    pub(crate) fn refusal(self, offered: Capability, evidence: &Evidence<'_>) -> Option<String> {
        let needed = self.threat_model().access;
        if offered < needed {
            return Some(format!(
                "it needs {}, the model offers {}",
                word(needed),
                word(offered)
            ));
        }
        let all = || evidence.target.iter().flat_map(|side| side.iter());
        let references = evidence.references.len();
        match self {
            Self::MultiQuery | Self::Steadiness if all().any(|o| o.views.is_empty()) => Some(
                "it asks about changed images, which this model was not or cannot be asked"
                    .to_owned(),
            ),
            Self::GradientNorm if all().any(|o| o.gradient.is_none()) => {
                Some("gradients were not asked for".to_owned())
            }
            Self::AttackP | Self::QuantileRegression if evidence.population.is_none() => {
                Some("it needs known non-members: --population".to_owned())
            }
            Self::QuantileRegression
                if evidence
                    .population
                    .is_some_and(|p| p.len() < LEAST_POPULATION) =>
            {
                Some(format!(
                    "a regression needs a population of at least {LEAST_POPULATION} records"
                ))
            }
            Self::Difficulty | Self::RmiaOffline if references == 0 => {
                Some("it needs a model that saw none of the records: --reference-model".to_owned())
            }
            Self::RmiaOffline if evidence.population.is_none() => {
                Some("it needs known non-members: --population".to_owned())
            }
            Self::AttackR | Self::LiraOffline if references < 2 => Some(
                "it needs at least two models that saw none of the records: --reference-model"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Scores of the audited records, members first; then those of the population, where it has comparable ones.
    fn scores(self, evidence: &Evidence<'_>) -> Result<(Vec<f64>, Option<Vec<f64>>)> {
        let of_record: fn(Self, &Observation) -> f64 = |play, o| match play {
            Self::MultiQuery => mean_over_views(o, o.signals.margin, |v| v.margin),
            Self::LabelOnly => mean_over_views(o, o.signals.pixel_accuracy, |v| v.pixel_accuracy),
            Self::Steadiness => mean(o.views.iter().map(|v| v.steadiness)),
            Self::GradientNorm => o.gradient.map_or(0.0, |g| -g.whole),
            other => other.signal().of(&o.signals),
        };
        let signals = |records: &[Observation]| -> Vec<f64> {
            records.iter().map(|o| of_record(self, o)).collect()
        };
        let target = [signals(evidence.target[0]), signals(evidence.target[1])].concat();
        let population = evidence.population.map(signals);
        let attack: Box<dyn ScoreAttack> = match self {
            Self::AttackP => Box::new(AttackP::default()),
            Self::QuantileRegression => Box::new(QuantileRegression::default()),
            Self::Difficulty => Box::new(Difficulty::default()),
            Self::AttackR => Box::new(AttackR::default()),
            Self::LiraOffline => Box::new(Lira::offline()),
            Self::RmiaOffline => Box::new(Rmia::default()),
            _ => return Ok((target, population)),
        };
        let shadows = side_by_side(evidence.references, |reference| {
            reference
                .target
                .iter()
                .flatten()
                .map(|o| of_record(self, o))
                .collect()
        })?;
        let population_shadows = match evidence.population {
            Some(_) => side_by_side(evidence.references, |reference| {
                reference
                    .population
                    .iter()
                    .flatten()
                    .map(|o| of_record(self, o))
                    .collect()
            })?,
            None => None,
        };
        let rows = |range: std::ops::Range<usize>| -> Vec<Vec<f64>> {
            evidence
                .descriptors
                .map_or_else(Vec::new, |sets| sets[range].concat())
        };
        let (audited, others) = (
            rows(0..2),
            rows(2..evidence.descriptors.map_or(2, <[_]>::len)),
        );
        let given = evidence.descriptors.is_some();
        let input = ScoreInput {
            target: &target,
            shadows: shadows.as_ref(),
            population: population.as_ref().map(|signals| Population {
                target: signals,
                shadows: population_shadows.as_ref(),
                descriptors: given.then_some(others.as_slice()),
            }),
            descriptors: given.then_some(audited.as_slice()),
        };
        let scores = attack.scores(&input)?;
        // The regression was fitted on the population, whose own residuals are too small to calibrate with.
        let comparable = match (self, &population) {
            (Self::QuantileRegression, _) | (_, None) => None,
            (_, Some(signals)) => Some(attack.scores(&ScoreInput {
                target: signals,
                shadows: population_shadows.as_ref(),
                ..input
            })?),
        };
        Ok((scores, comparable))
    }

    /// Runs the attack on records that were observed.
    pub(crate) fn run(self, target: &Target<'_>, evidence: &Evidence<'_>) -> Result<Played> {
        let (scores, population) = self.scores(evidence)?;
        let (members, others) = scores.split_at(evidence.target[0].len());
        let decision = match (self, population) {
            // The score is a share of the population, or a deviation from what the population leads to expect.
            (Self::AttackP, _) => at_population(1.0 - FALSE_ALARMS),
            (Self::QuantileRegression, _) => at_population(NORMAL_95),
            (_, Some(population)) => at_population(upper_quantile(population)),
            (_, None) => Decision {
                threshold: best_balanced_threshold(members, others)?,
                source: ThresholdSource::Oracle,
            },
        };
        let outcome = MembershipOutcome::new(
            &self.name(),
            self.threat_model(),
            target,
            members,
            others,
            decision,
        )?;
        Ok(Played {
            play: self,
            outcome,
        })
    }
}

/// The false-alarm rate on the population at which thresholds are set.
pub(crate) const FALSE_ALARMS: f64 = 0.05;

/// The 95 % quantile of the standard Gaussian.
const NORMAL_95: f64 = 1.644_853_626_951_472_2;

/// Fewer records than this say nothing to a regression on a hundred descriptors under five-fold cross-validation.
const LEAST_POPULATION: usize = 20;

fn at_population(threshold: f64) -> Decision {
    Decision {
        threshold,
        source: ThresholdSource::Population,
    }
}

/// The least threshold that at most one in twenty of the population reaches.
fn upper_quantile(mut population: Vec<f64>) -> f64 {
    population.sort_unstable_by(f64::total_cmp);
    let allowed = (population.len() as f64 * FALSE_ALARMS).floor() as usize;
    population[population.len() - 1 - allowed].next_up()
}

fn word(access: Capability) -> &'static str {
    match access {
        Capability::Labels => "labels",
        Capability::Scores => "class scores",
        Capability::Gradients => "gradients",
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

fn mean_over_views(
    o: &Observation,
    plain: f64,
    of: fn(&redmask_attacks::signals::ViewSignals) -> f64,
) -> f64 {
    let total: f64 = o.views.iter().map(of).sum();
    (plain + total) / (o.views.len() + 1) as f64
}

/// Signals under every reference, `[records, models]`; `None` without references.
fn side_by_side(
    references: &[Reference],
    of: impl Fn(&Reference) -> Vec<f64>,
) -> Result<Option<ShadowScores>> {
    let columns: Vec<Vec<f64>> = references.iter().map(of).collect();
    let Some(records) = columns.first().map(Vec::len).filter(|&n| n > 0) else {
        return Ok(None);
    };
    let models = columns.len();
    let values = (0..records)
        .flat_map(|r| columns.iter().map(move |column| column[r]))
        .collect();
    ShadowScores::new(models, 1, values, vec![false; records * models]).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_in_twenty_of_the_population_is_accused() {
        let population: Vec<f64> = (0..40).map(f64::from).collect();
        let threshold = upper_quantile(population.clone());
        let accused = population.iter().filter(|&&s| s >= threshold).count();
        assert_eq!(accused, 2);
        // Ties are accused together, so none of them is.
        assert!(upper_quantile(vec![1.0; 10]) > 1.0);
    }

    #[test]
    fn names_are_unique_and_fit_for_results() {
        let names: Vec<String> = PLAYS.iter().map(|p| p.name()).collect();
        for name in &names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }
}
