//! What an attack is given, and the checks that precede any compute.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redmask_core::{Error, Knowledge, Predictor, Result, Seed, SegDataset, ThreatModel};

/// A model the adversary trained, with the records it saw and records it did not see.
#[derive(Clone, Copy)]
pub struct Shadow<'a> {
    /// The shadow model.
    pub predictor: &'a dyn Predictor,
    /// Its training records.
    pub members: &'a dyn SegDataset,
    /// Records of the same distribution that it did not see.
    pub non_members: &'a dyn SegDataset,
    /// The training loss of each mini-batch of its last epoch, in order: what the published global-loss threshold
    /// averages. Empty where unknown.
    pub last_epoch_losses: &'a [f64],
}

impl fmt::Debug for Shadow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shadow")
            .field("members", &self.members.len())
            .field("non_members", &self.non_members.len())
            .finish_non_exhaustive()
    }
}

/// What a target is to the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetRole {
    /// The audited model.
    Victim,
    /// A control: a model that saw neither the members nor the non-members. A sound attack scores it at chance.
    NullVictim,
}

/// A model to attack, with the audited records.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Victim or control.
    pub role: TargetRole,
    /// The attacked model.
    pub predictor: &'a dyn Predictor,
    /// The victim's training records.
    pub members: &'a dyn SegDataset,
    /// Records the victim did not see.
    pub non_members: &'a dyn SegDataset,
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("role", &self.role)
            .field("members", &self.members.len())
            .field("non_members", &self.non_members.len())
            .finish_non_exhaustive()
    }
}

/// Everything an attack is given. Several targets share one fit on the shadows: the victim, its null victim, the same
/// victim at other epochs.
#[derive(Debug, Clone)]
pub struct MembershipInput<'a> {
    /// The adversary's models, none for attacks that need none. All are pooled.
    pub shadows: Vec<Shadow<'a>>,
    /// The attacked models.
    pub targets: Vec<Target<'a>>,
    /// What this adversary knows. [`Knowledge::Architecture`] present makes the attack model-dependent (the shadows
    /// copy the victim's architecture), absent makes it model-agnostic.
    pub knowledge: BTreeSet<Knowledge>,
    /// Images per query of a model.
    pub batch: usize,
    /// The node of the seed tree for this attack.
    pub seed: Seed,
}

impl MembershipInput<'_> {
    /// Checks everything that can be known before compute, and returns the warnings of each target.
    ///
    /// # Errors
    /// - [`Error::Unsupported`] if a model offers less than `needed.access`, or the adversary lacks some of
    ///   `needed.knowledge` (for [`Knowledge::ShadowData`]: has no shadow);
    /// - [`Error::Config`] if a set of records is empty, class counts differ, `batch` is 0, or one record stands on
    ///   both sides of a membership bit.
    pub fn validate(&self, attack: &str, needed: &ThreatModel) -> Result<Vec<Vec<String>>> {
        if self.batch == 0 {
            return Err(Error::config("batch", "must be at least 1"));
        }
        if self.targets.is_empty() {
            return Err(Error::config("targets", "there is no model to attack"));
        }
        self.admit(attack, needed)?;
        let classes = self.targets[0].predictor.class_count();
        for shadow in &self.shadows {
            check_sides("shadow", shadow.members, shadow.non_members)?;
            check_classes("shadow", shadow.predictor, shadow.members, classes)?;
        }
        self.targets
            .iter()
            .map(|target| {
                check_sides("target", target.members, target.non_members)?;
                check_classes("target", target.predictor, target.members, classes)?;
                Ok(split_warnings(target))
            })
            .collect()
    }

    /// `needed` with what else this adversary knows of the victim's model: what the report prints.
    #[must_use]
    pub fn effective_threat_model(&self, needed: &ThreatModel) -> ThreatModel {
        let about_the_model = [Knowledge::Architecture, Knowledge::Training];
        let mut knowledge: BTreeSet<Knowledge> = needed.knowledge.iter().copied().collect();
        if !self.shadows.is_empty() {
            knowledge.extend(
                self.knowledge
                    .iter()
                    .filter(|k| about_the_model.contains(k)),
            );
        }
        ThreatModel {
            access: needed.access,
            knowledge: knowledge.into_iter().collect(),
        }
    }

    fn admit(&self, attack: &str, needed: &ThreatModel) -> Result<()> {
        let models = self
            .targets
            .iter()
            .map(|t| t.predictor)
            .chain(self.shadows.iter().map(|s| s.predictor));
        for model in models {
            needed.admit(attack, model.capability())?;
        }
        for knowledge in &needed.knowledge {
            let absent = !self.knowledge.contains(knowledge)
                || (*knowledge == Knowledge::ShadowData && self.shadows.is_empty());
            if absent {
                return Err(Error::unsupported(
                    format!("the {attack} attack by this adversary"),
                    format!("it needs {knowledge:?}, which the adversary does not have"),
                ));
            }
        }
        Ok(())
    }
}

