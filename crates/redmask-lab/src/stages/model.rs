//! Loading a trained network from the store.

use burn::tensor::Device;
use redmask_core::{Error, Predictor, Result};
use redmask_nn::predictor::NetworkPredictor;

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
    NetworkPredictor::open(&stored.dir().join(folder), Device::flex())
}
