//! What the adversary sees: the network's output and the true mask, as planes.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use redmask_core::{IGNORE, Sample};

/// Nats that make one unit.
const UNIT: f64 = 10.0;
/// Units at which margins are cut off.
const LIMIT: f64 = 2.0;

/// Planes of an output with `outputs` channels and its mask.
pub(super) fn channels(outputs: usize) -> usize {
    2 * outputs
}

/// Logits `[n, k, h, w]` as the adversary sees them. One channel is a margin as it is; of several, the log-probabilities
/// stand for the margins: they differ where a class is nearly certain, where the others tell.
pub(super) fn output_planes(logits: Tensor<4>, raw: bool) -> Tensor<4> {
    if raw {
        return logits;
    }
    let margins = if logits.dims()[1] == 1 {
        logits
    } else {
        log_softmax(logits, 1)
    };
    margins.div_scalar(UNIT).clamp(-LIMIT, LIMIT)
}

/// One-hot masks `[n, k, h, w]`, one plane for two classes; ignored pixels are zero in all of them.
pub(super) fn mask_planes(samples: &[&Sample], outputs: usize, device: &Device) -> Tensor<4> {
    let (h, w) = samples
        .first()
        .map_or((0, 0), |s| (s.labels.height(), s.labels.width()));
    let plane = h * w;
    let first = usize::from(outputs == 1);
    let mut data = vec![0f32; samples.len() * outputs * plane];
    for (planes, sample) in data.chunks_exact_mut((outputs * plane).max(1)).zip(samples) {
        for (i, &label) in sample.labels.data().iter().enumerate() {
            let class = usize::from(label);
            if label != IGNORE && (first..first + outputs).contains(&class) {
                planes[(class - first) * plane + i] = 1.0;
            }
        }
    }
    Tensor::from_data(
        TensorData::new(data, [samples.len(), outputs, h, w]),
        device,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redmask_core::{GroupId, Image, LabelMap, SampleId};

    use super::*;

    #[test]
    fn masks_are_one_hot() {
        let sample = Sample {
            id: SampleId::new("a", "b"),
            group: GroupId("b".to_owned()),
            image: Image::new(1, 1, 4, vec![0; 4]),
            labels: LabelMap::new(1, 4, vec![0, 1, IGNORE, 2]),
            instances: None,
            attributes: BTreeMap::new(),
        };
        let planes = |outputs| -> Vec<f32> {
            let mask = mask_planes(&[&sample], outputs, &Device::flex());
            mask.into_data().try_into_vec().unwrap()
        };
        assert_eq!(planes(1), [0., 1., 0., 0.]);
        assert_eq!(planes(3), [1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 0., 1.]);
    }

    #[test]
    fn margins_are_scaled_and_cut_off() {
        let logits = Tensor::<1>::from_data([5.0f32, -50.0], &Device::flex()).reshape([1, 1, 1, 2]);
        let seen: Vec<f32> = output_planes(logits.clone(), false)
            .into_data()
            .try_into_vec()
            .unwrap();
        assert_eq!(seen, [0.5, -2.0]);
        let raw: Vec<f32> = output_planes(logits, true)
            .into_data()
            .try_into_vec()
            .unwrap();
        assert_eq!(raw, [5.0, -50.0]);
    }
}
