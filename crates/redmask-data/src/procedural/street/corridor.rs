//! The street itself: road, pavements, the rows of houses and gardens on both sides, and the sky over it.

use rand::{Rng, RngExt};

use super::conditions::{City, Conditions, TimeOfDay, Weather};
use super::facade::Facade;
use super::{BUILDING, FENCE, PAVEMENT, ROAD, SKY, TREE};
use crate::procedural::colour::{Rgb, add, grey, hsv, mix, scale};
use crate::procedural::noise::{Noise, smoothstep};

/// How far the rows of houses go, metres.
const END: f32 = 90.0;

/// A stretch of one side of the street.
struct Plot {
    near: f32,
    far: f32,
    content: Content,
}

enum Content {
    House {
        height: f32,
        facade: Facade,
    },
    Garden {
        fence: Option<FenceStyle>,
        hedge: f32,
    },
}

/// A fence's looks: solid boards or bars that show what is behind as darker gaps.
#[derive(Debug, Clone)]
pub(super) struct FenceStyle {
    pub(super) height: f32,
    colour: Rgb,
    pitch: f32,
    solid: f32,
}

impl FenceStyle {
    pub(super) fn sample(rng: &mut impl Rng) -> Self {
        Self {
            height: rng.random_range(1.1..2.1),
            colour: match rng.random_range(0..4) {
                // Bare wood, white paint, green or black metal.
                0 | 1 => hsv(
                    rng.random_range(0.05..0.11),
                    rng.random_range(0.3..0.7),
                    rng.random_range(0.3..0.65),
                ),
                2 => grey(rng.random_range(0.75..0.95)),
                _ => hsv(
                    0.38,
                    rng.random_range(0.0..0.5),
                    rng.random_range(0.12..0.35),
                ),
            },
            pitch: rng.random_range(0.2..0.5),
            solid: rng.random_range(0.4..0.75),
        }
    }

    /// The low kind that stands along a kerb.
    pub(super) fn railing(rng: &mut impl Rng) -> Self {
        Self {
            height: rng.random_range(0.9..1.3),
            ..Self::sample(rng)
        }
    }

    pub(super) fn colour(&self, along: f32, up: f32) -> Rgb {
        let phase = (along / self.pitch).rem_euclid(1.0);
        let rail = (up - 0.12 * self.height).abs() < 0.06 || (self.height * 0.88 - up).abs() < 0.06;
        scale(
            self.colour,
            if phase < self.solid || rail {
                1.0
            } else {
                0.35
            },
        )
    }
}

/// One side of the street.
struct Side {
    plots: Vec<Plot>,
    /// Distance of the house line from the camera's axis, metres.
    line: f32,
    /// Distance of the kerb.
    kerb: f32,
}

pub(super) struct Corridor {
    /// Left, then right.
    sides: [Side; 2],
    asphalt: Rgb,
    slabs: Rgb,
    slab_size: f32,
    marking: Rgb,
    lane: f32,
    dash: f32,
    wet: f32,
    snow: f32,
    leaves: Rgb,
    cloud: f32,
    lamp_pitch: f32,
    end_height: f32,
    end_is_trees: bool,
    ground: Noise,
    air: Noise,
}

