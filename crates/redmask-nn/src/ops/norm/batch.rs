//! Batch normalisation on the CPU: one task for each channel, whose planes stay in the cache between passes.

use super::super::{
    kernel::pointwise::{self, Affine, BLOCK},
    memory::{self, Shared},
    simd::Simd,
};
use super::{Options, moments::Moments};

/// Sizes of the normalised tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) batch: usize,
    pub(super) channels: usize,
    /// Elements of a plane.
    pub(super) area: usize,
}

impl Size {
    fn planes(self, channel: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.batch).map(move |sample| {
            let start = (sample * self.channels + channel) * self.area;
            start..start + self.area
        })
    }

    /// Tasks of whole channels, few enough that small tensors are not drowned in them.
    fn for_each_channel(self, task: impl Fn(usize) + Sync + Send) {
        let channels_at_once = (BLOCK / (self.batch * self.area).max(1)).max(1);
        memory::parallel(self.channels.div_ceil(channels_at_once), |i| {
            let first = i * channels_at_once;
            for channel in first..self.channels.min(first + channels_at_once) {
                task(channel);
            }
        });
    }
}

/// What maps an input channel to its output.
pub(in super::super) fn affine(
    [weight, bias]: [f32; 2],
    [mean, variance]: [f32; 2],
    options: Options,
) -> Affine {
    let Options {
        epsilon,
        activation,
    } = options;
    let scale = f64::from(weight) / (f64::from(variance) + epsilon).sqrt();
    let shift = f64::from(bias) - f64::from(mean) * scale;
    let [low, high] = activation.bounds();
    Affine {
        scale: scale as f32,
        shift: shift as f32,
        low,
        high,
    }
}

/// The normalised, scaled, shifted and activated input.
///
/// Without `statistics` (mean and biased variance) those of the batch are taken; they are returned.
pub(super) fn forward(
    simd: Simd,
    size: Size,
    x: &[f32],
    parameters: [&[f32]; 2],
    options: Options,
    statistics: Option<[&[f32]; 2]>,
) -> (Vec<f32>, [Vec<f32>; 2]) {
    let (mut mean, mut variance) = (vec![0.0; size.channels], vec![0.0; size.channels]);
    let (means, variances) = (Shared::new(&mut mean), Shared::new(&mut variance));
    // SAFETY: each task writes its channels of the output and of the statistics.
    let y = unsafe {
        memory::filled(x.len(), |y: Shared<'_, f32>| {
            size.for_each_channel(|channel| {
                let measured = statistics.map_or_else(
                    || {
                        let mut moments = Moments::default();
                        for plane in size.planes(channel) {
                            moments.add(simd, &x[plane]);
                        }
                        [moments.mean() as f32, moments.variance() as f32]
                    },
                    |given| given.map(|values| values[channel]),
                );
                means.write(channel, measured[0]);
                variances.write(channel, measured[1]);
                let map = affine(parameters.map(|p| p[channel]), measured, options);
                for plane in size.planes(channel) {
                    let target = y.part(plane.start, plane.len());
                    for (source, target) in x[plane].chunks(BLOCK).zip(target.chunks_mut(BLOCK)) {
                        pointwise::map(simd, map, source, target);
                    }
                }
            });
        })
    };
    (y, [mean, variance])
}

/// Gradients of the weight and the bias; that of the input replaces `g`, the gradient of the output.
///
/// `through_statistics`: whether the statistics are the batch's own, so that the input acts through them too.
#[expect(clippy::too_many_arguments, reason = "the operation's inputs")]
pub(super) fn backward(
    simd: Simd,
    size: Size,
    x: &[f32],
    parameters: [&[f32]; 2],
    statistics: [&[f32]; 2],
    options: Options,
    through_statistics: bool,
    g: &mut [f32],
) -> [Vec<f32>; 2] {
    let (mut dw, mut db) = (vec![0.0; size.channels], vec![0.0; size.channels]);
    let (dws, dbs) = (Shared::new(&mut dw), Shared::new(&mut db));
    let g = Shared::new(g);
    size.for_each_channel(|channel| {
        let [mean, variance] = statistics.map(|s| s[channel]);
        let map = affine(parameters.map(|p| p[channel]), [mean, variance], options);
        let (mut sum, mut product) = (0.0_f64, 0.0_f64);
        for plane in size.planes(channel) {
            // SAFETY: the planes of a channel belong to its task.
            let g = unsafe { g.part(plane.start, plane.len()) };
            for (x, g) in x[plane].chunks(BLOCK).zip(g.chunks(BLOCK)) {
                let [s, p] = pointwise::gradient_sums(simd, map, mean, x, g);
                sum += f64::from(s);
                product += f64::from(p);
            }
        }
        let inverse = 1.0 / (f64::from(variance) + options.epsilon).sqrt();
        // dx = scale (g' - mean g' - (x - mean) inverse^2 mean (x - mean) g')
        let scale = f64::from(parameters[0][channel]) * inverse;
        let count = (size.batch * size.area) as f64;
        let (slope, offset) = if through_statistics {
            let slope = -scale * inverse * inverse * product / count;
            (slope, -scale * sum / count - slope * f64::from(mean))
        } else {
            (0.0, 0.0)
        };
        let factors = [scale, slope, offset].map(|factor| factor as f32);
        for plane in size.planes(channel) {
            // SAFETY: as above.
            let g = unsafe { g.part(plane.start, plane.len()) };
            for (x, g) in x[plane].chunks(BLOCK).zip(g.chunks_mut(BLOCK)) {
                pointwise::gradient(simd, map, factors, x, g);
            }
        }
        // SAFETY: every channel is written by its task.
        unsafe {
            dws.write(channel, (product * inverse) as f32);
            dbs.write(channel, sum as f32);
        }
    });
    [dw, db]
}
