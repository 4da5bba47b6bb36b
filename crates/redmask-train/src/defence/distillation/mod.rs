//! Knowledge distillation: the network that is released never saw the private records.

mod lesson;
mod pseudo_labelled;
mod soft;

use redmask_core::{Error, Result};
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::predictor::NetworkPredictor;
use serde::{Deserialize, Serialize};

use self::lesson::{Labels, teach};
pub use self::lesson::{Lesson, Selection, TeacherLabels};
use self::pseudo_labelled::PseudoLabelled;
use self::soft::SoftObjective;
use super::{DefendedOutcome, DefendedSets};
use crate::sampler::batches_per_epoch;
use crate::segmentation::{Sets, TrainConfig, train_segmentation, train_with};
use crate::trainer::TrainRun;

/// Distillation for membership privacy (Shejwalkar and Houmansadr, AAAI 2021, arXiv 1906.06589) as Chobola et al.
/// (arXiv 2212.01082) use it: a teacher is trained on the private records, and a student of the same architecture learns from
/// the teacher's answers to those reference records that the teacher does well on.
///
/// Records are chosen by the teacher's loss or its entropy. The first needs the true masks of the reference records, which
/// the student does not see; its threshold, the teacher's mean loss on the held-out records, tells the student one number
/// about the audited non-members.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillationConfig {
    /// What the student learns from.
    pub labels: TeacherLabels,
    /// Which reference records it learns from.
    pub selection: Selection,
    /// The published code: with two classes, foreground where the logit is above 1/2, that is where the probability is above
    /// 0.622. Hard labels and selection by loss only.
    pub paper_compat: bool,
}

impl Default for DistillationConfig {
    fn default() -> Self {
        Self {
            labels: TeacherLabels::Hard,
            selection: Selection::Loss,
            paper_compat: false,
        }
    }
}

impl DistillationConfig {
    pub(super) fn validate(&self) -> Result<()> {
        if let TeacherLabels::Soft { temperature } = self.labels
            && !(temperature.is_finite() && temperature > 0.0)
        {
            return Err(Error::config(
                "distillation.labels.temperature",
                format!("{temperature} is not a positive number"),
            ));
        }
        if let Selection::Entropy { share } = self.selection
            && !(share > 0.0 && share <= 1.0)
        {
            return Err(Error::config(
                "distillation.selection.share",
                format!("{share} is not in (0, 1]"),
            ));
        }
        if self.paper_compat
            && (self.labels != TeacherLabels::Hard || self.selection != Selection::Loss)
        {
            return Err(Error::config(
                "distillation",
                "the published form has hard labels and a selection by loss",
            ));
        }
        Ok(())
    }
}

pub(super) fn train(
    architecture: &NetworkConfig,
    network: SegmentationNetwork,
    sets: DefendedSets<'_>,
    config: &TrainConfig,
    distillation: &DistillationConfig,
    teacher: &NetworkPredictor,
    run: &TrainRun<'_>,
) -> Result<DefendedOutcome> {
    let reference = sets
        .reference
        .ok_or_else(|| Error::Internal("a distillation without reference records".into()))?;
    if teacher.config().outputs() != architecture.outputs() {
        return Err(Error::Internal(
            "a teacher of other classes than the student's".into(),
        ));
    }
    let (lesson, labels) = teach(
        teacher,
        reference,
        sets.validation,
        config,
        distillation,
        run,
    )?;
    lesson.write(run.folder)?;
    let method = (distillation, teacher.fingerprint()?);
    let train_set = PseudoLabelled::new(reference, &lesson.kept, &labels, &method)?;
    let training = match &labels {
        Labels::Hard(_) => train_segmentation(
            architecture,
            network,
            &train_set,
            sets.validation,
            config,
            run,
        )?,
        Labels::Soft(probabilities) => {
            if config.augmentation != redmask_data::Augmentation::default() {
                return Err(Error::config(
                    "distillation.labels",
                    "soft labels do not move with an augmented image; use hard ones, or no augmentation",
                ));
            }
            let steps = batches_per_epoch(lesson.kept.len(), config.batch_size, config.drop_last);
            let plain = Sets {
                train: &train_set,
                validation: sets.validation,
            };
            train_with(
                architecture,
                network,
                plain,
                config,
                &method,
                steps,
                run,
                |inner| {
                    Ok(SoftObjective {
                        inner,
                        probabilities,
                    })
                },
            )?
        }
    };
    Ok(DefendedOutcome {
        training,
        privacy: None,
        lesson: Some(lesson),
    })
}
