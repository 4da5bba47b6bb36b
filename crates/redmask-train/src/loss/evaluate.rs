//! The fused kernel: probabilities, sums, loss and gradient of a batch in two passes over the logits.

use rayon::prelude::*;

use super::Reduction;
use super::probability::{binary_entropy, probabilities};
use super::target::{Targets, View, fill_channel};

/// smp's guard against an empty denominator.
const EPS: f64 = 1e-7;

/// A loss and its gradient with respect to the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct LossValue {
    /// One value per image, or a single one under [`Reduction::Batch`].
    pub rows: Vec<f64>,
    /// The logits' shape `[n, k, h, w]`.
    pub shape: [usize; 4],
    /// Contiguous `[n, k, h, w]`: the derivative of the sum of `rows`.
    pub gradient: Vec<f32>,
}

/// Weights of the terms of a loss.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) dice: f64,
    pub(super) cross_entropy: f64,
    pub(super) label_smoothing: f64,
}

/// The sums of one image or of a whole batch.
#[derive(Debug, Clone, Default)]
struct Sums {
    /// For each channel: sum of `p t`, sum of `p + t`, and whether the truth holds the class.
    channels: Vec<(f64, f64, bool)>,
    /// Sum of the pixels' cross-entropies.
    entropy: f64,
    /// Pixels that are not ignored.
    valid: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.channels
            .resize(other.channels.len(), (0.0, 0.0, false));
        for (a, b) in self.channels.iter_mut().zip(&other.channels) {
            *a = (a.0 + b.0, a.1 + b.1, a.2 || b.2);
        }
        self.entropy += other.entropy;
        self.valid += other.valid;
    }

    fn loss(&self, terms: Terms) -> f64 {
        let k = self.channels.len() as f64;
        let dice = self
            .channels
            .iter()
            .filter(|(_, _, present)| *present)
            .map(|(intersection, sum, _)| 1.0 - 2.0 * intersection / sum.max(EPS))
            .sum::<f64>()
            / k;
        let entropy = if self.valid == 0 {
            0.0
        } else {
            self.entropy / self.valid as f64
        };
        // 0 * NaN would poison a loss that has no such term.
        let term = |weight: f64, value: f64| if weight == 0.0 { 0.0 } else { weight * value };
        term(terms.dice, dice) + term(terms.cross_entropy, entropy)
    }

    /// For each channel the derivative of the Dice loss by `p` is `a t + b`.
    fn dice_slopes(&self, terms: Terms) -> Vec<(f32, f32)> {
        let k = self.channels.len() as f64;
        self.channels
            .iter()
            .map(|&(intersection, sum, present)| {
                if !present {
                    return (0.0, 0.0);
                }
                let clamped = sum.max(EPS);
                let a = -2.0 / clamped;
                let b = if sum > EPS {
                    2.0 * intersection / (clamped * clamped)
                } else {
                    0.0
                };
                ((terms.dice * a / k) as f32, (terms.dice * b / k) as f32)
            })
            .collect()
    }

    fn entropy_slope(&self, terms: Terms) -> f32 {
        (terms.cross_entropy / self.valid.max(1) as f64) as f32
    }
}

pub(super) fn evaluate(
    terms: Terms,
    reduction: Reduction,
    logits: &[f32],
    shape: [usize; 4],
    targets: &Targets,
) -> LossValue {
    targets.assert_fits(shape);
    let [n, k, h, w] = shape;
    let stride = k * h * w;
    assert_eq!(logits.len(), n * stride, "logits must fill their shape");
    if stride == 0 {
        return LossValue {
            rows: vec![0.0; n],
            shape,
            gradient: Vec::new(),
        };
    }

    let mut gradient = vec![0f32; n * stride];
    let sums: Vec<Sums> = gradient
        .par_chunks_exact_mut(stride)
        .zip(logits.par_chunks_exact(stride))
        .enumerate()
        .map(|(i, (p, z))| gather(terms, z, k, targets.view(i), p))
        .collect();

    let groups = match reduction {
        Reduction::PerImage => sums,
        Reduction::Batch => {
            let mut total = Sums::default();
            for s in &sums {
                total.add(s);
            }
            vec![total]
        }
    };
    let rows = groups.iter().map(|g| g.loss(terms)).collect();
    gradient
        .par_chunks_exact_mut(stride)
        .enumerate()
        .for_each(|(i, p)| {
            let group = match reduction {
                Reduction::PerImage => &groups[i],
                Reduction::Batch => &groups[0],
            };
            descend(terms, group, k, targets.view(i), p);
        });
    LossValue {
        rows,
        shape,
        gradient,
    }
}

