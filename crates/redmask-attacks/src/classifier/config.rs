//! How the attack classifier is built and trained.

use redmask_nn::classifier::{ClassifierConfig, ResNetClassifierConfig};
use redmask_nn::encoder::ResNetDepth;
use redmask_train::ClassifierTrainConfig;
use serde::{Deserialize, Serialize};

/// What becomes of the model's scores before the classifier sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputForm {
    /// Class probabilities.
    Probabilities,
    /// Margins `ln p_c - ln sum_{j != c} p_j` in units of ten nats, clipped to two units: normalised like probabilities,
    /// but with the differences between certain and very certain pixels, where members differ most.
    #[default]
    Margins,
    /// The scores as the model gives them, logits as a rule; with two classes the foreground's minus the background's.
    Raw,
}

/// Configuration of Type-I and Type-II.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierAttackConfig {
    /// The published form wherever no other key says otherwise: ResNet-34, raw scores, no flips, nothing held out, the
    /// last epoch, batches of 4, `NAdam` at 1e-4, 30 epochs, and the scrambled one-hot mask of the multi-class code.
    pub paper_compat: bool,
    /// The classifier; a small network by default.
    pub architecture: Option<ClassifierConfig>,
    /// Its training; flips and a held-out fifth by default.
    pub training: Option<ClassifierTrainConfig>,
    /// The form of the scores; margins by default.
    pub output: Option<OutputForm>,
}

/// A configuration with nothing left open.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) architecture: ClassifierConfig,
    pub(crate) training: ClassifierTrainConfig,
    pub(crate) output: OutputForm,
    pub(crate) last_epoch: bool,
    pub(crate) scrambled_mask: bool,
}

impl ClassifierAttackConfig {
    /// How the classifier is trained.
    pub fn training(&self) -> ClassifierTrainConfig {
        let default = if self.paper_compat {
            ClassifierTrainConfig {
                held_out: 0.0,
                ..ClassifierTrainConfig::default()
            }
        } else {
            ClassifierTrainConfig {
                horizontal_flip: true,
                vertical_flip: true,
                ..ClassifierTrainConfig::default()
            }
        };
        self.training.clone().unwrap_or(default)
    }

    pub(crate) fn resolve(&self, classes: usize) -> Resolved {
        let published = ClassifierConfig::Resnet(ResNetClassifierConfig {
            depth: ResNetDepth::D34,
            width: 1.0,
            // With two classes the code puts a 1x1 convolution in front of the RGB stem; with more it replaces the stem.
            paper_compat: classes == 2,
        });
        let architecture = if self.paper_compat {
            published
        } else {
            ClassifierConfig::default()
        };
        let output = if self.paper_compat {
            OutputForm::Raw
        } else {
            OutputForm::default()
        };
        Resolved {
            architecture: self.architecture.clone().unwrap_or(architecture),
            training: self.training(),
            output: self.output.unwrap_or(output),
            last_epoch: self.paper_compat,
            scrambled_mask: self.paper_compat && classes > 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paper_compat_fills_what_is_left_open() {
        let text = r#"{"paper_compat": true, "output": "probabilities"}"#;
        let config: ClassifierAttackConfig = serde_json::from_str(text).expect("known keys");
        let resolved = config.resolve(19);
        assert_eq!(resolved.output, OutputForm::Probabilities);
        assert!(resolved.last_epoch && resolved.scrambled_mask);
        let training = &resolved.training;
        assert_eq!(
            (training.held_out, training.batch_size, training.epochs),
            (0.0, 4, 30)
        );
        assert!(!config.resolve(2).scrambled_mask);
    }

    #[test]
    fn the_default_chooses_its_epoch_on_a_held_out_fifth() {
        let resolved = ClassifierAttackConfig::default().resolve(2);
        assert_eq!(resolved.training.held_out, 0.2);
        assert!(resolved.training.horizontal_flip && !resolved.last_epoch);
    }
}
