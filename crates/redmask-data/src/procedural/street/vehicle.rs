//! Cars and vans: two convex solids with windows, lights, wheels and paint.

use rand::{Rng, RngExt};

use super::conditions::{Conditions, TimeOfDay};
use super::solid::{Entry, Plane, enter, frustum};
use super::view::{Hit, Point};
use crate::procedural::colour::{Rgb, grey, hsv, mix, paint, scale};
use crate::procedural::noise::Noise;

/// Radius of the wheels, metres.
const WHEEL: f32 = 0.33;

#[derive(Debug, Clone)]
pub(super) struct Vehicle {
    /// Ground point under its middle (right, forward).
    pub(super) x: f32,
    pub(super) z: f32,
    /// Cosine and sine of its turn; 0 drives away from the camera.
    turn: (f32, f32),
    half_width: f32,
    half_length: f32,
    height: f32,
    /// Side windows end here towards the tail: closed vans have them at the front only.
    windows_from: f32,
    body: [Plane; 6],
    cabin: [Plane; 6],
    colour: Rgb,
    glass: Rgb,
    noise: Noise,
}

/// Faces of a frustum, as [`frustum`] orders them.
mod face {
    pub(super) const RIGHT: usize = 1;
    pub(super) const TOP: usize = 3;
    pub(super) const REAR: usize = 4;
    pub(super) const FRONT: usize = 5;
}

impl Vehicle {
    /// A car or van standing at (x, z).
    pub(super) fn sample(x: f32, z: f32, yaw: f32, rng: &mut impl Rng) -> Self {
        let van = rng.random_bool(0.15);
        let half_width = rng.random_range(0.82..0.98);
        let half_length: f32 = rng.random_range(1.8..2.4);
        let belt: f32 = rng.random_range(0.85..1.05);
        let (height, tail, lean) = if van {
            (belt + rng.random_range(0.9..1.4), 0.99, (0.06, 0.4, 0.05))
        } else {
            let lean = (
                rng.random_range(0.2..0.4),
                rng.random_range(0.7..1.4),
                rng.random_range(0.2..1.0),
            );
            (
                belt + rng.random_range(0.45..0.75),
                rng.random_range(0.6..0.98),
                lean,
            )
        };
        let closed = van && rng.random_bool(0.6);
        Self {
            x,
            z,
            turn: (yaw.cos(), yaw.sin()),
            half_width,
            half_length,
            height,
            windows_from: if closed {
                0.05 * half_length
            } else {
                -half_length
            },
            body: frustum(
                [-half_width, 0.14, -half_length],
                [half_width, belt, half_length],
                (
                    0.08,
                    rng.random_range(0.05..0.4),
                    rng.random_range(0.05..0.3),
                ),
            ),
            cabin: frustum(
                [-half_width * 0.95, belt - 0.02, -half_length * tail],
                [
                    half_width * 0.95,
                    height,
                    half_length * rng.random_range(0.2..0.6),
                ],
                lean,
            ),
            colour: paint(rng),
            glass: hsv(
                0.58,
                rng.random_range(0.0..0.3),
                rng.random_range(0.05..0.3),
            ),
            noise: Noise::new(rng),
        }
    }

    pub(super) fn height(&self) -> f32 {
        self.height
    }

    /// Half of its extent across and along the street, turned as it stands.
    pub(super) fn reach(&self) -> (f32, f32) {
        let (c, s) = (self.turn.0.abs(), self.turn.1.abs());
        (
            self.half_width * c + self.half_length * s,
            self.half_width * s + self.half_length * c,
        )
    }

    pub(super) fn bounds(&self) -> (Point, Point) {
        let (rx, rz) = self.reach();
        (
            [self.x - rx, 0.0, self.z - rz],
            [self.x + rx, self.height, self.z + rz],
        )
    }

