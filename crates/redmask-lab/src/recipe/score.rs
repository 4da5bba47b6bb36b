//! Attacks across models as recipes name them: a statistic and the signal it reads.

use redmask_attacks::scores::{
    AttackP, AttackR, Centre, Difficulty, Lira, PopulationPrior, QuantileRegression, Rmia,
    ScoreAttack, ScoreInput, Side, SignalCombination, SignalThreshold, Tail, Variance,
    choose_offline_a,
};
use redmask_attacks::signals::{RecordSignals, Signal, SignalVector};
use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// LiRA. The default signals are the mean margin, the margin within each class, and the Dice loss, all on the logit scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiraConfig {
    /// Online or offline.
    pub side: Side,
    /// The spread.
    #[serde(default)]
    pub variance: Variance,
    /// The centre.
    #[serde(default)]
    pub centre: Centre,
    /// What is read of each answer. Several components, and several queries, count as the mean of their log-ratios unless
    /// the variance is pooled.
    #[serde(default = "lira_signal")]
    pub signal: SignalVector,
    /// Query the mirror image too.
    #[serde(default = "yes")]
    pub mirror: bool,
}

/// RMIA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RmiaConfig {
    /// Online or offline.
    pub side: Side,
    /// The ratio a pair must reach.
    pub gamma: f64,
    /// Signals are divided by it.
    pub temperature: f64,
    /// In `[0, 1]`; chosen on the shadows if absent.
    pub offline_a: Option<f64>,
    /// The prior of population records, offline.
    pub z_prior: PopulationPrior,
    /// A log-likelihood, higher for members.
    pub signal: Signal,
    /// Query the mirror image too; the signals are averaged. For victims trained on mirrored images: where the training does not
    /// mirror, the second query says little of the record and dilutes the first (`docs/results/redmask-kvasir-pool.md`).
    pub mirror: bool,
}

impl Default for RmiaConfig {
    fn default() -> Self {
        let attack = Rmia::default();
        Self {
            side: attack.side,
            gamma: attack.gamma,
            temperature: attack.temperature,
            offline_a: None,
            z_prior: attack.z_prior,
            signal: Signal::Loss,
            mirror: false,
        }
    }
}

/// An attack that reads one scalar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScalarConfig {
    /// The scalar.
    pub signal: Signal,
    /// Query the mirror image too; the signals are averaged. See `RmiaConfig::mirror` for when it pays.
    pub mirror: bool,
}

impl Default for ScalarConfig {
    fn default() -> Self {
        Self {
            signal: Signal::Margin,
            mirror: false,
        }
    }
}

/// Attack-R.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttackRConfig {
    /// The smoothing.
    pub tail: Tail,
    /// The scalar, on the logit scale for a Gaussian tail.
    pub signal: Signal,
    /// Query the mirror image too; the signals are averaged. See `RmiaConfig::mirror` for when it pays.
    pub mirror: bool,
}

impl Default for AttackRConfig {
    fn default() -> Self {
        Self {
            tail: Tail::default(),
            signal: Signal::Margin,
            mirror: false,
        }
    }
}

/// Difficulty calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DifficultyConfig {
    /// 1 for models of the same kind as the target, less for weaker ones.
    pub weight: f64,
    /// The scalar.
    pub signal: Signal,
    /// Query the mirror image too; the signals are averaged. See `RmiaConfig::mirror` for when it pays.
    pub mirror: bool,
}

impl Default for DifficultyConfig {
    fn default() -> Self {
        Self {
            weight: Difficulty::default().weight,
            signal: Signal::Margin,
            mirror: false,
        }
    }
}

fn yes() -> bool {
    true
}

fn lira_signal() -> SignalVector {
    SignalVector::Scalars(vec![
        Signal::Margin,
        Signal::BalancedMargin,
        Signal::DiceLogit,
    ])
}

/// An attack across models, with how an image becomes what it reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ScoreConfig {
    /// The likelihood-ratio attack.
    Lira(LiraConfig),
    /// The robust membership attack.
    Rmia(RmiaConfig),
    /// The target's signals on a population.
    AttackP(ScalarConfig),
    /// The record's signals under models that did not see it.
    AttackR(AttackRConfig),
    /// What signal a record like this should have.
    QuantileRegression(ScalarConfig),
    /// The signal minus what it is without the record.
    Difficulty(DifficultyConfig),
    /// The signal itself.
    Threshold(ScalarConfig),
    /// Several signals at once.
    Combination {
        /// The signals; those of the mirror image are averaged in.
        vector: SignalVector,
    },
}

impl ScoreConfig {
    /// Whether the mirror image is queried.
    pub fn mirror(&self) -> bool {
        match self {
            Self::Lira(c) => c.mirror,
            Self::Rmia(c) => c.mirror,
            Self::AttackR(c) => c.mirror,
            Self::Difficulty(c) => c.mirror,
            Self::AttackP(c) | Self::QuantileRegression(c) | Self::Threshold(c) => c.mirror,
            Self::Combination { .. } => true,
        }
    }

