//! Labels instead of scores (the "argmax" defence of Chobola et al., arXiv 2212.01082, section 3.2; also of He et al.,
//! arXiv 1912.09685).

use redmask_core::{Error, LabelMap, Prediction, Result, ScoreKind, Scores};
use serde::{Deserialize, Serialize};

use super::FLOOR;

/// The form of the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArgmaxAnswer {
    /// One-hot probabilities with the floor [`FLOOR`]: nothing but labels, in a form that attacks on scores read.
    #[default]
    OneHot,
    /// Label maps.
    Labels,
}

/// Configuration of the argmax defence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArgmaxConfig {
    /// The form of the answer.
    pub answer: ArgmaxAnswer,
    /// The published code: with two classes it rounds the raw logit to an integer, whose size still tells how certain the
    /// model is. With more classes its attack networks see a real argmax, and so does this.
    pub paper_compat: bool,
}

impl ArgmaxConfig {
    /// Applies the defence to a prediction with `classes` classes.
    ///
    /// # Errors
    /// If the published form is asked for and the model gives no logits.
    pub fn apply(&self, prediction: Prediction, classes: usize) -> Result<Prediction> {
        if self.paper_compat && classes == 2 {
            return match prediction {
                Prediction::Scores(s) if s.kind() == ScoreKind::Logits => {
                    rounded_logits(&s).map(Prediction::Scores)
                }
                _ => Err(Error::unsupported(
                    "the published argmax defence on this model",
                    "it rounds logits, and the model gives none",
                )),
            };
        }
        let labels = prediction.labels();
        if self.answer == ArgmaxAnswer::Labels {
            return Ok(Prediction::Labels(labels));
        }
        one_hot(&labels, classes).map(Prediction::Scores)
    }
}

/// Probabilities `1 - (k - 1) FLOOR` for the label and [`FLOOR`] for every other class.
fn one_hot(labels: &[LabelMap], classes: usize) -> Result<Scores> {
    let (h, w) = labels.first().map_or((0, 0), |l| (l.height(), l.width()));
    let plane = h * w;
    let mut data = vec![FLOOR; labels.len() * classes * plane];
    let top = 1.0 - (classes - 1) as f32 * FLOOR;
    for (image, map) in data.chunks_exact_mut((classes * plane).max(1)).zip(labels) {
        for (i, &label) in map.data().iter().enumerate() {
            if let Some(p) = image.get_mut(usize::from(label) * plane + i) {
                *p = top;
            }
        }
    }
    Scores::new(
        ScoreKind::Probabilities,
        [labels.len(), classes, h, w],
        data,
    )
}

/// The foreground's logit relative to the background's, rounded half to even as `torch.round` does.
fn rounded_logits(scores: &Scores) -> Result<Scores> {
    let [n, k, h, w] = scores.shape();
    let plane = h * w;
    let mut data = vec![0.0; n * k * plane];
    for (out, image) in data
        .chunks_exact_mut((k * plane).max(1))
        .zip((0..n).map(|i| scores.image(i)))
    {
        for i in 0..plane {
            out[plane + i] = (image[plane + i] - image[i]).round_ties_even();
        }
    }
    Scores::new(ScoreKind::Logits, [n, k, h, w], data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(foreground: &[f32]) -> Prediction {
        let mut data = vec![0.0; foreground.len()];
        data.extend_from_slice(foreground);
        let shape = [1, 2, 1, foreground.len()];
        Prediction::Scores(Scores::new(ScoreKind::Logits, shape, data).expect("finite"))
    }

    fn apply(config: ArgmaxConfig, foreground: &[f32]) -> Vec<f32> {
        let defended = config.apply(logits(foreground), 2).expect("logits");
        let scores = defended.into_scores().expect("scores");
        scores.data()[foreground.len()..].to_vec()
    }

    #[test]
    fn the_published_form_rounds_logits_and_the_right_one_answers_labels() {
        let published = ArgmaxConfig {
            paper_compat: true,
            ..ArgmaxConfig::default()
        };
        // Acceptance test T13 of the specification; the size of the logit shines through the published form.
        assert_eq!(apply(published, &[0.4, 3.6, -7.2]), [0.0, 4.0, -7.0]);
        let proper = apply(ArgmaxConfig::default(), &[0.4, 3.6, -7.2]);
        assert_eq!(proper, [1.0 - FLOOR, 1.0 - FLOOR, FLOOR]);
    }

    #[test]
    fn labels_are_answered_if_asked() {
        let config = ArgmaxConfig {
            answer: ArgmaxAnswer::Labels,
            ..ArgmaxConfig::default()
        };
        let answer = config.apply(logits(&[0.4, -1.0]), 2).expect("logits");
        assert_eq!(
            answer,
            Prediction::Labels(vec![LabelMap::new(1, 2, vec![1, 0])])
        );
    }

    #[test]
    fn the_published_form_needs_logits() {
        let probabilities = Scores::new(ScoreKind::Probabilities, [1, 2, 1, 1], vec![0.5, 0.5]);
        let prediction = Prediction::Scores(probabilities.expect("finite"));
        let config = ArgmaxConfig {
            paper_compat: true,
            ..ArgmaxConfig::default()
        };
        assert!(config.apply(prediction, 2).is_err());
    }
}
