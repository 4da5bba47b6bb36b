//! Cars and buses: convex solids with windows, lights, wheels and paint.

use rand::{Rng, RngExt};

use super::conditions::{Conditions, TimeOfDay};
use super::solid::{Entry, Plane, enter, frustum};
use super::view::{Hit, Point};
use crate::procedural::colour::{Rgb, grey, hsv, mix, paint, scale};
use crate::procedural::noise::Noise;

#[derive(Debug, Clone)]
pub(super) struct Vehicle {
    /// Ground point under its middle (right, forward).
    pub(super) x: f32,
    pub(super) z: f32,
    cos: f32,
    sin: f32,
    shell: Shell,
    body: [Plane; 6],
    cabin: Option<[Plane; 6]>,
    colour: Rgb,
    trim: Rgb,
    glass: Rgb,
    noise: Noise,
}

#[derive(Debug, Clone, Copy)]
struct Shell {
    half_width: f32,
    half_length: f32,
    height: f32,
    /// Window band on the body itself (buses), metres above the ground.
    band: Option<(f32, f32)>,
    wheel: f32,
}

impl Vehicle {
    /// A car standing at (x, z), turned by `yaw` (0 drives away from the camera).
    pub(super) fn car(x: f32, z: f32, yaw: f32, rng: &mut impl Rng) -> Self {
        let half_width = rng.random_range(0.82..0.98);
        let half_length = rng.random_range(1.8..2.4);
        let belt = rng.random_range(0.85..1.05);
        let height = belt + rng.random_range(0.45..0.75);
        let body = frustum(
            [-half_width, 0.14, -half_length],
            [half_width, belt, half_length],
            (
                0.08,
                rng.random_range(0.05..0.4),
                rng.random_range(0.05..0.3),
            ),
        );
        let cabin = frustum(
            [
                -half_width * 0.95,
                belt - 0.02,
                -half_length * rng.random_range(0.6f32..0.98),
            ],
            [
                half_width * 0.95,
                height,
                half_length * rng.random_range(0.2..0.6),
            ],
            (
                rng.random_range(0.2..0.4),
                rng.random_range(0.7..1.4),
                rng.random_range(0.2..1.0),
            ),
        );
        let shell = Shell {
            half_width,
            half_length,
            height,
            band: None,
            wheel: 0.33,
        };
        Self::new(x, z, yaw, shell, body, Some(cabin), rng)
    }

    /// A bus standing at (x, z).
    pub(super) fn bus(x: f32, z: f32, yaw: f32, rng: &mut impl Rng) -> Self {
        let half_width = rng.random_range(1.15..1.28);
        let half_length = rng.random_range(3.5..5.5);
        let height = rng.random_range(2.7..3.4);
        let body = frustum(
            [-half_width, 0.25, -half_length],
            [half_width, height, half_length],
            (0.02, 0.05, 0.02),
        );
        let low = rng.random_range(1.2..1.5);
        let shell = Shell {
            half_width,
            half_length,
            height,
            band: Some((low, height - rng.random_range(0.35..0.7))),
            wheel: 0.48,
        };
        Self::new(x, z, yaw, shell, body, None, rng)
    }

    fn new(
        x: f32,
        z: f32,
        yaw: f32,
        shell: Shell,
        body: [Plane; 6],
        cabin: Option<[Plane; 6]>,
        rng: &mut impl Rng,
    ) -> Self {
        Self {
            x,
            z,
            cos: yaw.cos(),
            sin: yaw.sin(),
            shell,
            body,
            cabin,
            colour: paint(rng),
            trim: paint(rng),
            glass: hsv(
                0.58,
                rng.random_range(0.0..0.3),
                rng.random_range(0.05..0.3),
            ),
            noise: Noise::new(rng),
        }
    }

    pub(super) fn height(&self) -> f32 {
        self.shell.height
    }

    /// Half of its extent across and along the street, turned as it stands.
    pub(super) fn reach(&self) -> (f32, f32) {
        let (w, l) = (self.shell.half_width, self.shell.half_length);
        let (c, s) = (self.cos.abs(), self.sin.abs());
        (w * c + l * s, w * s + l * c)
    }

    pub(super) fn bounds(&self) -> (Point, Point) {
        let (rx, rz) = self.reach();
        (
            [self.x - rx, 0.0, self.z - rz],
            [self.x + rx, self.shell.height, self.z + rz],
        )
    }

