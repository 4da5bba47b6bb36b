//! Sigmoid and softmax of one image's logits, channel-planar.

/// Writes the class probabilities of `logits`, `[k, plane]`, into `out`: a sigmoid for one channel, else a softmax over
/// the channels. Returns the log-normaliser of each pixel, `[plane]`, for the softmax (`ln sum exp z`).
pub(super) fn probabilities(logits: &[f32], k: usize, out: &mut [f32]) -> Vec<f32> {
    let plane = logits.len() / k;
    if k == 1 {
        for (o, &z) in out.iter_mut().zip(logits) {
            *o = sigmoid(z);
        }
        return Vec::new();
    }
    let mut max = logits[..plane].to_vec();
    for channel in logits[plane..].chunks_exact(plane) {
        for (m, &z) in max.iter_mut().zip(channel) {
            *m = m.max(z);
        }
    }
    let mut sum = vec![0f32; plane];
    for (channel, z) in out.chunks_exact_mut(plane).zip(logits.chunks_exact(plane)) {
        for (((o, &z), &m), s) in channel.iter_mut().zip(z).zip(&max).zip(&mut sum) {
            *o = (z - m).exp();
            *s += *o;
        }
    }
    for channel in out.chunks_exact_mut(plane) {
        for (o, &s) in channel.iter_mut().zip(&sum) {
            *o /= s;
        }
    }
    for (m, s) in max.iter_mut().zip(sum) {
        *m += s.ln();
    }
    max
}

pub(super) fn sigmoid(z: f32) -> f32 {
    // exp of a non-positive number cannot overflow.
    let e = (-z.abs()).exp();
    if z >= 0.0 {
        1.0 / (1.0 + e)
    } else {
        e / (1.0 + e)
    }
}

/// `-t ln sigmoid(z) - (1 - t) ln(1 - sigmoid(z))`, stable for any `z`.
pub(super) fn binary_entropy(z: f32, t: f32) -> f32 {
    z.max(0.0) - z * t + (-z.abs()).exp().ln_1p()
}
