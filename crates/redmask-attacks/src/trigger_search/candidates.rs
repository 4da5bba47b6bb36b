//! All candidate triggers of an image at once, each with its weight.

use redmask_core::{ClassTable, Result, Sample, Seed};
use redmask_poison::{Attack, BoundAttack, PixelBox, Rgba, Trigger};

use super::TriggerSearchConfig;

/// The attributes, in the order of a [`Choice`].
pub(super) const ATTRIBUTES: [&str; 4] = ["arts", "sizes", "placements", "opacities"];

/// Positions of a pattern, a size, a placement and an opacity among the candidates.
pub(super) type Choice = [usize; 4];

/// Attacks that differ in size and placement, and the pictures of every pattern at every size.
pub(super) struct Candidates {
    /// By placement, then size.
    attacks: Vec<Vec<BoundAttack>>,
    /// By size, then pattern.
    pictures: Vec<Vec<Vec<Rgba>>>,
    sizes: Vec<usize>,
    opacities: Vec<f64>,
}

/// A triggered image that is a mixture, and what it was mixed of.
pub(super) struct Mixture<'c> {
    /// Planar pixels in `[0, 255]`.
    pub(super) pixels: Vec<f32>,
    /// The labels that a successful attack would bring.
    pub(super) wanted: redmask_core::LabelMap,
    /// Placement, size and box of every candidate that has a legal place.
    boxes: Vec<(usize, usize, PixelBox)>,
    original: Vec<f32>,
    width: usize,
    plane: usize,
    channels: usize,
    candidates: &'c Candidates,
}

impl Candidates {
    pub(super) fn new(
        config: &TriggerSearchConfig,
        attack: &Attack,
        table: &ClassTable,
        seed: &Seed,
    ) -> Result<Self> {
        let attacks = config
            .placements
            .iter()
            .map(|placement| {
                config
                    .sizes
                    .iter()
                    .map(|&size| {
                        let candidate = Attack {
                            trigger: Trigger::Patch {
                                size,
                                art: config.arts[0],
                                opacity: 1.0,
                            },
                            placement: placement.clone(),
                            random_labels: None,
                            ..attack.clone()
                        };
                        candidate.bind(table, seed)
                    })
                    .collect()
            })
            .collect::<Result<_>>()?;
        let pictures = config
            .sizes
            .iter()
            .map(|&size| {
                config
                    .arts
                    .iter()
                    .map(|art| art.render(size, size))
                    .collect()
            })
            .collect();
        Ok(Self {
            attacks,
            pictures,
            sizes: config.sizes.clone(),
            opacities: config.opacities.clone(),
        })
    }

    /// Whether some candidate has a place in a record that bears a victim.
    pub(super) fn can_use(&self, sample: &Sample) -> bool {
        let mut pixels = [0u64; 256];
        for &class in sample.labels.data() {
            pixels[usize::from(class)] += 1;
        }
        let attacks = self.attacks.iter().flatten();
        self.attacks[0][0].can_use(&pixels) && attacks.into_iter().any(|a| a.test(sample).is_ok())
    }

    /// Mixes all candidates by the weights of their attributes.
    pub(super) fn mix(&self, sample: &Sample, weights: &[&[f64]]) -> Mixture<'_> {
        let image = &sample.image;
        let original: Vec<f32> = image.data().iter().map(|&v| f32::from(v)).collect();
        let mut mixture = Mixture {
            pixels: original.clone(),
            wanted: sample.labels.clone(),
            boxes: Vec::new(),
            original,
            width: image.width(),
            plane: image.height() * image.width(),
            channels: image.channels(),
            candidates: self,
        };
        for (p, sizes) in self.attacks.iter().enumerate() {
            for (s, attack) in sizes.iter().enumerate() {
                if let Ok(placed) = attack.test(sample) {
                    mixture.wanted = placed.wanted;
                    mixture
                        .boxes
                        .extend(placed.boxes.first().map(|&b| (p, s, b)));
                }
            }
        }
        let opacity: f64 = weights[3]
            .iter()
            .zip(&self.opacities)
            .map(|(w, o)| w * o)
            .sum();
        let mut pixels = mixture.pixels.clone();
        for &(p, s, place) in &mixture.boxes {
            for (k, art) in weights[0].iter().enumerate() {
                let weight = weights[2][p] * weights[1][s] * art * opacity;
                mixture.each(s, k, place, |at, step| pixels[at] += (weight * step) as f32);
            }
        }
        mixture.pixels = pixels;
        mixture
    }
}

impl Mixture<'_> {
    /// Visits every value below a candidate with the step from it to the picture, at full opacity.
    fn each(&self, size: usize, art: usize, place: PixelBox, mut visit: impl FnMut(usize, f64)) {
        let side = self.candidates.sizes[size];
        for (i, &[r, g, b, alpha]) in self.candidates.pictures[size][art].iter().enumerate() {
            let at = (place.y + i / side) * self.width + place.x + i % side;
            for c in 0..self.channels {
                let ink = match (self.channels, c) {
                    (1, _) => 0.299 * r + 0.587 * g + 0.114 * b,
                    (_, 0) => r,
                    (_, 1) => g,
                    _ => b,
                };
                let below = self.original[c * self.plane + at];
                visit(
                    c * self.plane + at,
                    f64::from(alpha * (ink * 255.0 - below)),
                );
            }
        }
    }

    /// Adds the slope of the loss along every weight, given its gradient along the pixels.
    pub(super) fn slopes(&self, gradient: &[f32], weights: &[&[f64]], out: &mut [Vec<f64>]) {
        let opacities = &self.candidates.opacities;
        let opacity: f64 = weights[3].iter().zip(opacities).map(|(w, o)| w * o).sum();
        for &(p, s, place) in &self.boxes {
            for (k, &art) in weights[0].iter().enumerate() {
                let mut slope = 0.0;
                self.each(s, k, place, |at, step| {
                    slope += f64::from(gradient[at]) * step;
                });
                let (size, placement) = (weights[1][s], weights[2][p]);
                out[0][k] += size * placement * opacity * slope;
                out[1][s] += art * placement * opacity * slope;
                out[2][p] += art * size * opacity * slope;
                for (out, o) in out[3].iter_mut().zip(opacities) {
                    *out += art * size * placement * o * slope;
                }
            }
        }
    }
}
