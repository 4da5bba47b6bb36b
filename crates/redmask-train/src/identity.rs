//! What makes two trainings the same one.

use burn::module::Module;
use burn::tensor::Device;
use redmask_core::{Error, Fingerprint, FingerprintBuilder, Result, Seed};
use redmask_nn::weights::state_dict;
use serde::Serialize;

/// Collects everything that a training's result follows from.
#[derive(Debug)]
pub(crate) struct Identity(FingerprintBuilder);

impl Identity {
    pub(crate) fn new<C: Serialize>(config: &C, seed: Seed) -> Result<Self> {
        let text = serde_json::to_vec(config)
            .map_err(|e| Error::Internal(format!("a training configuration: {e}")))?;
        let mut builder = FingerprintBuilder::new();
        builder.part("config", &text).part("seed", seed.as_bytes());
        Ok(Self(builder))
    }

    /// The weights that training starts from.
    pub(crate) fn initial<M: Module>(mut self, network: &M) -> Self {
        for (path, tensor) in state_dict(network) {
            let bytes: Vec<u8> = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            self.0.part(&path, &bytes);
        }
        self
    }

    pub(crate) fn data(mut self, role: &str, records: Fingerprint) -> Self {
        self.0.part(role, records.to_hex().as_bytes());
        self
    }

    pub(crate) fn data_if(self, role: &str, records: Option<Fingerprint>) -> Self {
        match records {
            Some(records) => self.data(role, records),
            None => self,
        }
    }

    pub(crate) fn finish(self) -> Fingerprint {
        self.0.finish()
    }
}

/// Where the parameters of `network` are.
pub(crate) fn device_of<M: Module>(network: &M) -> Result<Device> {
    network
        .devices()
        .into_iter()
        .next()
        .ok_or_else(|| Error::Internal("a network without parameters".into()))
}

/// The same, refusing a device without autodiff.
pub(crate) fn trainable_device<M: Module>(network: &M) -> Result<Device> {
    let device = device_of(network)?;
    if device.is_autodiff() {
        Ok(device)
    } else {
        Err(Error::Internal(
            "a network to be trained must be on a device with autodiff".into(),
        ))
    }
}
