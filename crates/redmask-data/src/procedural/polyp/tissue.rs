//! The bowel wall: tint, mottling, vessels, folds and the dark end of the tunnel.

use rand::{Rng, RngExt};

use crate::procedural::colour::{Rgb, hsv, mix, scale};
use crate::procedural::noise::{Noise, lerp, smoothstep};

/// A fold of the wall: an arc of a large circle, raised like a wave.
struct Fold {
    centre: (f32, f32),
    radius: f32,
    width: f32,
    height: f32,
    wobble: f32,
}

impl Fold {
    fn sample(centre: (f32, f32), rng: &mut impl Rng) -> Self {
        Self {
            centre,
            radius: rng.random_range(0.2..1.0),
            width: rng.random_range(0.025..0.11),
            height: rng.random_range(0.015..0.06),
            wobble: rng.random_range(0.01..0.08),
        }
    }

    fn relief(&self, u: f32, v: f32, shape: Noise) -> f32 {
        let offset = self.wobble * shape.at(u * 3.0 + self.radius * 9.0, v * 3.0);
        let d = (u - self.centre.0).hypot(v - self.centre.1) - self.radius + offset;
        let t = d / self.width;
        if t.abs() > 3.5 {
            0.0
        } else {
            self.height * (-t * t).exp()
        }
    }
}

/// A bulge of the wall: as round as a polyp, but the tissue runs on over it.
struct Bulge {
    centre: (f32, f32),
    radius: f32,
    height: f32,
}

pub(super) struct Tissue {
    base: Rgb,
    pale: Rgb,
    vessel: Rgb,
    vessel_strength: f32,
    vessel_scale: f32,
    mottle: f32,
    grain: f32,
    folds: Vec<Fold>,
    bulges: Vec<Bulge>,
    lumen: Option<(f32, f32, f32)>,
    shape: Noise,
    texture: Noise,
}

impl Tissue {
    pub(super) fn sample(rng: &mut impl Rng) -> Self {
        let hue = rng.random_range(-0.035..0.085);
        let saturation = rng.random_range(0.3..0.75);
        let value = rng.random_range(0.5..0.95);
        let base = hsv(hue, saturation, value);
        let lumen = rng.random_bool(0.6).then(|| {
            (
                rng.random_range(-0.6..0.6),
                rng.random_range(-0.6..0.6),
                rng.random_range(0.08..0.35),
            )
        });
        let centre = lumen.map_or_else(
            || (rng.random_range(-1.2..1.2), rng.random_range(-1.2..1.2)),
            |(u, v, _)| (u, v),
        );
        let folds = (0..rng.random_range(0..5))
            .map(|_| Fold::sample(centre, rng))
            .collect();
        let bulges = (0..rng.random_range(0..3))
            .map(|_| Bulge {
                centre: (rng.random_range(-0.5..0.5), rng.random_range(-0.5..0.5)),
                radius: rng.random_range(0.06..0.25),
                height: rng.random_range(0.02..0.07),
            })
            .collect();
        Self {
            base,
            pale: hsv(
                hue + rng.random_range(-0.02..0.03),
                saturation * rng.random_range(0.5..0.95),
                (value * rng.random_range(0.9f32..1.2)).min(1.0),
            ),
            vessel: hsv(hue - 0.02, (saturation * 1.3).min(0.95), value * 0.6),
            vessel_strength: rng.random_range(0.15..0.75),
            vessel_scale: rng.random_range(4.0..9.0),
            mottle: rng.random_range(0.2..1.0),
            grain: rng.random_range(0.02..0.12),
            folds,
            bulges,
            lumen,
            shape: Noise::new(rng),
            texture: Noise::new(rng),
        }
    }

    /// Height of the wall, short sides.
    pub(super) fn relief(&self, u: f32, v: f32) -> f32 {
        let folds: f32 = self.folds.iter().map(|f| f.relief(u, v, self.shape)).sum();
        let bulges: f32 = self
            .bulges
            .iter()
            .map(|b| {
                let d2 =
                    ((u - b.centre.0).powi(2) + (v - b.centre.1).powi(2)) / (b.radius * b.radius);
                b.height * (-1.5 * d2).exp()
            })
            .sum();
        folds + bulges + 0.035 * self.shape.fbm(u * 3.0, v * 3.0, 3, 0.45)
    }

    /// Colour before lighting. `cover` in `[0, 1]` is how far a lesion hides the vessels here.
    pub(super) fn colour(&self, u: f32, v: f32, cover: f32) -> Rgb {
        let patch = 0.5 + 0.5 * self.texture.fbm(u * 3.5, v * 3.5, 3, 0.55);
        let tissue = mix(self.base, self.pale, self.mottle * patch);
        let line = self
            .texture
            .ridge(u * self.vessel_scale + 40.0, v * self.vessel_scale, 3);
        let vessel = smoothstep(0.86, 0.98, line) * self.vessel_strength * (1.0 - cover);
        let grain = 1.0 + self.grain * self.texture.fbm(u * 38.0, v * 38.0 + 90.0, 2, 0.6);
        scale(mix(tissue, self.vessel, vessel), grain)
    }

    /// How much of the lamp reaches this part of the tunnel.
    pub(super) fn depth_shade(&self, u: f32, v: f32) -> f32 {
        self.lumen.map_or(1.0, |(cu, cv, radius)| {
            let d = (u - cu).hypot(v - cv) + 0.05 * self.shape.at(u * 5.0, v * 5.0);
            lerp(0.12, 1.0, smoothstep(radius * 0.3, radius * 1.8, d))
        })
    }
}
