//! Privacy defences that change how a network is trained.
//!
//! Each is a configuration and, where it changes the loop, an objective around that of ordinary training, so that all of
//! them log, stop and resume alike.

mod crop;
mod disjoint;
mod distillation;
mod early_stopping;
mod min_max;
mod mix_up;
mod regularisation;
mod reshaped;

use redmask_core::{Error, Result, SegDataset};
use redmask_nn::block::NormKind;
use redmask_nn::network::{NetworkConfig, SegmentationNetwork};
use redmask_nn::predictor::NetworkPredictor;
use serde::{Deserialize, Serialize};

pub use crop::CropConfig;
pub use distillation::{DistillationConfig, Lesson, Selection, TeacherLabels};
pub use early_stopping::EarlyStoppingConfig;
pub use min_max::MinMaxConfig;
pub use mix_up::MixUpConfig;
pub use regularisation::{DpSgdConfig, DropoutConfig, LabelSmoothingConfig, WeightDecayConfig};

use self::disjoint::refuse_overlap;
use self::early_stopping::EarlyStoppingObjective;
use self::min_max::{Attacker, MinMaxObjective};
use self::reshaped::{Reshape, ReshapedObjective};
use crate::private::{PrivacyReport, train_privately};
use crate::sampler::batches_per_epoch;
use crate::segmentation::{
    Records, Sets, TrainConfig, TrainOutcome, train_segmentation, train_with,
};
use crate::trainer::TrainRun;

/// A defence of the training, tagged by `kind`.
///
/// ```
/// use redmask_train::defence::TrainingDefence;
/// let crop: TrainingDefence = serde_json::from_str(r#"{"kind": "crop", "size": [128, 128]}"#).unwrap();
/// assert!(!crop.needs_reference());
/// assert!(serde_json::from_str::<TrainingDefence>(r#"{"kind": "crop", "sise": [8, 8]}"#).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TrainingDefence {
    /// Random crops of each image instead of the whole (Chobola et al., arXiv 2212.01082, section 3.2).
    Crop(CropConfig),
    /// Images put together from vertical slices of several (Chobola et al., Algorithm 1).
    MixUp(MixUpConfig),
    /// An adversary trained alongside, whose gain is a penalty (Nasr et al., CCS 2018, arXiv 1807.05852).
    MinMax(MinMaxConfig),
    /// A student that learns from a teacher's answers to reference records (Shejwalkar and Houmansadr, AAAI 2021,
    /// arXiv 1906.06589).
    Distillation(DistillationConfig),
    /// Dropped channels.
    Dropout(DropoutConfig),
    /// Shrunken weights.
    WeightDecay(WeightDecayConfig),
    /// The end of training when held-out records stop to profit.
    EarlyStopping(EarlyStoppingConfig),
    /// Targets short of certainty.
    LabelSmoothing(LabelSmoothingConfig),
    /// Differential privacy.
    DpSgd(DpSgdConfig),
}

/// The records of a defended training.
#[derive(Clone, Copy)]
pub struct DefendedSets<'a> {
    /// The private records.
    pub train: &'a dyn SegDataset,
    /// Records that are measured on after epochs.
    pub validation: Option<&'a dyn SegDataset>,
    /// Records of the same distribution that nobody audits.
    pub reference: Option<&'a dyn SegDataset>,
}

impl std::fmt::Debug for DefendedSets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DefendedSets")
            .field("train", &self.train.len())
            .field("validation", &self.validation.map(SegDataset::len))
            .field("reference", &self.reference.map(SegDataset::len))
            .finish()
    }
}

/// A defended network, and what its defence has to say.
#[derive(Debug)]
pub struct DefendedOutcome {
    /// The training.
    pub training: TrainOutcome,
    /// What is guaranteed, under differential privacy.
    pub privacy: Option<PrivacyReport>,
    /// What the student learned from, under distillation.
    pub lesson: Option<Lesson>,
}

impl From<TrainOutcome> for DefendedOutcome {
    fn from(training: TrainOutcome) -> Self {
        Self {
            training,
            privacy: None,
            lesson: None,
        }
    }
}

impl TrainingDefence {
    /// # Errors
    /// If a value lies outside its range; the key is named.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Crop(config) => config.validate(),
            Self::MixUp(config) => config.validate(),
            Self::MinMax(config) => config.validate(),
            Self::Distillation(config) => config.validate(),
            Self::Dropout(config) => config.validate(),
            Self::WeightDecay(config) => config.validate(),
            Self::EarlyStopping(config) => config.validate(),
            Self::LabelSmoothing(config) => config.validate(),
            Self::DpSgd(config) => config.privacy.validate(),
        }
    }

    /// Whether it cannot do without reference records.
    pub fn needs_reference(&self) -> bool {
        match self {
            Self::MinMax(config) => !config.paper_compat,
            Self::Distillation(_) => true,
            _ => false,
        }
    }

    /// Whether it needs a trained teacher.
    pub fn needs_teacher(&self) -> bool {
        matches!(self, Self::Distillation(_))
    }

    /// Whether this is the published form rather than the corrected one.
    pub fn paper_compat(&self) -> bool {
        match self {
            Self::Crop(config) => config.paper_compat,
            Self::MixUp(config) => config.paper_compat,
            Self::MinMax(config) => config.paper_compat,
            Self::Distillation(config) => config.paper_compat,
            Self::DpSgd(config) => config.privacy.paper_compat,
            _ => false,
        }
    }

    /// The network that is trained where the recipe says `undefended`.
    ///
    /// # Errors
    /// If the network cannot have what the defence adds.
    pub fn architecture(&self, undefended: &NetworkConfig) -> Result<NetworkConfig> {
        match self {
            Self::Dropout(config) => config.architecture(undefended),
            Self::DpSgd(config) if config.group_norm => {
                let mut network = undefended.clone();
                network.set_norm(NormKind::Group);
                Ok(network)
            }
            _ => Ok(undefended.clone()),
        }
    }

    /// The training that is run where the recipe says `undefended`.
    pub fn training(&self, undefended: &TrainConfig) -> TrainConfig {
        let mut config = undefended.clone();
        match self {
            Self::WeightDecay(decay) => decay.apply(&mut config),
            Self::LabelSmoothing(smoothing) => smoothing.apply(&mut config),
            Self::DpSgd(private) => private.apply(&mut config),
            _ => {}
        }
        config
    }
}

