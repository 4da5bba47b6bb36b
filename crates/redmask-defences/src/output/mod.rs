//! Output defences: the same model, answering with less.

mod argmax;
mod gaussian;
mod rounding;
mod temperature;
mod top_k;

use redmask_core::{Capability, Prediction, Predictor, Result, Sample, ScoreKind, Scores, Seed};
use serde::{Deserialize, Serialize};

pub use argmax::{ArgmaxAnswer, ArgmaxConfig};
pub use gaussian::GaussianConfig;
pub use rounding::RoundingConfig;
pub use temperature::TemperatureConfig;
pub use top_k::TopKConfig;

use crate::statement::{Need, Statement};
use crate::tiled::{TiledConfig, TiledPredictor};

/// No probability is answered below this, so that no loss is infinite: the floor of the published evaluations.
pub const FLOOR: f32 = 1e-6;

/// An output defence, tagged by `kind`.
///
/// ```
/// use redmask_defences::output::OutputDefence;
/// let noise: OutputDefence = serde_json::from_str(r#"{"kind": "gaussian-noise", "deviation": 0.1}"#).unwrap();
/// assert!(noise.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OutputDefence {
    /// Only the class of each pixel.
    Argmax(ArgmaxConfig),
    /// Noise on every probability.
    GaussianNoise(GaussianConfig),
    /// Fewer decimals.
    Rounding(RoundingConfig),
    /// Flatter or sharper probabilities.
    Temperature(TemperatureConfig),
    /// Only the likeliest classes.
    TopK(TopKConfig),
    /// The image in tiles; what a model trained on crops is used with.
    Tiled(TiledConfig),
}

impl OutputDefence {
    /// # Errors
    /// If a value lies outside its range; the key is named.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Argmax(_) => Ok(()),
            Self::GaussianNoise(config) => config.validate(),
            Self::Rounding(config) => config.validate(),
            Self::Temperature(config) => config.validate(),
            Self::TopK(config) => config.validate(),
            Self::Tiled(config) => config.validate(),
        }
    }

    /// What the defender needs, and what the adversary still sees.
    pub fn statement(&self) -> Statement {
        let access = match self {
            Self::Argmax(config) if !config.paper_compat => Capability::Labels,
            _ => Capability::Scores,
        };
        Statement::empirical(&[Need::Answers], access)
    }

    /// Puts the defence in front of `model`. `seed` is the secret of defences that draw; equal queries get equal
    /// answers, so that asking again averages nothing out.
    pub fn wrap<'a>(&self, model: Box<dyn Predictor + 'a>, seed: Seed) -> Box<dyn Predictor + 'a> {
        match self {
            Self::Tiled(config) => Box::new(TiledPredictor::new(model, *config)),
            _ => Box::new(Defended {
                model,
                defence: *self,
                seed,
            }),
        }
    }

    /// Whether only the published form is asked for.
    pub fn paper_compat(&self) -> bool {
        matches!(self, Self::Argmax(config) if config.paper_compat)
    }
}

/// A model behind an output defence.
struct Defended<'a> {
    model: Box<dyn Predictor + 'a>,
    defence: OutputDefence,
    seed: Seed,
}

impl Predictor for Defended<'_> {
    fn capability(&self) -> Capability {
        let answers = match self.defence {
            OutputDefence::Argmax(config) if config.answer == ArgmaxAnswer::Labels => {
                Capability::Labels
            }
            // White-box access would step around any of them.
            _ => Capability::Scores,
        };
        answers.min(self.model.capability())
    }

    fn class_count(&self) -> usize {
        self.model.class_count()
    }

    fn predict(&self, batch: &[&Sample]) -> Result<Prediction> {
        let prediction = self.model.predict(batch)?;
        match &self.defence {
            OutputDefence::Argmax(config) => config.apply(prediction, self.class_count()),
            OutputDefence::GaussianNoise(config) => {
                scores(prediction, |s| config.apply(s, batch, self.seed))
            }
            OutputDefence::Rounding(config) => scores(prediction, |s| config.apply(s)),
            OutputDefence::Temperature(config) => scores(prediction, |s| config.apply(s)),
            OutputDefence::TopK(config) => scores(prediction, |s| config.apply(s)),
            OutputDefence::Tiled(_) => Ok(prediction),
        }
    }
}

