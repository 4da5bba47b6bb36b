//! What a segmentation model shows of itself.

use serde::{Deserialize, Serialize};

use crate::{Error, LabelMap, Result, Sample};

/// What a predictor can be asked for, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Only the predicted class of each pixel.
    Labels,
    /// Class scores of each pixel.
    Scores,
    /// Scores, and gradients through the network (the Burn side has the trait for it).
    Gradients,
}

/// What the numbers in [`Scores`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreKind {
    /// Unnormalised; softmax over the class axis gives probabilities.
    Logits,
    /// Each pixel sums to one.
    Probabilities,
}

/// Dense class scores `[n, k, h, w]`, always with `k >= 2`. A binary network with one sigmoid output `z` is stored as
/// the two-class logits `[0, z]`, whose softmax is that sigmoid.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    kind: ScoreKind,
    shape: [usize; 4],
    data: Vec<f32>,
}

impl Scores {
    /// Wraps contiguous scores.
    ///
    /// # Errors
    /// If the data does not fill `shape` or holds a NaN.
    pub fn new(kind: ScoreKind, shape: [usize; 4], data: Vec<f32>) -> Result<Self> {
        if data.len() != shape.iter().product::<usize>() || shape[1] < 2 {
            return Err(Error::Internal(format!(
                "{} scores for shape {shape:?}",
                data.len()
            )));
        }
        if data.iter().any(|v| v.is_nan()) {
            return Err(Error::numeric("class scores", "the model returned NaN"));
        }
        Ok(Self { kind, shape, data })
    }

    /// `[n, k, h, w]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Logits or probabilities.
    pub fn kind(&self) -> ScoreKind {
        self.kind
    }

    /// All scores, contiguous.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The scores `[k, h, w]` of image `i`.
    ///
    /// # Panics
    /// If `i >= n`.
    pub fn image(&self, i: usize) -> &[f32] {
        let stride = self.shape[1] * self.shape[2] * self.shape[3];
        &self.data[i * stride..(i + 1) * stride]
    }

    /// Probabilities: the same scores, or their stable softmax over the class axis.
    #[must_use]
    pub fn into_probabilities(mut self) -> Self {
        if self.kind == ScoreKind::Logits {
            let [_, k, h, w] = self.shape;
            for image in self.data.chunks_exact_mut(k * h * w) {
                softmax_planes(image, k, h * w);
            }
            self.kind = ScoreKind::Probabilities;
        }
        self
    }

    /// The class with the highest score at each pixel; the lowest id wins a tie.
    pub fn argmax(&self) -> Vec<LabelMap> {
        let [n, k, h, w] = self.shape;
        let plane = h * w;
        (0..n)
            .map(|i| {
                let image = self.image(i);
                let mut best = image[..plane].to_vec();
                let mut labels = vec![0u8; plane];
                for c in 1..k {
                    for (p, &v) in image[c * plane..(c + 1) * plane].iter().enumerate() {
                        if v > best[p] {
                            best[p] = v;
                            labels[p] = c as u8;
                        }
                    }
                }
                LabelMap::new(h, w, labels)
            })
            .collect()
    }
}

fn softmax_planes(image: &mut [f32], k: usize, plane: usize) {
    for p in 0..plane {
        let max = (0..k)
            .map(|c| image[c * plane + p])
            .fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for c in 0..k {
            let e = (image[c * plane + p] - max).exp();
            image[c * plane + p] = e;
            sum += e;
        }
        for c in 0..k {
            image[c * plane + p] /= sum;
        }
    }
}

/// One batch of model output.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// Class scores.
    Scores(Scores),
    /// Labels only, one map per image.
    Labels(Vec<LabelMap>),
}

impl Prediction {
    /// The scores.
    ///
    /// # Errors
    /// If the model gives labels only.
    pub fn into_scores(self) -> Result<Scores> {
        match self {
            Self::Scores(scores) => Ok(scores),
            Self::Labels(_) => Err(Error::unsupported(
                "an attack on class scores",
                "this model gives labels only; use a label-only attack",
            )),
        }
    }

    /// The predicted labels, one map per image.
    pub fn labels(&self) -> Vec<LabelMap> {
        match self {
            Self::Scores(scores) => scores.argmax(),
            Self::Labels(labels) => labels.clone(),
        }
    }
}

/// A segmentation model seen from outside: networks, ONNX files, saved predictions (found by sample id).
pub trait Predictor: Send + Sync {
    /// The most it can be asked for.
    fn capability(&self) -> Capability;

    /// Number of classes `k`.
    fn class_count(&self) -> usize;

    /// Predicts a batch at the size of its label maps. All samples of a batch have one size.
    ///
    /// # Errors
    /// If the model cannot take these images, or returns NaN.
    fn predict(&self, batch: &[&Sample]) -> Result<Prediction>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_logits_become_a_sigmoid() {
        let scores = Scores::new(ScoreKind::Logits, [1, 2, 1, 1], vec![0.0, 1.5]).unwrap();
        let p = scores.into_probabilities();
        assert!((p.data()[1] - 1.0 / (1.0 + (-1.5f32).exp())).abs() < 1e-6);
    }

    #[test]
    fn nan_is_refused() {
        assert!(Scores::new(ScoreKind::Logits, [1, 2, 1, 1], vec![0.0, f32::NAN]).is_err());
    }

    #[test]
    fn argmax_ties_go_to_the_lowest_class() {
        let scores = Scores::new(
            ScoreKind::Logits,
            [1, 3, 1, 2],
            vec![1.0, 0.0, 1.0, 2.0, 0.0, 2.0],
        )
        .unwrap();
        assert_eq!(scores.argmax()[0].data(), &[0, 1]);
    }
}
