//! Loading a trained network from the store.

use std::path::PathBuf;

use burn::tensor::Device;
use redmask_core::{Error, Predictor, Result};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::predictor::NetworkPredictor;
use redmask_nn::weights::{ModelCard, load_model};

use super::Workshop;
use crate::plan::{Task, Trained};

/// A trained model as its clients see it: behind its output defence, if it has one.
///
/// # Errors
/// As [`load_network`].
pub(crate) fn load(workshop: &Workshop<'_>, model: Trained) -> Result<Box<dyn Predictor>> {
    let network = Box::new(load_network(workshop, model)?);
    Ok(match model.front.map(|at| workshop.plan.fronts[at]) {
        Some(front) => front.defence.wrap(network, front.seed),
        None => network,
    })
}

/// The network of a training stage after an epoch, ready to predict.
///
/// # Errors
/// If the stage is not finished, a file changed since it was written, or the epoch was not kept.
pub(crate) fn load_network(workshop: &Workshop<'_>, model: Trained) -> Result<NetworkPredictor> {
    NetworkPredictor::open(&folder(workshop, model)?, Device::flex())
}

/// The same network on a device with autodiff, with its card.
///
/// # Errors
/// As [`load_network`].
pub(crate) fn load_for_gradients(
    workshop: &Workshop<'_>,
    model: Trained,
) -> Result<(ModelCard, SegmentationNetwork)> {
    load_model(&folder(workshop, model)?, &Device::flex().autodiff())
}

/// Where the weights lie, checked.
fn folder(workshop: &Workshop<'_>, model: Trained) -> Result<PathBuf> {
    let stored = workshop.input(model.stage)?;
    let Task::Train(task) = &workshop.plan.stages[model.stage].task else {
        return Err(Error::Internal(format!(
            "stage {} trains nothing",
            model.stage
        )));
    };
    let folder = if model.epoch == task.training.epochs {
        "model".to_owned()
    } else {
        format!("epoch-{:04}", model.epoch)
    };
    stored.verify(&folder)?;
    Ok(stored.dir().join(folder))
}