/// Labels are below anything that a defence of probabilities would take away, and pass.
fn scores(
    prediction: Prediction,
    change: impl FnOnce(Scores) -> Result<Scores>,
) -> Result<Prediction> {
    match prediction {
        Prediction::Scores(scores) => change(scores).map(Prediction::Scores),
        labels @ Prediction::Labels(_) => Ok(labels),
    }
}

/// Rewrites the probabilities of every pixel: `change` gets the `k` probabilities of one pixel.
fn pixelwise(scores: Scores, mut change: impl FnMut(&mut [f32])) -> Result<Scores> {
    let scores = scores.into_probabilities();
    let [n, k, h, w] = scores.shape();
    let plane = h * w;
    let mut data = scores.data().to_vec();
    let mut pixel = vec![0.0; k];
    for image in data.chunks_exact_mut((k * plane).max(1)).take(n) {
        for i in 0..plane {
            for (c, p) in pixel.iter_mut().enumerate() {
                *p = image[c * plane + i];
            }
            change(&mut pixel);
            for (c, &p) in pixel.iter().enumerate() {
                image[c * plane + i] = p;
            }
        }
    }
    Scores::new(ScoreKind::Probabilities, [n, k, h, w], data)
}

/// Lifts every probability to [`FLOOR`] and makes them sum to one.
fn floor_and_normalise(pixel: &mut [f32]) {
    let mut sum = 0.0;
    for p in pixel.iter_mut() {
        *p = p.max(FLOOR);
        sum += *p;
    }
    for p in pixel.iter_mut() {
        *p /= sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redmask_core::{Image, LabelMap};

    use super::*;
    use crate::testing::{Fixed, picture};

    fn every_defence() -> Vec<OutputDefence> {
        [
            r#"{"kind": "argmax"}"#,
            r#"{"kind": "gaussian-noise", "deviation": 0.2}"#,
            r#"{"kind": "rounding", "decimals": 2}"#,
            r#"{"kind": "temperature", "temperature": 3.0}"#,
            r#"{"kind": "top-k", "classes": 2}"#,
        ]
        .map(|text| serde_json::from_str(text).expect("a defence"))
        .to_vec()
    }

    fn answer(defence: &OutputDefence, logits: &[f32], k: usize) -> Scores {
        let (h, w) = (1, logits.len() / k);
        let scores = Scores::new(ScoreKind::Logits, [1, k, h, w], logits.to_vec()).expect("finite");
        let model = defence.wrap(Box::new(Fixed::new(scores)), Seed::root(3));
        let sample = picture(h, w, 0);
        model
            .predict(&[&sample])
            .and_then(Prediction::into_scores)
            .expect("scores")
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one_and_are_positive(
            logits in prop::collection::vec(-30f32..30.0, 3 * 8),
        ) {
            for defence in every_defence() {
                let scores = answer(&defence, &logits, 3);
                prop_assert_eq!(scores.kind(), ScoreKind::Probabilities);
                for i in 0..8 {
                    let sum: f32 = (0..3).map(|c| scores.data()[c * 8 + i]).sum();
                    prop_assert!((sum - 1.0).abs() < 1e-5, "{:?}: {}", defence, sum);
                    prop_assert!((0..3).all(|c| scores.data()[c * 8 + i] >= 0.0));
                }
            }
        }

        #[test]
        fn the_predicted_class_stays_unless_noise_moves_it(
            logits in prop::collection::vec(-8f32..8.0, 4 * 6),
        ) {
            let plain = Scores::new(ScoreKind::Logits, [1, 4, 1, 6], logits.clone()).expect("finite");
            let expected = plain.argmax();
            for defence in every_defence() {
                let scores = answer(&defence, &logits, 4);
                match defence {
                    OutputDefence::GaussianNoise(_) => {}
                    // Two classes may round to one value, but none overtakes the first.
                    OutputDefence::Rounding(_) => {
                        for (i, &top) in expected[0].data().iter().enumerate() {
                            let p = |c: usize| scores.data()[c * 6 + i];
                            prop_assert!((0..4).all(|c| p(c) <= p(usize::from(top))));
                        }
                    }
                    _ => prop_assert_eq!(&scores.argmax(), &expected, "{:?}", defence),
                }
            }
        }
    }

    #[test]
    fn labels_pass_a_defence_of_scores() {
        let map = LabelMap::new(1, 2, vec![0, 1]);
        let labels = Prediction::Labels(vec![map]);
        let passed = scores(labels.clone(), |_| unreachable!("there are no scores"));
        assert_eq!(passed.expect("labels"), labels);
    }

    #[test]
    fn white_box_access_ends_at_the_defence() {
        let scores = Scores::new(ScoreKind::Logits, [1, 2, 1, 1], vec![0.0, 1.0]).expect("finite");
        let inner = Fixed::new(scores);
        assert_eq!(inner.capability(), Capability::Gradients);
        let rounding: OutputDefence =
            serde_json::from_str(r#"{"kind": "rounding", "decimals": 1}"#).expect("a defence");
        let outer = rounding.wrap(Box::new(inner), Seed::root(0));
        assert_eq!(outer.capability(), Capability::Scores);
        assert_eq!(rounding.statement().against.access, Capability::Scores);
    }

    #[test]
    fn impossible_values_are_refused_by_name() {
        for (text, key) in [
            (
                r#"{"kind": "gaussian-noise", "deviation": -1.0}"#,
                "deviation",
            ),
            (r#"{"kind": "rounding", "decimals": 9}"#, "decimals"),
            (
                r#"{"kind": "temperature", "temperature": 0.0}"#,
                "temperature",
            ),
            (r#"{"kind": "top-k", "classes": 0}"#, "classes"),
            (r#"{"kind": "tiled", "tile": [0, 4]}"#, "tile"),
            (
                r#"{"kind": "tiled", "tile": [4, 4], "overlap": 4}"#,
                "overlap",
            ),
        ] {
            let defence: OutputDefence = serde_json::from_str(text).expect("known keys");
            let error = defence.validate().expect_err("out of range");
            assert!(error.to_string().contains(key), "{error}");
        }
        let unknown = serde_json::from_str::<OutputDefence>(r#"{"kind": "top-k", "k": 1}"#);
        assert!(unknown.is_err());
    }

    #[test]
    fn equal_queries_get_equal_answers() {
        let noise: OutputDefence =
            serde_json::from_str(r#"{"kind": "gaussian-noise", "deviation": 0.2}"#).expect("noise");
        let logits = vec![0.5; 2 * 9];
        let scores = Scores::new(ScoreKind::Logits, [1, 2, 3, 3], logits).expect("finite");
        let model = noise.wrap(Box::new(Fixed::new(scores)), Seed::root(3));
        let ask = |sample: &Sample| model.predict(&[sample]).expect("noised");
        let (one, other) = (picture(3, 3, 1), picture(3, 3, 2));
        // Under another name it is the same query.
        let mut renamed = one.clone();
        renamed.id = redmask_core::SampleId::new("x", "y");
        assert_eq!(ask(&one), ask(&renamed));
        assert_ne!(ask(&one), ask(&other));
        let mut changed = one.clone();
        changed.image = Image::new(1, 3, 3, vec![9; 9]);
        assert_ne!(ask(&one), ask(&changed));
    }
}
