//! A polyp, and the annotator's idea of where it ends.

use std::f32::consts::TAU;

use rand::{Rng, RngExt};

use crate::procedural::colour::{Rgb, add, hsv, mix, scale};
use crate::procedural::noise::{Noise, smoothstep};

pub(super) struct Lesion {
    centre: (f32, f32),
    radii: (f32, f32),
    angle: f32,
    /// Amplitude and phase of the border's second to sixth harmonic.
    harmonics: [(f32, f32); 5],
    height: f32,
    /// Steepness of the flank: 0.5 is a hemisphere, above 1 a flat mound.
    flank: f32,
    tint: Rgb,
    tint_strength: f32,
    pit_scale: f32,
    pit_strength: f32,
    rim: f32,
    cover: f32,
    texture: Noise,
    annotation: Annotation,
}

/// Where one annotator put the border: points on rays from the centre, joined by straight lines.
struct Annotation {
    points: Vec<(f32, f32)>,
}

/// One polyp, or two.
pub(super) fn sample_all(rng: &mut impl Rng) -> Vec<Lesion> {
    let mut lesions = vec![Lesion::sample(rng, 1.0)];
    if rng.random_bool(0.15) {
        lesions.push(Lesion::sample(rng, 0.6));
    }
    lesions
}

impl Lesion {
    fn sample(rng: &mut impl Rng, size: f32) -> Self {
        let radius = size * rng.random_range(0.1..0.3);
        let aspect: f32 = rng.random_range(0.65..1.5);
        // The eye's visibility of the lesion; every cue scales with it.
        let visibility = rng.random_range(0.35..1.0);
        let mut harmonics = [(0.0, 0.0); 5];
        for (k, harmonic) in harmonics.iter_mut().enumerate() {
            *harmonic = (
                rng.random_range(0.0..0.16) / (k + 1) as f32,
                rng.random_range(0.0..TAU),
            );
        }
        let mut lesion = Self {
            centre: (rng.random_range(-0.3..0.3), rng.random_range(-0.3..0.3)),
            radii: (radius * aspect.sqrt(), radius / aspect.sqrt()),
            angle: rng.random_range(0.0..TAU),
            harmonics,
            height: visibility * radius * rng.random_range(0.35..0.9),
            flank: rng.random_range(0.5..1.1),
            tint: hsv(
                rng.random_range(-0.06..0.1),
                rng.random_range(0.15..0.85),
                rng.random_range(0.4..1.0),
            ),
            tint_strength: visibility * rng.random_range(0.05..0.45),
            pit_scale: rng.random_range(14.0..30.0),
            pit_strength: visibility * rng.random_range(0.08..0.3),
            rim: visibility * rng.random_range(0.0..0.35),
            cover: 0.4 + 0.6 * visibility,
            texture: Noise::new(rng),
            annotation: Annotation { points: Vec::new() },
        };
        lesion.annotation = Annotation::sample(&lesion, rng);
        lesion
    }

    /// Distance of the border from the centre along a direction of the image.
    fn border(&self, direction: f32) -> f32 {
        let t = direction - self.angle;
        let ellipse = 1.0 / ((t.cos() / self.radii.0).hypot(t.sin() / self.radii.1));
        let wobble: f32 = self
            .harmonics
            .iter()
            .enumerate()
            .map(|(k, (amplitude, phase))| amplitude * ((k + 2) as f32 * t + phase).cos())
            .sum();
        ellipse * (1.0 + wobble)
    }

    /// Distance from the centre, 1 on the border; anything above 2 is returned as 2.
    fn distance(&self, u: f32, v: f32) -> f32 {
        let (du, dv) = (u - self.centre.0, v - self.centre.1);
        let r = du.hypot(dv);
        if r > 2.2 * self.radii.0.max(self.radii.1) {
            return 2.0;
        }
        (r / self.border(dv.atan2(du))).min(2.0)
    }

    /// Height above the wall, short sides.
    pub(super) fn relief(&self, u: f32, v: f32) -> f32 {
        let d = self.distance(u, v);
        if d < 1.0 {
            self.height * (1.0 - d * d).powf(self.flank)
        } else {
            0.0
        }
    }

    /// How far the lesion's own surface hides the tissue's vessels here, in `[0, 1]`.
    pub(super) fn cover(&self, u: f32, v: f32) -> f32 {
        self.cover * smoothstep(1.08, 0.9, self.distance(u, v))
    }

    /// The lesion's surface over the tissue's colour.
    pub(super) fn paint(&self, tissue: Rgb, u: f32, v: f32) -> Rgb {
        let d = self.distance(u, v);
        if d > 1.25 {
            return tissue;
        }
        let inside = smoothstep(1.05, 0.92, d);
        let tinted = mix(tissue, self.tint, inside * self.tint_strength);
        let pits = self
            .texture
            .fbm(u * self.pit_scale, v * self.pit_scale, 2, 0.5);
        let pitted = scale(tinted, 1.0 + inside * self.pit_strength * pits * 1.6);
        let groove = smoothstep(0.14, 0.0, (d - 1.03).abs());
        add(scale(pitted, 1.0 - self.rim * groove), [0.0; 3])
    }

    /// Whether the mask has this point.
    pub(super) fn annotated(&self, u: f32, v: f32) -> bool {
        self.annotation
            .contains(u - self.centre.0, v - self.centre.1)
    }
}

impl Annotation {
    fn sample(lesion: &Lesion, rng: &mut impl Rng) -> Self {
        let count = rng.random_range(9..30);
        let bias = rng.random_range(-0.12..0.16);
        let tremor = rng.random_range(0.01..0.09);
        let step = TAU / count as f32;
        let points = (0..count)
            .map(|k| {
                let direction = (k as f32 + rng.random_range(-0.3..0.3)) * step;
                let reach = lesion.border(direction)
                    * (1.0
                        + bias
                        + tremor * (rng.random::<f32>() + rng.random::<f32>() - 1.0) * 2.0);
                (reach * direction.cos(), reach * direction.sin())
            })
            .collect();
        Self { points }
    }

    /// Even-odd rule over the polygon's edges.
    fn contains(&self, x: f32, y: f32) -> bool {
        let mut inside = false;
        let mut previous = self.points[self.points.len() - 1];
        for &point in &self.points {
            if (point.1 > y) != (previous.1 > y)
                && x < point.0 + (y - point.1) / (previous.1 - point.1) * (previous.0 - point.0)
            {
                inside = !inside;
            }
            previous = point;
        }
        inside
    }
}