    /// Whether shadows change the scores, so that more of them may change the result.
    pub fn reads_shadows(&self) -> bool {
        !matches!(
            self,
            Self::AttackP(_) | Self::QuantileRegression(_) | Self::Threshold(_)
        )
    }

    /// Whether the attack reads the record's gradient.
    pub fn reads_gradients(&self) -> bool {
        let vector = |vector: &SignalVector| matches!(vector, SignalVector::Scalars(s) if s.contains(&Signal::GradientNorm));
        match self {
            Self::Lira(c) => vector(&c.signal),
            Self::Combination { vector: v } => vector(v),
            Self::Rmia(c) => c.signal == Signal::GradientNorm,
            Self::AttackR(c) => c.signal == Signal::GradientNorm,
            Self::Difficulty(c) => c.signal == Signal::GradientNorm,
            Self::AttackP(c) | Self::QuantileRegression(c) | Self::Threshold(c) => {
                c.signal == Signal::GradientNorm
            }
        }
    }

    /// The fewest shadows, in pairs, that the attack can do with.
    pub fn least_shadows(&self) -> usize {
        match self {
            // A deviation needs two models on a side; so does a difficulty that leaves the shadow itself out.
            Self::Lira(LiraConfig {
                variance: Variance::PerRecord | Variance::Pooled { .. },
                ..
            })
            | Self::AttackR(_)
            | Self::Combination { .. } => 4,
            Self::Lira(_) | Self::Rmia(_) | Self::Difficulty(_) => 2,
            Self::AttackP(_) | Self::QuantileRegression(_) | Self::Threshold(_) => 0,
        }
    }

    /// Whether the attack reads descriptors of records.
    pub fn reads_descriptors(&self) -> bool {
        matches!(self, Self::QuantileRegression(_))
    }

    /// What the attack reads of the answers to all queries of one record.
    ///
    /// # Errors
    /// [`Error::Internal`] if the mirror image was not queried and is wanted.
    pub fn read(&self, queries: &[RecordSignals]) -> Result<Vec<f64>> {
        let wanted = if self.mirror() { 2 } else { 1 };
        let Some(queries) = queries.get(..wanted) else {
            return Err(Error::Internal(format!(
                "{} queries where {wanted} are read",
                queries.len()
            )));
        };
        Ok(match self {
            Self::Lira(c) => queries.iter().flat_map(|q| c.signal.of(q)).collect(),
            Self::Combination { vector } => mean(queries.iter().map(|q| vector.of(q))),
            Self::Rmia(c) => mean(queries.iter().map(|q| vec![c.signal.of(q)])),
            Self::AttackR(c) => mean(queries.iter().map(|q| vec![c.signal.of(q)])),
            Self::Difficulty(c) => mean(queries.iter().map(|q| vec![c.signal.of(q)])),
            Self::AttackP(c) | Self::QuantileRegression(c) | Self::Threshold(c) => {
                mean(queries.iter().map(|q| vec![c.signal.of(q)]))
            }
        })
    }