fn split_warnings(target: &Target<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let member_groups: BTreeSet<_> = (0..target.members.len())
        .map(|i| target.members.group(i))
        .collect();
    let shared = (0..target.non_members.len())
        .map(|i| target.non_members.group(i))
        .filter(|g| member_groups.contains(g))
        .collect::<BTreeSet<_>>()
        .len();
    if shared > 0 {
        warnings.push(format!(
            "{shared} groups have records among the members and the non-members; their records resemble each \
             other, so the attack looks weaker than it is"
        ));
    }
    warnings
}

fn check_classes(
    what: &str,
    predictor: &dyn Predictor,
    data: &dyn SegDataset,
    expected: usize,
) -> Result<()> {
    let (model, table) = (predictor.class_count(), data.class_table().len());
    if model == expected && model == table {
        return Ok(());
    }
    Err(Error::config(
        format!("{what} model"),
        format!(
            "it scores {model} classes, its records have {table} and the first target {expected}"
        ),
    ))
}

/// Both sides hold records, and no record stands on both. Two data sets may use one identifier for different
/// records, so equal identifiers count only with equal content.
fn check_sides(what: &str, members: &dyn SegDataset, others: &dyn SegDataset) -> Result<()> {
    for (side, data) in [("members", members), ("non-members", others)] {
        if data.is_empty() {
            return Err(Error::config(
                format!("{what} {side}"),
                "there is no record",
            ));
        }
    }
    let by_id: BTreeMap<_, _> = (0..members.len()).map(|i| (members.id(i), i)).collect();
    for j in 0..others.len() {
        let id = others.id(j);
        let Some(&i) = by_id.get(&id) else { continue };
        let (a, b) = (members.sample(i)?, others.sample(j)?);
        if a.image == b.image && a.labels == b.labels {
            return Err(Error::config(
                format!("{what} records"),
                format!("{id} is both a member and a non-member"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::{Capability, SegDataset};

    use super::*;
    use crate::testing::{Discs, Memoriser, part};

    fn needed() -> ThreatModel {
        ThreatModel {
            access: Capability::Scores,
            knowledge: vec![Knowledge::GroundTruth, Knowledge::ShadowData],
        }
    }

    fn problem(change: impl FnOnce(&mut MembershipInput<'_>)) -> String {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(12, 8, 1, Seed::root(1)));
        let sides: Vec<_> = (0..4).map(|i| part(&data, 3 * i..3 * i + 3)).collect();
        let victim = Memoriser::new(&sides[0], 1.0, Seed::root(2));
        let shadow = Memoriser::new(&sides[2], 1.0, Seed::root(3));
        let mut input = MembershipInput {
            shadows: vec![Shadow {
                predictor: &shadow,
                members: &sides[2],
                non_members: &sides[3],
                last_epoch_losses: &[],
            }],
            targets: vec![Target {
                role: TargetRole::Victim,
                predictor: &victim,
                members: &sides[0],
                non_members: &sides[1],
            }],
            knowledge: [Knowledge::GroundTruth, Knowledge::ShadowData].into(),
            batch: 4,
            seed: Seed::root(0),
        };
        change(&mut input);
        match input.validate("test", &needed()) {
            Ok(warnings) => format!("{warnings:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_sound_input_has_no_warning() {
        assert_eq!(problem(|_| ()), "[[]]");
    }

    #[test]
    fn an_adversary_without_what_it_needs_is_refused() {
        assert!(problem(|i| i.shadows.clear()).contains("ShadowData"));
        assert!(problem(|i| i.knowledge.clear()).contains("GroundTruth"));
        assert!(problem(|i| i.batch = 0).contains("batch"));
        assert!(problem(|i| i.targets.clear()).contains("no model"));
    }

    #[test]
    fn one_record_on_both_sides_is_refused_by_name() {
        let found = problem(|i| i.targets[0].non_members = i.targets[0].members);
        assert!(found.contains("all/0000 is both"), "{found}");
    }

    #[test]
    fn a_label_only_model_is_refused_before_compute() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(4, 8, 1, Seed::root(1)));
        let (members, others) = (part(&data, 0..2), part(&data, 2..4));
        let model = Memoriser::new(&members, 1.0, Seed::root(2)).labels_only();
        let input = MembershipInput {
            shadows: Vec::new(),
            targets: vec![Target {
                role: TargetRole::Victim,
                predictor: &model,
                members: &members,
                non_members: &others,
            }],
            knowledge: BTreeSet::new(),
            batch: 1,
            seed: Seed::root(0),
        };
        let threat = ThreatModel {
            access: Capability::Scores,
            knowledge: Vec::new(),
        };
        let error = input
            .validate("test", &threat)
            .expect_err("labels are not scores");
        assert!(error.to_string().contains("needs Scores"), "{error}");
    }

    #[test]
    fn groups_on_both_sides_are_a_warning() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(6, 8, 2, Seed::root(1)));
        let (members, others) = (part(&data, 0..3), part(&data, 3..6));
        let model = Memoriser::new(&members, 1.0, Seed::root(2));
        let target = Target {
            role: TargetRole::Victim,
            predictor: &model,
            members: &members,
            non_members: &others,
        };
        let warnings = split_warnings(&target);
        assert!(warnings[0].starts_with("1 groups"), "{warnings:?}");
    }
}
