//! The gradient of a record's loss (signal S13), for models whose weights the adversary has.

use burn::tensor::Device;
use redmask_core::{Error, Result, Sample, SegDataset, Session};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;
use redmask_nn::scaling::InputScaling;
use redmask_nn::weights::gradient_dict;
use redmask_train::loss::{LossConfig, Reduction, Targets};
use serde::{Deserialize, Serialize};

/// Euclidean norms of the gradient of one record's mean cross-entropy by the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GradientNorm {
    /// Over every weight.
    pub whole: f64,
    /// Over the weights of the last layer alone, which cost no backward pass through the network and carry most of what the
    /// norm says.
    pub last_layer: f64,
}

/// The gradient norm of one record in evaluation mode: running statistics are constants, so the norm is the record's own.
/// Small for records that the model has fitted.
///
/// `network` must track gradients (created or loaded on a device `device.autodiff()`), `device` is the same one without
/// autodiff.
///
/// # Errors
/// If the image does not fit the network, the mask does not fit its classes, or the norm is not finite.
pub fn gradient_norm(
    network: &SegmentationNetwork,
    scaling: InputScaling,
    channels: usize,
    sample: &Sample,
    device: &Device,
) -> Result<GradientNorm> {
    let x = scaling.tensor(&[sample], channels, device)?;
    let targets = Targets::from_maps([&sample.labels])?;
    let loss = LossConfig::cross_entropy(Reduction::PerImage)
        .apply(network.forward(x, &Pass::eval()), &targets);
    let gradients = gradient_dict(network, &loss.mean().backward());
    let square = |values: &[f32]| values.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
    let (mut whole, mut last_layer) = (0.0, 0.0);
    for (name, gradient) in &gradients {
        let squares = square(&gradient.values);
        whole += squares;
        if is_last_layer(name) {
            last_layer += squares;
        }
    }
    let norm = GradientNorm {
        whole: whole.sqrt(),
        last_layer: last_layer.sqrt(),
    };
    if norm.whole.is_finite() {
        return Ok(norm);
    }
    Err(Error::numeric(
        format!("the gradient norm of {}", sample.id),
        format!("it is {}", norm.whole),
    ))
}

/// [`gradient_norm`] of every record of a data set, in its order.
///
/// # Errors
/// As [`gradient_norm`], or if a record cannot be decoded or the session is cancelled.
pub fn gradient_norms(
    network: &SegmentationNetwork,
    scaling: InputScaling,
    device: &Device,
    data: &dyn SegDataset,
    session: &Session,
) -> Result<Vec<GradientNorm>> {
    let mut norms = Vec::with_capacity(data.len());
    let mut task = session
        .progress
        .start("gradients", data.len() as u64, "image");
    for i in 0..data.len() {
        session.cancel.check()?;
        let sample = data.sample(i)?;
        norms.push(gradient_norm(
            network,
            scaling,
            data.channels(),
            &sample,
            device,
        )?);
        task.advance(1);
    }
    Ok(norms)
}

/// The layer that makes the logits, under the names of smp, torchvision and SwiftNet.
fn is_last_layer(name: &str) -> bool {
    ["segmentation_head.0.", "classifier.4.", "logits."]
        .iter()
        .any(|layer| name.starts_with(layer))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redmask_core::Seed;
    use redmask_nn::network::NetworkConfig;

    use super::*;
    use crate::testing::Discs;

    #[test]
    fn it_is_positive_repeatable_and_the_last_layer_is_a_part() {
        let data: Arc<dyn SegDataset> = Arc::new(Discs::new(2, 32, 1, Seed::root(1)));
        let config: NetworkConfig =
            serde_json::from_str(r#"{"kind": "unet", "encoder": "resnet18", "width": 0.05}"#)
                .expect("a network");
        let network = config
            .init(Seed::root(3), &Device::flex().autodiff())
            .expect("a network");
        let norm = |i: usize| {
            let sample = data.sample(i).expect("a disc");
            gradient_norm(&network, InputScaling::Unit, 3, &sample, &Device::flex())
                .expect("finite")
        };
        let (first, second) = (norm(0), norm(1));
        assert!(
            first.whole > first.last_layer && first.last_layer > 0.0,
            "{first:?}"
        );
        assert_eq!(first, norm(0));
        assert_ne!(first, second);
    }
}
