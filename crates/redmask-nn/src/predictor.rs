//! A trained network as a predictor.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use redmask_core::{Capability, Error, Prediction, Predictor, Result, Sample, ScoreKind, Scores};

use crate::network::{NetworkConfig, SegmentationNetwork};
use crate::ops::{KeptWeights, Precision};
use crate::pass::Pass;
use crate::scaling::InputScaling;
use crate::weights::{load_model, state_dict};

/// A network in evaluation mode. Calls do not change it, so several threads may share it.
#[derive(Debug)]
pub struct NetworkPredictor {
    config: NetworkConfig,
    network: SegmentationNetwork,
    scaling: InputScaling,
    device: Device,
    batch: usize,
    precision: Precision,
    kept: KeptWeights,
}

impl NetworkPredictor {
    /// Wraps a network, taken off autodiff.
    pub fn new(
        config: NetworkConfig,
        network: &SegmentationNetwork,
        scaling: InputScaling,
        device: Device,
    ) -> Self {
        Self {
            config,
            network: network.valid(),
            scaling,
            device,
            batch: 8,
            precision: Precision::default(),
            kept: KeptWeights::default(),
        }
    }

    /// Opens a saved model folder.
    ///
    /// # Errors
    /// If it is incomplete or malformed.
    pub fn open(folder: &Path, device: Device) -> Result<Self> {
        let (card, network) = load_model(folder, &device)?;
        Ok(Self::new(card.network, &network, card.scaling, device))
    }

    /// The same predictor with at most `batch` images in flight: memory, not results, depends on it.
    #[must_use]
    pub fn with_batch(self, batch: usize) -> Self {
        Self {
            batch: batch.max(1),
            ..self
        }
    }

    /// The same predictor with convolutions at this precision; scores depend on it.
    ///
    /// # Errors
    /// If this machine cannot compute at it.
    pub fn with_precision(self, precision: Precision) -> Result<Self> {
        Ok(Self {
            precision: precision.checked()?,
            ..self
        })
    }

    /// The architecture.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// The network, for attacks that need its gradients.
    pub fn network(&self) -> &SegmentationNetwork {
        &self.network
    }

    /// How it scales pixels.
    pub fn scaling(&self) -> InputScaling {
        self.scaling
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A hash of the architecture, the scaling and every weight.
    ///
    /// # Errors
    /// If the configuration cannot be written down, which is a bug.
    pub fn fingerprint(&self) -> Result<redmask_core::Fingerprint> {
        let config = toml::to_string(&self.config)
            .map_err(|e| Error::Internal(format!("network configuration: {e}")))?;
        let mut builder = redmask_core::FingerprintBuilder::new();
        builder.part("config", config.as_bytes());
        builder.part("scaling", format!("{:?}", self.scaling).as_bytes());
        for (name, tensor) in state_dict(&self.network) {
            let bytes: Vec<u8> = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            builder.part(&name, &bytes);
        }
        Ok(builder.finish())
    }
}

impl Predictor for NetworkPredictor {
    fn capability(&self) -> Capability {
        Capability::Gradients
    }

    fn class_count(&self) -> usize {
        self.config.class_count()
    }

    fn predict(&self, batch: &[&Sample]) -> Result<Prediction> {
        let mut shape = [0; 4];
        let mut data = Vec::new();
        for part in batch.chunks(self.batch) {
            let x = self
                .scaling
                .tensor(part, self.config.in_channels(), &self.device)?;
            let pass = Pass::eval()
                .with_precision(self.precision)
                .with_kept_weights(self.kept.clone());
            let logits = self.network.forward(x, &pass);
            let [n, _, h, w] = logits.dims();
            if shape[0] > 0 && shape[2..] != [h, w] {
                return Err(Error::unsupported(
                    format!("record {}", part[0].id),
                    "all images of a batch must have one size",
                ));
            }
            shape = [shape[0] + n, self.config.class_count(), h, w];
            append_scores(logits, &mut data)?;
        }
        Ok(Prediction::Scores(Scores::new(
            ScoreKind::Logits,
            shape,
            data,
        )?))
    }
}

/// Appends logits `[n, outputs, h, w]` as scores with at least two classes: one output `z` becomes `[0, z]`.
fn append_scores(logits: Tensor<4>, data: &mut Vec<f32>) -> Result<()> {
    let [_, outputs, h, w] = logits.dims();
    let values: Vec<f32> = logits
        .into_data()
        .try_into_vec()
        .map_err(|e| Error::Internal(format!("logits: {e:?}")))?;
    if outputs > 1 {
        data.extend_from_slice(&values);
        return Ok(());
    }
    for plane in values.chunks_exact((h * w).max(1)) {
        data.resize(data.len() + plane.len(), 0.0);
        data.extend_from_slice(plane);
    }
    Ok(())
}
