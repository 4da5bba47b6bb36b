//! `polyp`: colonoscopy-like frames with one or two polyps, and masks as annotators draw them.
//!
//! What makes it data rather than a colour test: a polyp is tissue, told from its surroundings by relief, by the
//! vessels that stop at its border, by surface pattern and only sometimes by tint. Folds, bubbles, debris, highlights
//! and the tunnel's dark end look like parts of it. Masks carry the annotator: polygons of few points, borders drawn
//! too wide or too narrow, faint lesions judged by eye. That part cannot be predicted, only memorised.

mod lesion;
mod tissue;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::{Rng, RngExt};
use redmask_core::{ClassKind, ClassTable, Result, Seed};

use self::tissue::Tissue;
use super::canvas::{Camera, Canvas};
use super::colour::{Rgb, add, grey, hsv, mix, scale};
use super::noise::{Noise, smoothstep};
use super::{Drawing, Layout, ProceduralDataset, Scenery};
use crate::{DataSpec, OpenOptions};

/// The class id of the background.
pub const BACKGROUND: u8 = 0;
/// The class id of a polyp.
pub const POLYP: u8 = 1;

/// The options of `polyp:SEED`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[super::COUNT, super::VAL, super::TEST, super::SIZE];

pub(crate) fn open(spec: &DataSpec, options: &OpenOptions) -> Result<ProceduralDataset> {
    let layout = Layout::from_spec(spec, options)?;
    ProceduralDataset::new(Arc::new(Polyp::default()), layout)
}

/// The polyp scenery.
#[derive(Debug, Clone)]
pub struct Polyp {
    classes: ClassTable,
}

impl Default for Polyp {
    fn default() -> Self {
        Self {
            classes: ClassTable::from_rows(&[
                ("background", [0, 0, 0], ClassKind::Stuff),
                ("polyp", [240, 228, 66], ClassKind::Thing),
            ]),
        }
    }
}

/// The endoscope's lamp: beside the lens, so relief shows only where it is off axis.
struct Lamp {
    position: [f32; 3],
    falloff: f32,
    ambient: f32,
}

impl Lamp {
    fn sample(rng: &mut impl Rng) -> Self {
        Self {
            position: [
                rng.random_range(-0.45..0.45),
                rng.random_range(-0.45..0.45),
                rng.random_range(0.35..0.9),
            ],
            falloff: rng.random_range(0.6..3.0),
            ambient: rng.random_range(0.25..0.45),
        }
    }

    /// (diffuse, highlight) at a point with this surface slope.
    fn shade(&self, u: f32, v: f32, slope: (f32, f32), gloss: f32) -> (f32, f32) {
        let to = [self.position[0] - u, self.position[1] - v, self.position[2]];
        let distance2 = to.iter().map(|t| t * t).sum::<f32>();
        let distance = distance2.sqrt();
        let normal_length = (slope.0 * slope.0 + slope.1 * slope.1 + 1.0).sqrt();
        let dot = |d: [f32; 3]| (d[2] - slope.0 * d[0] - slope.1 * d[1]) / normal_length;
        let lambert = (dot(to) / distance).max(0.0);
        // The viewer looks straight down; the half vector lies between it and the lamp.
        let half = [to[0] / distance, to[1] / distance, to[2] / distance + 1.0];
        let half_length = half.iter().map(|t| t * t).sum::<f32>().sqrt();
        let highlight = (dot(half) / half_length).max(0.0).powf(gloss);
        let near = 1.0 / (1.0 + self.falloff * (u * u + v * v));
        (
            self.ambient + (1.0 - self.ambient) * lambert * near * 1.5,
            highlight * near,
        )
    }
}

impl Scenery for Polyp {
    fn name(&self) -> &'static str {
        "polyp"
    }

    fn class_table(&self) -> &ClassTable {
        &self.classes
    }

    fn version(&self) -> u32 {
        1
    }

    fn settings(&self) -> String {
        String::new()
    }

    fn draw(&self, seed: &Seed, height: usize, width: usize) -> Drawing {
        let rng = &mut seed.child("scene").rng();
        let tissue = Tissue::sample(rng);
        let lamp = Lamp::sample(rng);
        let lesions = lesion::sample_all(rng);
        let gloss = rng.random_range(25.0..140.0);
        let shine = rng.random_range(0.15..1.1);
        let camera = Camera::sample(rng);
        let clutter = Clutter::sample(rng);

        let mut canvas = Canvas::new(height, width);
        let grid = Grid::new(height, width);
        let relief: Vec<f32> = (0..height * width)
            .map(|i| {
                let (u, v) = grid.at(i);
                tissue.relief(u, v) + lesions.iter().map(|l| l.relief(u, v)).sum::<f32>()
            })
            .collect();
        for i in 0..height * width {
            let (u, v) = grid.at(i);
            let slope = grid.slope(&relief, i);
            let mut base = tissue.colour(
                u,
                v,
                lesions.iter().map(|l| l.cover(u, v)).fold(0.0, f32::max),
            );
            for lesion in &lesions {
                base = lesion.paint(base, u, v);
            }
            let (diffuse, highlight) = lamp.shade(u, v, slope, gloss);
            let lit = add(
                scale(base, diffuse * tissue.depth_shade(u, v)),
                grey(shine * highlight),
            );
            let class = if lesions.iter().any(|l| l.annotated(u, v)) {
                POLYP
            } else {
                BACKGROUND
            };
            canvas.put(i, lit, class, 0);
        }
        clutter.draw(&mut canvas, &grid);
        let (image, labels, _) = canvas.develop(&camera, &mut seed.child("sensor").rng());
        Drawing {
            image,
            labels,
            instances: None,
            attributes: BTreeMap::new(),
        }
    }
}