impl Corridor {
    pub(super) fn sample(conditions: &Conditions, rng: &mut impl Rng) -> Self {
        let city = conditions.city;
        let (road, walk) = match city {
            City::Aldern => (2.0..3.3, 1.8..3.6),
            City::Brisco => (1.7..2.8, 1.4..2.8),
            City::Corvane => (2.4..4.0, 2.2..4.5),
            City::Delmar => (2.0..3.5, 1.6..3.6),
        };
        let sides = [0, 1].map(|_| {
            let kerb = rng.random_range(road.clone());
            let line = kerb + rng.random_range(walk.clone());
            Side {
                plots: plots(conditions, rng),
                line,
                kerb,
            }
        });
        let lane = rng.random_range(-0.6..0.6);
        let tone: f32 = rng.random_range(0.22..0.42);
        Self {
            sides,
            asphalt: hsv(
                rng.random_range(0.55..0.72),
                rng.random_range(0.0..0.15),
                tone,
            ),
            slabs: hsv(
                rng.random_range(0.02..0.14),
                rng.random_range(0.06..0.32),
                // Paving is lighter than the road beside it, though not than every other road.
                (tone * rng.random_range(1.3f32..2.1)).min(0.85),
            ),
            slab_size: rng.random_range(0.5..1.6),
            marking: hsv(
                0.13,
                rng.random_range(0.0..0.6),
                rng.random_range(0.6..0.95),
            ),
            lane,
            dash: rng.random_range(2.0..5.0),
            wet: match conditions.weather {
                Weather::Rain => rng.random_range(0.4..0.9),
                _ => 0.0,
            },
            snow: match conditions.weather {
                Weather::Snow => rng.random_range(0.2..0.5),
                _ => 0.0,
            },
            leaves: hsv(
                rng.random_range(0.18..0.36),
                rng.random_range(0.35..0.75),
                rng.random_range(0.18..0.45),
            ),
            cloud: rng.random_range(0.2..0.9),
            lamp_pitch: rng.random_range(8.0..18.0),
            end_height: rng.random_range(5.0..16.0),
            end_is_trees: rng.random_bool(0.5),
            ground: Noise::new(rng),
            air: Noise::new(rng),
        }
    }

    /// (kerb, house line) of a side, metres from the camera's axis; -1 is left, 1 right.
    pub(super) fn edges(&self, side: f32) -> (f32, f32) {
        let side = &self.sides[usize::from(side > 0.0)];
        (side.kerb, side.line)
    }

    /// Colour, class and depth along a ray that meets no object. `shadow(x, z)` gives the
    /// shares of (sun, sky) that reach a ground point.
    pub(super) fn cast(
        &self,
        dx: f32,
        dy: f32,
        camera_height: f32,
        conditions: &Conditions,
        shadow: &dyn Fn(f32, f32) -> (f32, f32),
    ) -> (Rgb, u8, f32) {
        let ground_z = if dy < 0.0 {
            camera_height / -dy
        } else {
            f32::INFINITY
        };
        let right = dx > 0.0;
        let side = &self.sides[usize::from(right)];
        let wall_z = side.line / dx.abs().max(1e-6);
        if ground_z < wall_z.min(END) {
            return self.ground(dx * ground_z, ground_z, conditions, shadow);
        }
        let up = |z: f32| camera_height + dy * z;
        let normal = if right {
            [-1.0, 0.0, 0.0]
        } else {
            [1.0, 0.0, 0.0]
        };
        if wall_z < END
            && let Some(plot) = side.plots.iter().find(|p| wall_z < p.far)
        {
            let y = up(wall_z);
            match &plot.content {
                Content::House { height, facade } if y < *height => {
                    let lit = if conditions.casts_shadows() { 1.0 } else { 0.0 };
                    let colour = facade.colour(wall_z, y, normal, wall_z, lit, conditions);
                    return (colour, BUILDING, wall_z);
                }
                Content::Garden {
                    fence: Some(fence), ..
                } if y < fence.height => {
                    let colour = conditions.light(fence.colour(wall_z, y), normal, wall_z, 1.0);
                    return (colour, FENCE, wall_z);
                }
                Content::Garden { hedge, .. } => {
                    let depth = wall_z * 1.25;
                    let top =
                        hedge * (1.0 + 0.5 * self.air.fbm(depth * dx * 0.4, depth * 0.3, 3, 0.6));
                    if up(depth) < top {
                        return (self.foliage(depth, up(depth), conditions), TREE, depth);
                    }
                }
                Content::House { .. } => {}
            }
            if let Some(found) = Self::gable(side, dx, wall_z, up, conditions) {
                return found;
            }
        }
        self.far_end(dx, dy, camera_height, conditions)
    }

