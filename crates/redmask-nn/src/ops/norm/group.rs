//! Group normalisation on the CPU: one task for each group of a sample.

use super::super::{
    kernel::pointwise::{self, BLOCK},
    memory::{self, Shared},
    simd::Simd,
};
use super::{
    Options,
    batch::{Size, affine},
    moments::Moments,
};

/// The output, and mean and biased variance of every group `[n, groups]`.
pub(super) fn forward(
    simd: Simd,
    size: Size,
    groups: usize,
    x: &[f32],
    parameters: [&[f32]; 2],
    options: Options,
) -> (Vec<f32>, [Vec<f32>; 2]) {
    let count = size.batch * groups;
    let (mut mean, mut variance) = (vec![0.0; count], vec![0.0; count]);
    let (means, variances) = (Shared::new(&mut mean), Shared::new(&mut variance));
    let channels = size.channels / groups;
    let len = channels * size.area;
    // SAFETY: each task writes its group's output and statistics.
    let y = unsafe {
        memory::filled(x.len(), |y: Shared<'_, f32>| {
            memory::parallel(count, |index| {
                let x = &x[index * len..][..len];
                let mut moments = Moments::default();
                moments.add(simd, x);
                let measured = [moments.mean() as f32, moments.variance() as f32];
                means.write(index, measured[0]);
                variances.write(index, measured[1]);
                let y = y.part(index * len, len);
                let first = index % groups * channels;
                let planes = x.chunks_exact(size.area).zip(y.chunks_exact_mut(size.area));
                for (c, (x, y)) in planes.enumerate() {
                    let map = affine(parameters.map(|p| p[first + c]), measured, options);
                    for (x, y) in x.chunks(BLOCK).zip(y.chunks_mut(BLOCK)) {
                        pointwise::map(simd, map, x, y);
                    }
                }
            });
        })
    };
    (y, [mean, variance])
}

/// Gradients of the weight and the bias for every sample, `[n, c]`; that of the input replaces `g`.
#[expect(clippy::too_many_arguments, reason = "the operation's inputs")]
pub(super) fn backward(
    simd: Simd,
    size: Size,
    groups: usize,
    x: &[f32],
    parameters: [&[f32]; 2],
    statistics: [&[f32]; 2],
    options: Options,
    g: &mut [f32],
) -> [Vec<f32>; 2] {
    let (mut dw, mut db) = (
        vec![0.0; size.batch * size.channels],
        vec![0.0; size.batch * size.channels],
    );
    let (dws, dbs) = (Shared::new(&mut dw), Shared::new(&mut db));
    let g = Shared::new(g);
    let channels = size.channels / groups;
    let len = channels * size.area;
    memory::parallel(size.batch * groups, |index| {
        let x = &x[index * len..][..len];
        // SAFETY: the group's planes belong to its task.
        let g = unsafe { g.part(index * len, len) };
        let [mean, variance] = statistics.map(|s| s[index]);
        let inverse = 1.0 / (f64::from(variance) + options.epsilon).sqrt();
        let first = index % groups * channels;
        let map = |c: usize| affine(parameters.map(|p| p[first + c]), [mean, variance], options);
        // Sums over the group of w g' and w g' (x - mean).
        let (mut sums, mut products) = (0.0_f64, 0.0_f64);
        for (c, (x, g)) in x
            .chunks_exact(size.area)
            .zip(g.chunks_exact(size.area))
            .enumerate()
        {
            let (mut sum, mut product) = (0.0_f64, 0.0_f64);
            for (x, g) in x.chunks(BLOCK).zip(g.chunks(BLOCK)) {
                let [s, p] = pointwise::gradient_sums(simd, map(c), mean, x, g);
                sum += f64::from(s);
                product += f64::from(p);
            }
            let weight = f64::from(parameters[0][first + c]);
            sums += weight * sum;
            products += weight * product;
            let at = index / groups * size.channels + first + c;
            // SAFETY: every channel of a sample is written by its group's task.
            unsafe {
                dws.write(at, (product * inverse) as f32);
                dbs.write(at, sum as f32);
            }
        }
        let slope = -inverse.powi(3) * products / len as f64;
        let offset = -inverse * sums / len as f64 - slope * f64::from(mean);
        let planes = x.chunks_exact(size.area).zip(g.chunks_exact_mut(size.area));
        for (c, (x, g)) in planes.enumerate() {
            let scale = f64::from(parameters[0][first + c]) * inverse;
            let factors = [scale, slope, offset].map(|factor| factor as f32);
            for (x, g) in x.chunks(BLOCK).zip(g.chunks_mut(BLOCK)) {
                pointwise::gradient(simd, map(c), factors, x, g);
            }
        }
    });
    [dw, db]
}