/// Target values of a hard label for its own class and for the others, as PyTorch smooths them.
fn smoothed(terms: Terms, k: usize) -> (f32, f32) {
    let spread = terms.label_smoothing / k.max(2) as f64;
    ((1.0 - terms.label_smoothing + spread) as f32, spread as f32)
}

/// First pass: fills `p` with probabilities, zero at ignored pixels, and sums what the loss needs.
fn gather(terms: Terms, z: &[f32], k: usize, view: View<'_>, p: &mut [f32]) -> Sums {
    let plane = z.len() / k;
    let (on, off) = smoothed(terms, k);
    let log_normaliser = probabilities(z, k, p);
    let valid = view.valid();
    if let Some(valid) = &valid {
        for channel in p.chunks_exact_mut(plane) {
            for (p, &v) in channel.iter_mut().zip(valid) {
                *p *= v;
            }
        }
    }
    let mut sums = Sums {
        channels: Vec::with_capacity(k),
        entropy: 0.0,
        valid: match &valid {
            Some(valid) => valid.iter().filter(|v| **v > 0.0).count() as u64,
            None => plane as u64,
        },
    };
    let mut target = vec![0f32; plane];
    for c in 0..k {
        fill_channel(view, c, k == 1, (on, off), valid.as_deref(), &mut target);
        let channel = c * plane..(c + 1) * plane;
        let (z, p) = (&z[channel.clone()], &p[channel]);
        sums.channels.push(if terms.dice > 0.0 {
            let present = match view {
                View::Hard(labels) => labels.contains(&(if k == 1 { 1 } else { c as u8 })),
                View::Soft(_) => target.iter().any(|&t| t > 0.0),
            };
            (
                sum_of(p, &target, |p, t| p * t),
                sum_of(p, &target, |p, t| p + t),
                present,
            )
        } else {
            (0.0, 0.0, false)
        });
        if terms.cross_entropy > 0.0 {
            sums.entropy += if k > 1 {
                // An ignored pixel has no target, so its difference may be anything finite.
                let gap: Vec<f32> = log_normaliser.iter().zip(z).map(|(l, z)| l - z).collect();
                sum_of(&gap, &target, |gap, t| t * gap)
            } else {
                let entropies: Vec<f32> = z
                    .iter()
                    .zip(&target)
                    .map(|(&z, &t)| binary_entropy(z, t))
                    .collect();
                match &valid {
                    Some(valid) => sum_of(&entropies, valid, |e, v| e * v),
                    None => sum_of(&entropies, &target, |e, _| e),
                }
            };
        }
    }
    sums
}

/// Sums `f` over two slices of one length: eight running sums in f64, folded in a fixed order.
fn sum_of(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0f64; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f64 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(&x, &y)| f64::from(f(x, y)))
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += f64::from(f(x, y));
        }
    }
    lanes.iter().sum::<f64>() + tail
}

/// Second pass: turns the probabilities in `p` into the gradient. Where a pixel is ignored both `p` and the target are
/// zero, and so is the gradient.
fn descend(terms: Terms, sums: &Sums, k: usize, view: View<'_>, p: &mut [f32]) {
    let plane = p.len() / k;
    let smoothing = smoothed(terms, k);
    let slopes = sums.dice_slopes(terms);
    let entropy = sums.entropy_slope(terms);
    let valid = view.valid();
    let mut target = vec![0f32; plane];
    // The softmax couples the channels: dz_c = p_c (d_c - sum_j p_j d_j).
    let mut coupling = vec![0f32; plane];
    if k > 1 && terms.dice > 0.0 {
        for (c, &(a, b)) in slopes.iter().enumerate() {
            fill_channel(view, c, false, smoothing, valid.as_deref(), &mut target);
            let p = &p[c * plane..(c + 1) * plane];
            for ((s, &p), &t) in coupling.iter_mut().zip(p).zip(&target) {
                *s += p * (a * t + b);
            }
        }
    }
    for (c, &(a, b)) in slopes.iter().enumerate() {
        fill_channel(view, c, k == 1, smoothing, valid.as_deref(), &mut target);
        let p = &mut p[c * plane..(c + 1) * plane];
        if k == 1 {
            for (g, &t) in p.iter_mut().zip(&target) {
                let p = *g;
                *g = (a * t + b) * p * (1.0 - p) + entropy * (p - t);
            }
        } else {
            for ((g, &t), &s) in p.iter_mut().zip(&target).zip(&coupling) {
                let p = *g;
                *g = p * (a * t + b - s) + entropy * (p - t);
            }
        }
    }
}