    /// The side wall of a house behind a gap or a lower roof.
    fn gable(
        side: &Side,
        dx: f32,
        wall_z: f32,
        up: impl Fn(f32) -> f32,
        conditions: &Conditions,
    ) -> Option<(Rgb, u8, f32)> {
        const HOUSE_DEPTH: f32 = 11.0;
        side.plots.iter().find_map(|plot| {
            let Content::House { height, facade } = &plot.content else {
                return None;
            };
            let x = dx.abs() * plot.near;
            let behind = x - side.line;
            if plot.near <= wall_z || behind > HOUSE_DEPTH || up(plot.near) > *height {
                return None;
            }
            let lit = if conditions.casts_shadows() { 0.6 } else { 0.0 };
            let colour = facade.colour(
                behind + 0.37,
                up(plot.near),
                [0.0, 0.0, -1.0],
                plot.near,
                lit,
                conditions,
            );
            Some((colour, BUILDING, plot.near))
        })
    }

    fn far_end(
        &self,
        dx: f32,
        dy: f32,
        camera_height: f32,
        conditions: &Conditions,
    ) -> (Rgb, u8, f32) {
        let (x, y) = (dx * END, camera_height + dy * END);
        let skyline = if self.end_is_trees {
            self.end_height * (0.7 + 0.6 * self.air.fbm(x * 0.2, 3.0, 4, 0.6))
        } else {
            self.end_height * (0.5 + self.air.cell((x / 9.0).floor() as i32, 5))
        };
        if y < skyline {
            let z = END;
            return if self.end_is_trees {
                (self.foliage(x, y, conditions), TREE, z)
            } else {
                let shade = 0.35
                    + 0.3
                        * self
                            .air
                            .cell((x / 2.2).floor() as i32, (y / 3.0).floor() as i32);
                (
                    conditions.light(grey(shade), [0.0, 0.0, -1.0], z, 0.5),
                    BUILDING,
                    z,
                )
            };
        }
        let elevation = dy.max(0.0);
        let mut sky = mix(
            conditions.haze,
            conditions.zenith,
            smoothstep(0.0, 0.55, elevation),
        );
        let cloud = self
            .air
            .fbm(dx * 3.0 / (elevation + 0.25), 6.0 * elevation, 4, 0.55);
        let bright = if conditions.time == TimeOfDay::Night {
            0.6
        } else {
            1.15
        };
        sky = mix(
            sky,
            scale(conditions.haze, bright),
            smoothstep(0.0, 0.5, cloud) * self.cloud,
        );
        (sky, SKY, f32::INFINITY)
    }

    fn foliage(&self, x: f32, y: f32, conditions: &Conditions) -> Rgb {
        let leaf = 1.0 + 0.7 * self.air.fbm(x * 2.3, y * 2.3, 3, 0.7);
        let colour = scale(mix(self.leaves, grey(0.9), self.snow * 0.4), leaf);
        conditions.light(colour, [0.0, 0.6, -0.8], x.abs().min(END), 0.5)
    }

