//! Measures a network on held-out records.

use burn::module::Module;
use redmask_core::{Error, IGNORE, LabelMap, Result};
use redmask_metrics::{AbsentClass, ConfusionMatrix, MetricError};
use redmask_nn::network::SegmentationNetwork;
use redmask_nn::ops::KeptWeights;
use redmask_nn::pass::Pass;
use serde::{Deserialize, Serialize};

use super::objective::SegmentationObjective;
use super::records::Records;
use crate::loss::Targets;
use crate::trainer::values;

/// How a network does on held-out records, in evaluation mode and without augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean of the configured loss over the records.
    pub loss: f64,
    /// Mean IoU over the classes, from one confusion matrix of all pixels; classes absent from truth and prediction
    /// are left out.
    pub miou: f64,
    /// Mean Dice over the classes, from the same matrix.
    pub dice: f64,
}

pub(crate) fn evaluate(
    objective: &SegmentationObjective<'_>,
    network: &SegmentationNetwork,
    records: &Records<'_>,
) -> Result<Evaluation> {
    let network = network.valid();
    let classes = objective.outputs.max(2);
    let mut matrix = ConfusionMatrix::new(classes);
    let mut losses = Vec::with_capacity(records.len());
    let kept = KeptWeights::default();
    let indices: Vec<usize> = (0..records.len()).collect();
    for part in indices.chunks(objective.config.batch_size) {
        objective.run.session.cancel.check()?;
        let samples = records.get(part)?;
        let samples: Vec<_> = samples.iter().map(AsRef::as_ref).collect();
        let x = objective
            .config
            .scaling
            .tensor(&samples, objective.channels, &objective.device)?;
        let logits = network.forward(x, &Pass::eval().with_kept_weights(kept.clone()));
        let shape = logits.dims();
        let data = values(logits);
        let stride = shape[1] * shape[2] * shape[3];
        for (sample, z) in samples.iter().zip(data.chunks_exact(stride.max(1))) {
            let targets = Targets::from_maps([&sample.labels])?;
            let one = [1, shape[1], shape[2], shape[3]];
            // One record at a time, so that a batch loss does not depend on how records meet.
            losses.extend(objective.config.loss.evaluate(z, one, &targets).rows);
            matrix
                .add(&sample.labels, &predicted(z, one))
                .map_err(measured)?;
        }
    }
    Ok(Evaluation {
        loss: losses.iter().sum::<f64>() / losses.len().max(1) as f64,
        miou: matrix.miou(AbsentClass::Skip).map_err(measured)?,
        dice: matrix.mean_dice(AbsentClass::Skip).map_err(measured)?,
    })
}

fn measured(error: MetricError) -> Error {
    Error::numeric("held-out metrics", error.to_string())
}

/// The class of each pixel; the lowest id wins a tie, NaN never wins.
fn predicted(logits: &[f32], [_, k, h, w]: [usize; 4]) -> LabelMap {
    let plane = h * w;
    let labels = if k == 1 {
        logits.iter().map(|&z| u8::from(z > 0.0)).collect()
    } else {
        (0..plane)
            .map(|px| {
                let mut best = (f32::NEG_INFINITY, IGNORE);
                for c in 0..k {
                    let z = logits[c * plane + px];
                    if z > best.0 || best.1 == IGNORE {
                        best = (z, c as u8);
                    }
                }
                best.1
            })
            .collect()
    };
    LabelMap::new(h, w, labels)
}
