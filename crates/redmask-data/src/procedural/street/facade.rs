//! House fronts: a material, rows of windows, a ground floor with doors, shops and posters.

use rand::{Rng, RngExt};

use super::conditions::{City, Conditions, TimeOfDay};
use crate::procedural::colour::{Rgb, hsv, mix, paint, scale};
use crate::procedural::noise::Noise;

#[derive(Debug, Clone)]
pub(super) struct Facade {
    wall: Rgb,
    base: Rgb,
    glass: Rgb,
    frame: Rgb,
    bay: f32,
    storey: f32,
    window: (f32, f32),
    brick: f32,
    ground_floor: f32,
    posters: f32,
    lit: f32,
    noise: Noise,
}

impl Facade {
    pub(super) fn sample(city: City, time: TimeOfDay, rng: &mut impl Rng) -> Self {
        let wall = match city {
            City::Aldern => hsv(
                rng.random_range(0.0..0.08),
                rng.random_range(0.2..0.65),
                rng.random_range(0.3..0.7),
            ),
            City::Brisco => hsv(
                rng.random_range(0.04..0.17),
                rng.random_range(0.05..0.4),
                rng.random_range(0.55..0.95),
            ),
            City::Corvane => hsv(
                rng.random_range(0.0..1.0),
                rng.random_range(0.0..0.15),
                rng.random_range(0.25..0.85),
            ),
            City::Delmar => mix(paint(rng), [0.85; 3], 0.3),
        };
        let night = time == TimeOfDay::Night;
        Self {
            wall,
            base: mix(wall, paint(rng), rng.random_range(0.2..0.9)),
            glass: hsv(
                rng.random_range(0.5..0.7),
                rng.random_range(0.05..0.4),
                rng.random_range(0.08..0.6),
            ),
            frame: scale(wall, rng.random_range(0.5..1.6)),
            bay: rng.random_range(1.8..4.5),
            storey: rng.random_range(2.6..3.8),
            window: (rng.random_range(0.3..0.75), rng.random_range(0.35..0.7)),
            brick: rng.random_range(0.05..0.3),
            ground_floor: rng.random_range(2.8..4.2),
            posters: rng.random_range(0.0..0.25),
            lit: if night {
                rng.random_range(0.1..0.6)
            } else {
                0.02
            },
            noise: Noise::new(rng),
        }
    }

    /// Colour at `along` metres of the front and `up` metres above the ground, `z` metres from the camera.
    pub(super) fn colour(
        &self,
        along: f32,
        up: f32,
        normal: [f32; 3],
        z: f32,
        lit: f32,
        conditions: &Conditions,
    ) -> Rgb {
        let stain = 1.0 + self.brick * self.noise.fbm(along * 1.7, up * 2.6, 3, 0.7);
        let ground = up < self.ground_floor;
        let wall = scale(if ground { self.base } else { self.wall }, stain);
        let (column, row) = (along / self.bay, (up - self.ground_floor) / self.storey);
        let (cx, cy) = (column - column.floor() - 0.5, row - row.floor() - 0.5);
        let cell = self.noise.cell(column.floor() as i32, row.floor() as i32);
        if ground {
            // Doors, shop windows and posters share the ground floor's bays.
            let kind = self.noise.cell(column.floor() as i32, -7);
            let inside = cx.abs() < 0.5 * (0.4 + 0.5 * kind) && up < self.ground_floor * 0.8;
            if kind < self.posters && cx.abs() < 0.3 && (0.6..2.4).contains(&up) {
                let hue = self.noise.cell(column.floor() as i32, 3);
                let stripe = self.noise.at(cx * 14.0, up * 4.0);
                let poster = hsv(hue, 0.75, 0.55 + 0.3 * stripe);
                return conditions.light(poster, normal, z, lit);
            }
            if inside && kind > 0.4 {
                return self.pane(cell, normal, z, lit, conditions);
            }
            return conditions.light(wall, normal, z, lit);
        }
        let (half_w, half_h) = (self.window.0 / 2.0, self.window.1 / 2.0);
        if cx.abs() < half_w && cy.abs() < half_h {
            return self.pane(cell, normal, z, lit, conditions);
        }
        if cx.abs() < half_w + 0.06 && cy.abs() < half_h + 0.08 {
            return conditions.light(self.frame, normal, z, lit);
        }
        conditions.light(wall, normal, z, lit)
    }

    /// A window: dark, mirroring the sky, or lit from inside.
    fn pane(&self, cell: f32, normal: [f32; 3], z: f32, lit: f32, conditions: &Conditions) -> Rgb {
        if cell < self.lit {
            return conditions.through_air(hsv(0.11, 0.45, 0.85), z);
        }
        let mirrored = conditions.through_air(conditions.haze, z);
        mix(
            conditions.light(self.glass, normal, z, lit),
            mirrored,
            0.5 * cell,
        )
    }
}