    /// The attack, with what it chooses on the shadows of `input` chosen.
    ///
    /// # Errors
    /// As [`choose_offline_a`].
    pub fn build(&self, input: &ScoreInput<'_>) -> Result<Box<dyn ScoreAttack>> {
        Ok(match self {
            Self::Lira(c) => Box::new(Lira {
                side: c.side,
                variance: c.variance,
                centre: c.centre,
            }),
            Self::Rmia(c) => Box::new(c.build(input)?),
            Self::AttackP(_) => Box::new(AttackP {}),
            Self::AttackR(c) => Box::new(AttackR { tail: c.tail }),
            Self::QuantileRegression(_) => Box::new(QuantileRegression::default()),
            Self::Difficulty(c) => Box::new(Difficulty { weight: c.weight }),
            Self::Threshold(c) => Box::new(SignalThreshold { signal: c.signal }),
            Self::Combination { .. } => Box::new(SignalCombination::default()),
        })
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// Names the key at fault.
    pub fn validate(&self) -> Result<()> {
        if self.reads_gradients() && self.mirror() {
            return Err(Error::config(
                "mirror",
                "the gradient is taken of the image alone; set mirror = false",
            ));
        }
        let empty = |vector: &SignalVector| *vector == SignalVector::Scalars(Vec::new());
        match self {
            Self::Lira(c) if empty(&c.signal) => {
                Err(Error::config("signal", "there is no signal to read"))
            }
            Self::Combination { vector } if empty(vector) => {
                Err(Error::config("vector", "there is no signal to combine"))
            }
            Self::Lira(LiraConfig {
                variance: Variance::Pooled { shrinkage },
                ..
            }) if !(0.0..=1.0).contains(shrinkage) => Err(Error::config(
                "shrinkage",
                format!("{shrinkage} is not in [0, 1]"),
            )),
            Self::Rmia(c) => {
                let positive = |v: f64| v > 0.0 && v.is_finite();
                if !positive(c.gamma) || !positive(c.temperature) {
                    return Err(Error::config(
                        "rmia",
                        "gamma and temperature must be positive",
                    ));
                }
                match c.offline_a {
                    Some(a) if !(0.0..=1.0).contains(&a) => {
                        Err(Error::config("offline_a", "must lie in [0, 1]"))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// What tells this attack from others of its kind, for people.
    pub fn describe(&self) -> String {
        let scalar = |signal: Signal| signal.name().replace('_', " ");
        let signal = match self {
            Self::Lira(c) => vector_name(&c.signal),
            Self::Combination { vector } => vector_name(vector),
            Self::Rmia(c) => scalar(c.signal),
            Self::AttackR(c) => scalar(c.signal),
            Self::Difficulty(c) => scalar(c.signal),
            Self::AttackP(c) | Self::QuantileRegression(c) | Self::Threshold(c) => scalar(c.signal),
        };
        let queries = if self.mirror() {
            "image and mirror image"
        } else {
            "the image alone"
        };
        format!("Reads {signal} of {queries}.")
    }
}

impl RmiaConfig {
    fn build(&self, input: &ScoreInput<'_>) -> Result<Rmia> {
        let attack = Rmia {
            side: self.side,
            gamma: self.gamma,
            temperature: self.temperature,
            z_prior: self.z_prior,
            ..Rmia::default()
        };
        let enough = input.shadows.is_some_and(|s| s.models() > 4);
        let offline_a = match self.offline_a {
            Some(a) => a,
            // With a pair or two of shadows none is left to choose on.
            None if self.side == Side::Offline && enough => choose_offline_a(&attack, input)?,
            None => attack.offline_a,
        };
        Ok(Rmia {
            offline_a,
            ..attack
        })
    }
}

fn vector_name(vector: &SignalVector) -> String {
    match vector {
        SignalVector::Scalars(scalars) => {
            let names: Vec<String> = scalars.iter().map(|s| s.name().replace('_', " ")).collect();
            names.join(", ")
        }
        SignalVector::LossQuantiles => "loss quantiles".to_owned(),
        SignalVector::Grid2 => "margins on a 2 x 2 grid".to_owned(),
        SignalVector::Grid4 => "margins on a 4 x 4 grid".to_owned(),
        SignalVector::Everything => "every signal".to_owned(),
    }
}

/// The mean of equally long vectors, component by component.
fn mean(vectors: impl ExactSizeIterator<Item = Vec<f64>>) -> Vec<f64> {
    let n = vectors.len() as f64;
    let mut total: Vec<f64> = Vec::new();
    for vector in vectors {
        total.resize(vector.len(), 0.0);
        for (t, v) in total.iter_mut().zip(vector) {
            *t += v / n;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::AttackConfig;

    fn parse(text: &str) -> ScoreConfig {
        let attack: AttackConfig = toml::from_str(text).unwrap();
        attack.score().unwrap()
    }

    fn signals(margin: f64) -> RecordSignals {
        RecordSignals {
            loss: 0.5,
            dice: 0.5,
            margin,
            hinge: 0.0,
            balanced_loss: 0.0,
            balanced_margin: 2.0 * margin,
            boundary_loss: 0.0,
            boundary_margin: 0.0,
            loss_quantiles: [0.0; 5],
            grid2: [0.0; 4],
            grid4: [0.0; 16],
            entropy: 0.0,
            modified_entropy: 0.0,
            pixel_accuracy: 1.0,
            mean_iou: 1.0,
            boundary_f1: 1.0,
            gradient_norm: None,
        }
    }

    #[test]
    fn queries_are_averaged_or_lie_side_by_side() {
        let queries = [signals(1.0), signals(3.0)];
        let difficulty = parse("kind = \"difficulty\"\nmirror = true");
        assert_eq!(difficulty.read(&queries).unwrap(), [2.0]);
        let lira = parse(
            "kind = \"lira\"\nside = \"online\"\nsignal = { scalars = [\"margin\", \"balanced_margin\"] }",
        );
        assert_eq!(lira.read(&queries).unwrap(), [1.0, 2.0, 3.0, 6.0]);
        let alone = parse("kind = \"attack-p\"");
        assert_eq!(alone.read(&queries[..1]).unwrap(), [1.0]);
        assert!(difficulty.read(&queries[..1]).is_err());
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for bad in [
            "kind = \"lira\"\nside = \"online\"\nsignal = { scalars = [] }",
            "kind = \"lira\"\nside = \"online\"\nvariance = { pooled = { shrinkage = 2.0 } }",
            "kind = \"rmia\"\ngamma = 0.0",
            "kind = \"rmia\"\noffline_a = 1.5",
        ] {
            assert!(parse(bad).validate().is_err(), "{bad}");
        }
        assert!(toml::from_str::<AttackConfig>("kind = \"lira\"").is_err());
    }
}