/// Pixel centres in units of the short side, the origin in the middle.
struct Grid {
    height: usize,
    width: usize,
}

impl Grid {
    fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }

    fn unit(&self) -> f32 {
        self.height.min(self.width) as f32
    }

    fn at(&self, i: usize) -> (f32, f32) {
        let (y, x) = (i / self.width, i % self.width);
        (
            (x as f32 + 0.5 - self.width as f32 / 2.0) / self.unit(),
            (y as f32 + 0.5 - self.height as f32 / 2.0) / self.unit(),
        )
    }

    /// Central differences, one-sided at the border, per unit of the short side.
    fn slope(&self, relief: &[f32], i: usize) -> (f32, f32) {
        let (y, x) = (i / self.width, i % self.width);
        let (left, right) = (x.saturating_sub(1), (x + 1).min(self.width - 1));
        let (up, down) = (y.saturating_sub(1), (y + 1).min(self.height - 1));
        let row = y * self.width;
        (
            (relief[row + right] - relief[row + left]) * self.unit() / (right - left) as f32,
            (relief[down * self.width + x] - relief[up * self.width + x]) * self.unit()
                / (down - up) as f32,
        )
    }
}

/// What lies over the tissue and is never annotated.
struct Clutter {
    bubbles: Vec<(f32, f32, f32)>,
    debris: Vec<(f32, f32, f32, Rgb)>,
    shape: Noise,
    /// Radius of the round field stop, short sides; corners beyond it are black.
    field: f32,
    /// The position display that some processors burn into a corner.
    inset: Option<Rgb>,
}

impl Clutter {
    fn sample(rng: &mut impl Rng) -> Self {
        let spot = |rng: &mut dyn Rng| (rng.random_range(-0.5..0.5), rng.random_range(-0.5..0.5));
        let bubble_count = if rng.random_bool(0.35) {
            rng.random_range(1..9)
        } else {
            0
        };
        let bubbles = (0..bubble_count)
            .map(|_| {
                let (u, v) = spot(rng);
                (u, v, rng.random_range(0.012..0.06))
            })
            .collect();
        let debris_count = if rng.random_bool(0.5) {
            rng.random_range(1..4)
        } else {
            0
        };
        let debris = (0..debris_count)
            .map(|_| {
                let (u, v) = spot(rng);
                let colour = hsv(
                    rng.random_range(0.0..0.2),
                    rng.random_range(0.2..0.9),
                    rng.random_range(0.3..0.9),
                );
                (u, v, rng.random_range(0.03..0.14), colour)
            })
            .collect();
        Self {
            bubbles,
            debris,
            shape: Noise::new(rng),
            field: rng.random_range(0.52..0.85),
            inset: rng
                .random_bool(0.25)
                .then(|| hsv(rng.random(), 0.7, rng.random_range(0.3..0.8))),
        }
    }

    fn draw(&self, canvas: &mut Canvas, grid: &Grid) {
        for i in 0..grid.height * grid.width {
            let (u, v) = grid.at(i);
            for &(cu, cv, radius, colour) in &self.debris {
                let d = ((u - cu).powi(2) + (v - cv).powi(2)).sqrt() / radius
                    + 0.5 * self.shape.fbm(u * 14.0, v * 14.0, 3, 0.5);
                if d < 1.15 {
                    let shade = 0.8 + 0.3 * self.shape.at(u * 40.0, v * 40.0);
                    canvas.tint(i, scale(colour, shade), smoothstep(1.15, 0.85, d) * 0.85);
                }
            }
            for &(cu, cv, radius) in &self.bubbles {
                let d = ((u - cu).powi(2) + (v - cv).powi(2)).sqrt() / radius;
                if d < 1.1 {
                    let rim = smoothstep(0.3, 0.0, (d - 0.9).abs());
                    let glint = smoothstep(
                        0.35,
                        0.1,
                        ((u - cu) / radius + 0.4).hypot((v - cv) / radius + 0.4),
                    );
                    canvas.tint(i, grey(0.95), (0.35 * rim + 0.8 * glint).min(1.0));
                }
            }
            let edge = smoothstep(self.field, self.field + 0.02, u.hypot(v));
            canvas.tint(i, grey(0.02), edge);
            if let Some(colour) = self.inset
                && i % grid.width < grid.width / 4
                && i / grid.width >= grid.height - grid.height / 4
            {
                let stripe = self
                    .shape
                    .cell((u * 30.0).floor() as i32, (v * 30.0).floor() as i32);
                canvas.put(i, mix(grey(0.02), colour, stripe * 0.6), BACKGROUND, 0);
            }
        }
    }
}