    fn ground(
        &self,
        x: f32,
        z: f32,
        conditions: &Conditions,
        shadow: &dyn Fn(f32, f32) -> (f32, f32),
    ) -> (Rgb, u8, f32) {
        let side = &self.sides[usize::from(x > 0.0)];
        let beyond = x.abs() - side.kerb;
        let rough = self.ground.fbm(x * 2.0, z * 1.2, 4, 0.65);
        let (mut albedo, class) = if beyond < 0.0 {
            (self.road(x, z, side.kerb, rough), ROAD)
        } else {
            let joint = |v: f32| (v / self.slab_size).rem_euclid(1.0) < 0.08;
            let slab = self.ground.cell(
                (x / self.slab_size).floor() as i32,
                (z / self.slab_size).floor() as i32,
            );
            let mut colour = scale(self.slabs, 0.9 + 0.2 * slab + 0.25 * rough);
            if z < 18.0 && (joint(x) || joint(z)) {
                colour = scale(colour, 0.75);
            }
            if beyond < 0.18 {
                colour = add(scale(colour, 0.8), grey(0.15));
            }
            (colour, PAVEMENT)
        };
        let snow = smoothstep(
            0.1,
            0.5,
            self.snow + 0.7 * self.ground.fbm(x * 0.7, z * 0.4, 3, 0.5) - 0.2,
        );
        albedo = mix(
            albedo,
            grey(0.9),
            snow * f32::from(u8::from(self.snow > 0.0)),
        );
        let (sun, sky) = shadow(x, z);
        let lit = sun * self.house_shade(x, z, conditions);
        let mut colour = conditions.light(scale(albedo, sky), [0.0, 1.0, 0.0], z, lit);
        if conditions.time == TimeOfDay::Night {
            let along = (z / self.lamp_pitch).rem_euclid(1.0) - 0.5;
            let pool = (-(along * along * 14.0 + beyond * beyond * 0.15)).exp();
            colour = add(colour, scale(albedo, 0.35 * pool));
        }
        if self.wet > 0.0 {
            let puddle = smoothstep(-0.2, 0.3, self.ground.fbm(x * 0.8, z * 0.25, 3, 0.5));
            colour = mix(colour, scale(conditions.haze, 0.8), self.wet * puddle * 0.5);
        }
        (colour, class, z)
    }

    fn road(&self, x: f32, z: f32, kerb: f32, rough: f32) -> Rgb {
        let mut colour = scale(self.asphalt, 1.0 + 0.35 * rough);
        let patch = self.ground.at(x * 0.35 + 31.0, z * 0.16);
        if patch > 0.35 {
            colour = scale(colour, 0.8);
        }
        // Water and dirt gather along the kerb.
        if kerb - x.abs() < 0.22 {
            colour = scale(colour, 0.7);
        }
        let worn = 0.6 + 0.4 * rough;
        let centre_line = (x - self.lane).abs() < 0.08 && (z / self.dash).rem_euclid(1.0) < 0.55;
        let edge_line = (x.abs() - (kerb - 0.35)).abs() < 0.06;
        if centre_line || edge_line {
            colour = mix(colour, self.marking, worn);
        }
        colour
    }

    /// The share of sun that the houses on the sun's side leave at a ground point.
    fn house_shade(&self, x: f32, z: f32, conditions: &Conditions) -> f32 {
        if !conditions.casts_shadows() {
            return 0.0;
        }
        let sun = conditions.sun;
        if sun[0].abs() < 1e-3 {
            return 1.0;
        }
        let side = &self.sides[usize::from(sun[0] > 0.0)];
        let gap = side.line - x * sun[0].signum();
        let travel = gap.max(0.0) / sun[0].abs();
        let (up, along) = (travel * sun[1], z + travel * sun[2]);
        let blocked = side.plots.iter().any(|plot| {
            (plot.near..plot.far).contains(&along)
                && matches!(plot.content, Content::House { height, .. } if up < height)
        });
        f32::from(u8::from(!blocked))
    }
}

fn plots(conditions: &Conditions, rng: &mut impl Rng) -> Vec<Plot> {
    let (gardens, heights) = match conditions.city {
        City::Aldern => (0.35, 6.0..14.0),
        City::Brisco => (0.2, 7.0..18.0),
        City::Corvane => (0.3, 9.0..26.0),
        City::Delmar => (0.45, 4.0..9.0),
    };
    let mut plots = Vec::new();
    let mut near = rng.random_range(-6.0..2.0);
    while near < END {
        let far = near + rng.random_range(5.0..16.0);
        let content = if rng.random_bool(gardens) {
            Content::Garden {
                fence: rng.random_bool(0.85).then(|| FenceStyle::sample(rng)),
                hedge: rng.random_range(0.0..7.0),
            }
        } else {
            Content::House {
                height: rng.random_range(heights.clone()),
                facade: Facade::sample(conditions.city, conditions.time, rng),
            }
        };
        plots.push(Plot { near, far, content });
        near = far;
    }
    plots
}