/// Trains `network` under a defence. `architecture` and `config` are what [`TrainingDefence::architecture`] and
/// [`TrainingDefence::training`] gave. Logs, resumes and reads back like [`train_segmentation`].
///
/// # Errors
/// As `train_segmentation`; if the defence needs reference records or a teacher that are not given, the reference shares
/// records or groups with the private set (or, unless published so, with the validation set), a crop is larger than an
/// image, or the privacy linter refuses.
pub fn train_defended(
    architecture: &NetworkConfig,
    network: SegmentationNetwork,
    sets: DefendedSets<'_>,
    config: &TrainConfig,
    defence: &TrainingDefence,
    teacher: Option<&NetworkPredictor>,
    run: &TrainRun<'_>,
) -> Result<DefendedOutcome> {
    config.validate()?;
    defence.validate()?;
    if let Some(reference) = sets.reference {
        refuse_overlap("the private training records", sets.train, reference)?;
        if let (Some(validation), false) = (sets.validation, defence.paper_compat()) {
            refuse_overlap("the held-out records", validation, reference)?;
        }
    }
    let plain = Sets {
        train: sets.train,
        validation: sets.validation,
    };
    let steps = batches_per_epoch(sets.train.len(), config.batch_size, config.drop_last);
    let classes = architecture.class_count();
    let open = |set| Records::open(set, classes, run.memory_budget, run.session);
    match defence {
        TrainingDefence::Crop(crop) => {
            crop.check(sets.train)?;
            train_with(
                architecture,
                network,
                plain,
                config,
                defence,
                steps,
                run,
                |inner| Ok(ReshapedObjective::new(inner, Reshape::Crop(*crop))),
            )
            .map(Into::into)
        }
        TrainingDefence::MixUp(mix) => train_with(
            architecture,
            network,
            plain,
            config,
            defence,
            steps,
            run,
            |inner| Ok(ReshapedObjective::new(inner, Reshape::MixUp(*mix))),
        )
        .map(Into::into),
        TrainingDefence::MinMax(min_max) => {
            let non_members = if min_max.paper_compat {
                sets.validation
            } else {
                sets.reference
            };
            let non_members = needed(non_members, "min-max")?;
            let method = (defence, non_members.fingerprint());
            train_with(
                architecture,
                network,
                plain,
                config,
                &method,
                steps,
                run,
                |inner| {
                    Ok(MinMaxObjective {
                        non_members: open(non_members)?,
                        attacker: Attacker::new(min_max, architecture, run.seed, &inner.device)?,
                        inner,
                    })
                },
            )
            .map(Into::into)
        }
        TrainingDefence::EarlyStopping(stopping) => {
            let watched = needed(sets.reference.or(sets.validation), "early-stopping")?;
            let method = (defence, watched.fingerprint());
            train_with(
                architecture,
                network,
                plain,
                config,
                &method,
                steps,
                run,
                |inner| {
                    Ok(EarlyStoppingObjective::new(
                        inner,
                        open(watched)?,
                        *stopping,
                    ))
                },
            )
            .map(Into::into)
        }
        TrainingDefence::Distillation(distillation) => {
            let reference = needed(sets.reference, "distillation")?;
            let teacher = teacher
                .ok_or_else(|| Error::Internal("a distillation without a teacher".into()))?;
            let sets = DefendedSets {
                reference: Some(reference),
                ..sets
            };
            distillation::train(
                architecture,
                network,
                sets,
                config,
                distillation,
                teacher,
                run,
            )
        }
        TrainingDefence::DpSgd(private) => {
            let outcome = train_privately(
                architecture,
                network,
                sets.train,
                sets.validation,
                config,
                &private.privacy,
                run,
            )?;
            Ok(DefendedOutcome {
                training: outcome.training,
                privacy: Some(outcome.privacy),
                lesson: None,
            })
        }
        TrainingDefence::Dropout(_)
        | TrainingDefence::WeightDecay(_)
        | TrainingDefence::LabelSmoothing(_) => train_segmentation(
            architecture,
            network,
            sets.train,
            sets.validation,
            config,
            run,
        )
        .map(Into::into),
    }
}

fn needed<'a>(set: Option<&'a dyn SegDataset>, defence: &str) -> Result<&'a dyn SegDataset> {
    set.filter(|set| !set.is_empty()).ok_or_else(|| {
        Error::config(
            format!("defence of kind `{defence}`"),
            "it needs reference records, and there are none",
        )
        .with_hint("set split.reference to a number of records per side")
    })
}
