//! The fused kernel: probabilities, sums, loss and gradient of a batch in two passes over the logits.

use rayon::prelude::*;
use redmask_core::IGNORE;

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

/// First pass: fills `p` with probabilities and sums what the loss needs.
fn gather(terms: Terms, z: &[f32], k: usize, view: View<'_>, p: &mut [f32]) -> Sums {
    let plane = z.len() / k;
    let (on, off) = smoothed(terms, k);
    let log_normaliser = probabilities(z, k, p);
    let valid = |px: usize| match view {
        View::Hard(labels) => labels[px] != IGNORE,
        View::Soft(_) => true,
    };
    let mut sums = Sums {
        channels: Vec::with_capacity(k),
        entropy: 0.0,
        valid: match view {
            View::Hard(labels) => labels.iter().filter(|&&l| l != IGNORE).count() as u64,
            View::Soft(_) => plane as u64,
        },
    };
    let mut target = vec![0f32; plane];
    for c in 0..k {
        fill_channel(view, c, k == 1, on, off, &mut target);
        let (z, p) = (
            &z[c * plane..(c + 1) * plane],
            &p[c * plane..(c + 1) * plane],
        );
        if terms.dice > 0.0 {
            let (mut intersection, mut sum) = (0f64, 0f64);
            for (px, (&p, &t)) in p.iter().zip(&target).enumerate() {
                if valid(px) {
                    intersection += f64::from(p * t);
                    sum += f64::from(p + t);
                }
            }
            let present = match view {
                View::Hard(labels) => labels.contains(&(if k == 1 { 1 } else { c as u8 })),
                View::Soft(_) => target.iter().any(|&t| t > 0.0),
            };
            sums.channels.push((intersection, sum, present));
        } else {
            sums.channels.push((0.0, 0.0, false));
        }
        if terms.cross_entropy > 0.0 {
            let mut entropy = 0f64;
            for (px, (&z, &t)) in z.iter().zip(&target).enumerate() {
                if valid(px) {
                    entropy += f64::from(if k == 1 {
                        binary_entropy(z, t)
                    } else if t == 0.0 {
                        0.0
                    } else {
                        t * (log_normaliser[px] - z)
                    });
                }
            }
            sums.entropy += entropy;
        }
    }
    sums
}

/// Second pass: turns the probabilities in `p` into the gradient.
fn descend(terms: Terms, sums: &Sums, k: usize, view: View<'_>, p: &mut [f32]) {
    let plane = p.len() / k;
    let (on, off) = smoothed(terms, k);
    let slopes = sums.dice_slopes(terms);
    let entropy = sums.entropy_slope(terms);
    let mut target = vec![0f32; plane];
    // The softmax couples the channels: dz_c = p_c (d_c - sum_j p_j d_j).
    let mut coupling = vec![0f32; plane];
    if k > 1 && terms.dice > 0.0 {
        for (c, &(a, b)) in slopes.iter().enumerate() {
            fill_channel(view, c, false, on, off, &mut target);
            let p = &p[c * plane..(c + 1) * plane];
            for ((s, &p), &t) in coupling.iter_mut().zip(p).zip(&target) {
                *s += p * (a * t + b);
            }
        }
    }
    for (c, &(a, b)) in slopes.iter().enumerate() {
        fill_channel(view, c, k == 1, on, off, &mut target);
        let p = &mut p[c * plane..(c + 1) * plane];
        for ((g, &t), &s) in p.iter_mut().zip(&target).zip(&coupling) {
            let p = *g;
            let dice = if k == 1 {
                (a * t + b) * p * (1.0 - p)
            } else {
                p * (a * t + b - s)
            };
            *g = dice + entropy * (p - t);
        }
    }
    if let View::Hard(labels) = view {
        for channel in p.chunks_exact_mut(plane) {
            for (g, &label) in channel.iter_mut().zip(labels) {
                if label == IGNORE {
                    *g = 0.0;
                }
            }
        }
    }
}