    pub(super) fn cast(
        &self,
        dx: f32,
        dy: f32,
        camera: f32,
        conditions: &Conditions,
    ) -> Option<Hit> {
        let origin = self.own_axes([-self.x, camera, -self.z]);
        let direction = self.own_axes([dx, dy, 1.0]);
        let (entry, on_cabin) = match (
            enter(&self.body, origin, direction),
            enter(&self.cabin, origin, direction),
        ) {
            (Some(body), Some(cabin)) if cabin.t < body.t => (cabin, true),
            (Some(body), _) => (body, false),
            (None, Some(cabin)) => (cabin, true),
            (None, None) => return None,
        };
        let at: Point = std::array::from_fn(|axis| origin[axis] + entry.t * direction[axis]);
        let under_sill = at[1] < 0.6 * WHEEL && entry.face <= face::RIGHT;
        if under_sill && self.axle_distance(at) > WHEEL {
            return None;
        }
        let normal = self.world_normal(entry, on_cabin);
        let colour = if on_cabin {
            self.cabin_colour(at, entry, normal, conditions)
        } else {
            self.body_colour(at, entry, normal, conditions)
        };
        Some(Hit { colour, z: entry.t })
    }

    /// Into the vehicle's axes: right, up, ahead.
    fn own_axes(&self, p: Point) -> Point {
        let (c, s) = self.turn;
        [c * p[0] - s * p[2], p[1], s * p[0] + c * p[2]]
    }

    fn world_normal(&self, entry: Entry, on_cabin: bool) -> Point {
        let own = if on_cabin { &self.cabin } else { &self.body }[entry.face].normal;
        let (c, s) = self.turn;
        let length = own.iter().map(|v| v * v).sum::<f32>().sqrt();
        [c * own[0] + s * own[2], own[1], c * own[2] - s * own[0]].map(|v| v / length)
    }

    /// Distance from the nearer axle, seen from the side.
    fn axle_distance(&self, at: Point) -> f32 {
        (at[2].abs() - 0.64 * self.half_length).hypot(at[1] - WHEEL)
    }

    fn cabin_colour(&self, at: Point, entry: Entry, normal: Point, conditions: &Conditions) -> Rgb {
        let side = entry.face <= face::RIGHT;
        let pillar = side && (at[2] - 0.1).abs() < 0.06;
        let blind = side && at[2] < self.windows_from;
        let closed_rear = entry.face == face::REAR && self.windows_from > 0.0;
        let roof = entry.face == face::TOP || at[1] > self.height - 0.08;
        if roof || pillar || blind || closed_rear {
            return self.coat(at, entry, normal, conditions);
        }
        let sky = mix(conditions.haze, conditions.zenith, 0.5);
        let pane = conditions.light(self.glass, normal, entry.t, 1.0);
        let streak = 0.3 + 0.25 * self.noise.at(at[2] * 1.5 + at[0], at[1] * 3.0);
        mix(pane, conditions.through_air(sky, entry.t), streak)
    }

    fn body_colour(&self, at: Point, entry: Entry, normal: Point, conditions: &Conditions) -> Rgb {
        let lit = |albedo: Rgb| conditions.light(albedo, normal, entry.t, 1.0);
        let across = at[0].abs() / self.half_width;
        match entry.face {
            0 | face::RIGHT if self.axle_distance(at) < WHEEL => {
                lit(grey(if self.axle_distance(at) < 0.5 * WHEEL {
                    0.45
                } else {
                    0.05
                }))
            }
            face::REAR | face::FRONT if (0.5..0.8).contains(&at[1]) && across > 0.62 => {
                let lamp = if entry.face == face::REAR {
                    hsv(0.0, 0.85, 0.7)
                } else {
                    hsv(0.14, 0.15, 0.9)
                };
                if conditions.time == TimeOfDay::Night {
                    conditions.through_air(scale(lamp, 1.3), entry.t)
                } else {
                    lit(lamp)
                }
            }
            face::REAR | face::FRONT if at[1] < 0.42 => lit(grey(0.12)),
            face::REAR | face::FRONT if across < 0.32 && (0.45..0.58).contains(&at[1]) => {
                lit(grey(0.85))
            }
            _ => self.coat(at, entry, normal, conditions),
        }
    }

    fn coat(&self, at: Point, entry: Entry, normal: Point, conditions: &Conditions) -> Rgb {
        let dirt = 1.0 + 0.15 * self.noise.fbm(at[2] * 2.0, at[1] * 3.0, 2, 0.6);
        let lit = conditions.light(scale(self.colour, dirt), normal, entry.t, 1.0);
        if entry.face == face::TOP {
            mix(lit, conditions.through_air(conditions.haze, entry.t), 0.25)
        } else {
            lit
        }
    }
}