    pub(super) fn cast(
        &self,
        dx: f32,
        dy: f32,
        camera: f32,
        conditions: &Conditions,
    ) -> Option<Hit> {
        let origin = self.turn([-self.x, camera, -self.z]);
        let direction = self.turn([dx, dy, 1.0]);
        let body = enter(&self.body, origin, direction);
        let cabin = self
            .cabin
            .as_ref()
            .and_then(|c| enter(c, origin, direction));
        let (entry, on_cabin) = match (body, cabin) {
            (Some(b), Some(c)) if c.t < b.t => (c, true),
            (Some(b), _) => (b, false),
            (None, Some(c)) => (c, true),
            (None, None) => return None,
        };
        let at = std::array::from_fn(|axis| origin[axis] + entry.t * direction[axis]);
        if at[1] < self.shell.wheel * 0.6 && !self.on_wheel(at) && entry.face < 2 {
            return None;
        }
        Some(Hit {
            colour: self.colour(at, entry, on_cabin, conditions),
            z: entry.t,
        })
    }

    /// Into the vehicle's own axes: right, up, ahead.
    fn turn(&self, p: Point) -> Point {
        [
            self.cos * p[0] - self.sin * p[2],
            p[1],
            self.sin * p[0] + self.cos * p[2],
        ]
    }

    fn on_wheel(&self, at: Point) -> bool {
        let r = self.shell.wheel;
        let axle = self.shell.half_length * 0.64;
        (at[2].abs() - axle).hypot(at[1] - r) < r
    }

    fn colour(&self, at: Point, entry: Entry, on_cabin: bool, conditions: &Conditions) -> Rgb {
        let planes = if on_cabin {
            self.cabin.as_ref().unwrap_or(&self.body)
        } else {
            &self.body
        };
        let own = planes[entry.face].normal;
        let length = own.iter().map(|v| v * v).sum::<f32>().sqrt();
        let normal = [
            (self.cos * own[0] + self.sin * own[2]) / length,
            own[1] / length,
            (self.cos * own[2] - self.sin * own[0]) / length,
        ];
        let night = conditions.time == TimeOfDay::Night;
        let (rear, front) = (entry.face == 4, entry.face == 5);
        let side = entry.face < 2;
        if side && self.on_wheel(at) {
            let axle = self.shell.half_length * 0.64;
            let hub = (at[2].abs() - axle).hypot(at[1] - self.shell.wheel) < self.shell.wheel * 0.5;
            return conditions.light(grey(if hub { 0.45 } else { 0.05 }), normal, entry.t, 1.0);
        }
        let across = at[0].abs() / self.shell.half_width;
        let glass = if let Some((low, high)) = self.shell.band {
            let pillar = side && (at[2] / 1.3).rem_euclid(1.0) < 0.12;
            (low..high).contains(&at[1]) && entry.face != 3 && !pillar && across < 1.1
        } else {
            let pillar = side && (at[2] - 0.1).abs() < 0.06;
            on_cabin && entry.face != 3 && at[1] < self.shell.height - 0.08 && !pillar
        };
        if glass {
            let sky = mix(conditions.haze, conditions.zenith, 0.5);
            let pane = conditions.light(self.glass, normal, entry.t, 1.0);
            let streak = 0.3 + 0.25 * self.noise.at(at[2] * 1.5 + at[0], at[1] * 3.0);
            return mix(pane, conditions.through_air(sky, entry.t), streak);
        }
        if (rear || front) && !on_cabin {
            let lamp = (0.5..0.8).contains(&at[1]) && across > 0.62;
            if lamp {
                let tone = if rear {
                    hsv(0.0, 0.85, 0.7)
                } else {
                    hsv(0.14, 0.15, 0.9)
                };
                return if night {
                    conditions.through_air(scale(tone, 1.3), entry.t)
                } else {
                    conditions.light(tone, normal, entry.t, 1.0)
                };
            }
            if at[1] < 0.42 {
                return conditions.light(grey(0.12), normal, entry.t, 1.0);
            }
            if across < 0.32 && (0.45..0.58).contains(&at[1]) {
                return conditions.light(grey(0.85), normal, entry.t, 1.0);
            }
        }
        let striped = self.shell.band.is_some() && (0.75..1.15).contains(&at[1]);
        let dirt = 1.0 + 0.15 * self.noise.fbm(at[2] * 2.0, at[1] * 3.0, 2, 0.6);
        let coat = scale(if striped { self.trim } else { self.colour }, dirt);
        let lit = conditions.light(coat, normal, entry.t, 1.0);
        if entry.face == 3 {
            mix(lit, conditions.through_air(conditions.haze, entry.t), 0.25)
        } else {
            lit
        }
    }
}
