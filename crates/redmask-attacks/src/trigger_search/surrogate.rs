//! The surrogate's loss on triggered images, and its gradient along their pixels.

use burn::tensor::{Tensor, TensorData};
use redmask_core::{Error, IGNORE, LabelMap, Result, Sample};
use redmask_nn::pass::Pass;
use redmask_nn::predictor::NetworkPredictor;
use redmask_train::loss::{LossConfig, Reduction, Targets};

use super::candidates::Mixture;

/// A network that stands for the victim.
pub(super) struct Surrogate<'a> {
    predictor: &'a NetworkPredictor,
    elsewhere: f64,
}

/// A loss and its gradients.
pub(super) struct Answer {
    pub(super) loss: f64,
    /// One for each image, planar like its pixels, per grey level.
    pub(super) gradients: Vec<Vec<f32>>,
}

impl<'a> Surrogate<'a> {
    pub(super) fn new(predictor: &'a NetworkPredictor, elsewhere: f64) -> Self {
        Self {
            predictor,
            elsewhere,
        }
    }

    /// Cross-entropy to the wanted labels on attacked pixels, plus `elsewhere` times that to the true ones on all others; the mean
    /// over the images.
    pub(super) fn loss(&self, batch: &[&Sample], mixed: &[Mixture<'_>]) -> Result<Answer> {
        let first = &batch[0].image;
        let (channels, h, w) = (first.channels(), first.height(), first.width());
        let plane = h * w;
        let scale = self.predictor.scaling().factors(channels);
        let mut values = Vec::with_capacity(batch.len() * channels * plane);
        for (sample, mixture) in batch.iter().zip(mixed) {
            let image = &sample.image;
            if (image.channels(), image.height(), image.width()) != (channels, h, w) {
                return Err(Error::unsupported(
                    format!("record {}", sample.id),
                    "all images of a batch must have one size",
                ));
            }
            for (c, pixels) in mixture.pixels.chunks_exact(plane).enumerate() {
                let (factor, offset) = scale[c];
                values.extend(pixels.iter().map(|v| v * factor + offset));
            }
        }
        let data = TensorData::new(values, [batch.len(), channels, h, w]);
        let x = Tensor::<4>::from_data(data, self.predictor.device())
            .autodiff()
            .require_grad();
        let logits = self.predictor.network().forward(x.clone(), &Pass::eval());
        let attacked: Vec<LabelMap> =
            masked(
                batch,
                mixed,
                |truth, wanted| {
                    if truth == wanted { IGNORE } else { wanted }
                },
            );
        let left: Vec<LabelMap> =
            masked(
                batch,
                mixed,
                |truth, wanted| {
                    if truth == wanted { truth } else { IGNORE }
                },
            );
        let loss = LossConfig::cross_entropy(Reduction::PerImage);
        let on = loss.apply(logits.clone(), &Targets::from_maps(&attacked)?);
        let off = loss.apply(logits, &Targets::from_maps(&left)?);
        let total = on.plus(off, self.elsewhere);
        let value = total.mean_value();
        let gradients = total.mean().backward();
        let gradient = x
            .grad(&gradients)
            .ok_or_else(|| Error::Internal("an input without a gradient".into()))?;
        let flat: Vec<f32> = gradient
            .into_data()
            .try_into_vec()
            .map_err(|e| Error::Internal(format!("a gradient that is not f32: {e:?}")))?;
        let gradients = flat
            .chunks_exact(channels * plane)
            .map(|image| {
                let planes = image.chunks_exact(plane).zip(&scale);
                planes
                    .flat_map(|(pixels, (factor, _))| pixels.iter().map(move |g| g * factor))
                    .collect()
            })
            .collect();
        Ok(Answer {
            loss: value,
            gradients,
        })
    }
}

fn masked(batch: &[&Sample], mixed: &[Mixture<'_>], label: impl Fn(u8, u8) -> u8) -> Vec<LabelMap> {
    batch
        .iter()
        .zip(mixed)
        .map(|(sample, mixture)| {
            let pixels = sample.labels.data().iter().zip(mixture.wanted.data());
            let data = pixels
                .map(|(&truth, &wanted)| label(truth, wanted))
                .collect();
            LabelMap::new(sample.labels.height(), sample.labels.width(), data)
        })
        .collect()
}
