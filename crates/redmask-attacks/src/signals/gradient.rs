//! S13: how far one record would still pull the weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use redmask_core::{Error, Result, SegDataset, Session};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::pass::Pass;
use redmask_nn::scaling::InputScaling;
use redmask_train::loss::{LossConfig, Reduction, Targets};

/// The Euclidean norm, over all trainable weights, of the gradient of each record's mean cross-entropy, in evaluation mode.
///
/// `network` lies on a device with autodiff, `inputs` is that device without it. A record that the model fits leaves little
/// gradient: with the loss it is the strongest white-box signal of Nasr, Shokri and Houmansadr (S&P 2019). One forward and
/// one backward pass a record.
///
/// # Errors
/// If a record cannot be decoded, its labels do not fit the network, or a norm is not finite; or the session is cancelled.
pub fn gradient_norms(
    network: &SegmentationNetwork,
    scaling: InputScaling,
    inputs: &Device,
    data: &dyn SegDataset,
    session: &Session,
) -> Result<Vec<f64>> {
    let loss = LossConfig::cross_entropy(Reduction::PerImage);
    let mut norms = Vec::with_capacity(data.len());
    let mut task = session
        .progress
        .start("gradients", data.len() as u64, "image");
    for i in 0..data.len() {
        session.cancel.check()?;
        let sample = data.sample(i)?;
        let x = scaling.tensor(&[&sample], data.channels(), inputs)?;
        let targets = Targets::from_maps([&sample.labels])?;
        let logits = network.forward(x, &Pass::eval());
        targets.check(logits.dims()[1])?;
        let loss = loss.apply(logits, &targets);
        let mut gradients = GradientsParams::from_grads(loss.mean().backward(), network);
        let mut squares = Squares {
            gradients: &mut gradients,
            sum: 0.0,
        };
        network.visit(&mut squares);
        let norm = squares.sum.sqrt();
        if !norm.is_finite() {
            return Err(Error::numeric(
                format!("the gradient of {}", sample.id),
                "its norm is not finite",
            ));
        }
        norms.push(norm);
        task.advance(1);
    }
    Ok(norms)
}

/// The squares of all gradients, summed in the order of the modules.
struct Squares<'a> {
    gradients: &'a mut GradientsParams,
    sum: f64,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let data = gradient.into_data();
        let values = data.as_slice::<f32>().expect("networks compute in f32");
        self.sum += values
            .iter()
            .map(|&v| f64::from(v) * f64::from(v))
            .sum::<f64>();
    }
}

#[cfg(test)]
mod tests {
    use redmask_core::Seed;
    use redmask_nn::network::NetworkConfig;

    use super::*;
    use crate::testing::Discs;

    #[test]
    fn norms_are_positive_and_repeat() {
        let config: NetworkConfig =
            serde_json::from_str(r#"{"kind": "unet", "encoder": "resnet18", "width": 0.125}"#)
                .expect("a network");
        let config = config.for_data(2, 3);
        let device = Device::flex();
        let network = config
            .init(Seed::root(1), &device.clone().autodiff())
            .expect("in range");
        let data = Discs::new(3, 32, 1, Seed::root(2));
        let of = || {
            gradient_norms(
                &network,
                InputScaling::default(),
                &device,
                &data,
                &Session::default(),
            )
            .expect("sound records")
        };
        let norms = of();
        assert_eq!(norms, of());
        assert!(norms.iter().all(|n| *n > 0.0), "{norms:?}");
        assert_ne!(norms[0], norms[1]);
    }
}
