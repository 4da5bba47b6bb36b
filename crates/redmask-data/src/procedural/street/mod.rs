//! `street`: driving scenes in nine classes, with instances and the attributes weather, time of day and city.
//!
//! A street in perspective: houses and gardens on both sides, vehicles as solids, people, trees and signs standing in
//! it, all under one sun. Each class has looks and a place of its own, as in a real street: asphalt is bluish and darker
//! than the paving beside it, leaves are mostly green, signs wear the colours of their shape, trousers are dark. None of
//! that is enough by colour alone, because facades, cars, coats and posters share one paint box, and weather and time of
//! day move everything; `cargo run --release --example scenery` measures it.

mod conditions;
mod corridor;
mod facade;
mod solid;
mod upright;
mod vehicle;
mod view;

use std::sync::Arc;

use rand::{Rng, RngExt};
use redmask_core::{ClassKind, ClassTable, Result, Seed};

use self::conditions::Conditions;
pub use self::conditions::{City, Fixed, TimeOfDay, Weather};
use self::corridor::{Corridor, FenceStyle};
use self::upright::Upright;
use self::vehicle::Vehicle;
use self::view::{Hit, Stage, View};
use super::canvas::Camera;
use super::colour::{grey, mix, scale};
use super::noise::Noise;
use super::{Drawing, Layout, ProceduralDataset, Scenery};
use crate::{DataSpec, OpenOptions};

/// Road surface and its markings.
pub const ROAD: u8 = 0;
/// Paving beside the road.
pub const PAVEMENT: u8 = 1;
/// Houses and everything on their fronts.
pub const BUILDING: u8 = 2;
/// Garden fences and railings.
pub const FENCE: u8 = 3;
/// Trees and hedges.
pub const TREE: u8 = 4;
/// Sky.
pub const SKY: u8 = 5;
/// Traffic signs with their posts.
pub const SIGN: u8 = 6;
/// People on foot, with what they carry.
pub const PERSON: u8 = 7;
/// Cars and vans.
pub const CAR: u8 = 8;

/// The options of `street:SEED`.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    super::COUNT,
    super::VAL,
    super::TEST,
    super::SIZE,
    (
        "weather",
        "clear, overcast, rain, fog or snow in every scene",
    ),
    ("time", "morning, noon, dusk or night in every scene"),
    ("city", "aldern, brisco, corvane or delmar in every scene"),
];

pub(crate) fn open(spec: &DataSpec, options: &OpenOptions) -> Result<ProceduralDataset> {
    let layout = Layout::from_spec(spec, options)?;
    let option = |key: &str| spec.options.get(key).map(String::as_str);
    let fixed = Fixed {
        weather: option("weather").map(str::parse).transpose()?,
        time: option("time").map(str::parse).transpose()?,
        city: option("city").map(str::parse).transpose()?,
    };
    let scenery = Arc::new(Street::new(fixed));
    ProceduralDataset::new(scenery, layout)
}

/// The street scenery.
#[derive(Debug, Clone)]
pub struct Street {
    classes: ClassTable,
    fixed: Fixed,
}

impl Street {
    /// Streets whose attributes are drawn, but for those that are `fixed`.
    pub fn new(fixed: Fixed) -> Self {
        use ClassKind::{Stuff, Thing};
        Self {
            classes: ClassTable::from_rows(&[
                ("road", [128, 64, 128], Stuff),
                ("pavement", [244, 35, 232], Stuff),
                ("building", [70, 70, 70], Stuff),
                ("fence", [190, 153, 153], Stuff),
                ("tree", [107, 142, 35], Stuff),
                ("sky", [70, 130, 180], Stuff),
                ("sign", [220, 220, 0], Thing),
                ("person", [220, 20, 60], Thing),
                ("car", [0, 0, 142], Thing),
            ]),
            fixed,
        }
    }
}

impl Scenery for Street {
    fn name(&self) -> &'static str {
        "street"
    }

    fn class_table(&self) -> &ClassTable {
        &self.classes
    }

    fn version(&self) -> u32 {
        2
    }

    fn settings(&self) -> String {
        format!("{:?}", self.fixed)
    }

    fn draw(&self, seed: &Seed, height: usize, width: usize) -> Drawing {
        let conditions = Conditions::sample(self.fixed, &mut seed.child("conditions").rng());
        let rng = &mut seed.child("scene").rng();
        let view = View::sample(rng);
        let corridor = Corridor::sample(&conditions, rng);
        let props = Props::sample(&corridor, &conditions, rng);
        let camera = Camera::sample(rng);

        let mut stage = Stage::new(view, height, width);
        let eye = view.camera_height;
        stage.fill(|dx, dy| {
            corridor.cast(dx, dy, eye, &conditions, &|x, z| {
                props.shadow(x, z, &conditions)
            })
        });
        props.draw(&mut stage, eye, &conditions);
        fall(&mut stage, &conditions, rng);
        let (image, labels, instances) = stage
            .canvas
            .develop(&camera, &mut seed.child("sensor").rng());
        Drawing {
            image,
            labels,
            instances: Some(instances),
            attributes: conditions.attributes(),
        }
    }
}

/// A railing along the kerb.
struct Railing {
    x: f32,
    near: f32,
    far: f32,
    style: FenceStyle,
}

/// Everything that stands in the street.
struct Props {
    cars: Vec<Vehicle>,
    people: Vec<Upright>,
    trees: Vec<Upright>,
    signs: Vec<Upright>,
    railings: Vec<Railing>,
}

/// A depth with equal chances in each factor of distance, metres.
fn depth(rng: &mut impl Rng, near: f32, far: f32) -> f32 {
    rng.random_range(near.ln()..far.ln()).exp()
}

impl Props {
    fn sample(corridor: &Corridor, conditions: &Conditions, rng: &mut impl Rng) -> Self {
        let side = |rng: &mut dyn Rng| if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        let mut cars: Vec<Vehicle> = Vec::new();
        for _ in 0..rng.random_range(1..6) {
            let s = side(rng);
            let kerb = corridor.edges(s).0;
            let parked = rng.random_bool(0.6);
            let inset = if parked {
                rng.random_range(0.9..1.2)
            } else {
                rng.random_range(0.9..kerb.max(1.0))
            };
            let heading = if rng.random_bool(0.5) {
                0.0
            } else {
                std::f32::consts::PI
            };
            let turn = if rng.random_bool(0.12) { 1.6 } else { 0.08 };
            let yaw = heading + rng.random_range(-turn..turn);
            let car = Vehicle::sample(s * (kerb - inset), depth(rng, 4.5, 18.0), yaw, rng);
            // A car that would stand inside another one is left out.
            let (rx, rz) = car.reach();
            let free = cars.iter().all(|other| {
                let (ox, oz) = other.reach();
                (car.x - other.x).abs() > rx + ox + 0.2 || (car.z - other.z).abs() > rz + oz + 0.5
            });
            if free && car.z - rz > 2.5 {
                cars.push(car);
            }
        }
        let people = (0..rng.random_range(2..8))
            .map(|_| {
                let s = side(rng);
                let (kerb, line) = corridor.edges(s);
                let x = if rng.random_bool(0.75) {
                    rng.random_range(kerb..line - 0.2)
                } else {
                    rng.random_range(0.0..kerb)
                };
                Upright::person(s * x, depth(rng, 3.0, 9.0), conditions.weather, rng)
            })
            .collect();
        let trees = (0..rng.random_range(1..5))
            .map(|_| {
                let s = side(rng);
                let (kerb, line) = corridor.edges(s);
                let x = if rng.random_bool(0.7) {
                    kerb + 0.6
                } else {
                    line + 1.5
                };
                Upright::tree(s * x, depth(rng, 4.5, 22.0), rng)
            })
            .collect();
        let signs = (0..rng.random_range(2..6))
            .map(|_| {
                let s = side(rng);
                let x = s * (corridor.edges(s).0 + rng.random_range(0.25..0.6));
                Upright::sign(x, depth(rng, 3.0, 8.5), rng)
            })
            .collect();
        let railings = (0..rng.random_range(0..3))
            .map(|_| {
                let s = side(rng);
                let near = depth(rng, 3.0, 10.0);
                Railing {
                    x: s * (corridor.edges(s).0 + 0.15),
                    near,
                    far: near + rng.random_range(3.0..12.0),
                    style: FenceStyle::railing(rng),
                }
            })
            .collect();
        Self {
            cars,
            people,
            trees,
            signs,
            railings,
        }
    }

    /// The shares of (sun, sky) that reach a ground point past the objects.
    fn shadow(&self, x: f32, z: f32, conditions: &Conditions) -> (f32, f32) {
        let mut sky = 1.0f32;
        for vehicle in &self.cars {
            let (rx, rz) = vehicle.reach();
            let d = ((x - vehicle.x).abs() / (rx + 0.2)).max((z - vehicle.z).abs() / (rz + 0.2));
            if d < 1.0 {
                sky = sky.min(0.45);
            }
        }
        if !conditions.casts_shadows() {
            return (1.0, sky);
        }
        let sun = conditions.sun;
        let reach = 1.0 / sun[1].max(0.2);
        let (sx, sz) = (-sun[0] * reach, -sun[2] * reach);
        let shaded = |ox: f32, oz: f32, low: f32, high: f32, radius: f32| {
            // The object's axis from `low` to `high` metres throws a segment on the ground.
            let (dx, dz) = (x - ox, z - oz);
            let length2 = (sx * sx + sz * sz).max(1e-6);
            let t = ((dx * sx + dz * sz) / length2).clamp(low, high);
            (dx - t * sx).hypot(dz - t * sz) < radius
        };
        let dark = self
            .cars
            .iter()
            .map(|v| (v.x, v.z, 0.0, v.height(), v.reach().0.min(v.reach().1)))
            .chain(self.people.iter().map(|p| (p.x, p.z, 0.0, p.height, 0.22)))
            .chain(
                self.signs
                    .iter()
                    .map(|s| (s.x, s.z, s.height - 1.0, s.height, 0.4)),
            )
            .chain(
                self.trees
                    .iter()
                    .map(|t| (t.x, t.z, t.height * 0.5, t.height * 0.8, t.half_width * 0.7)),
            )
            .any(|(ox, oz, low, high, radius)| shaded(ox, oz, low, high, radius));
        (if dark { 0.0 } else { 1.0 }, sky)
    }

    fn draw(&self, stage: &mut Stage, eye: f32, conditions: &Conditions) {
        let mut instance = 0;
        let mut next = || {
            instance += 1;
            instance
        };
        for railing in &self.railings {
            let low = [railing.x, 0.0, railing.near];
            let high = [railing.x, railing.style.height, railing.far];
            stage.draw((low, high), FENCE, 0, |dx, dy| {
                let z = railing.x / dx;
                let y = eye + dy * z;
                ((railing.near..railing.far).contains(&z)
                    && (0.0..railing.style.height).contains(&y))
                .then(|| Hit {
                    colour: conditions.light(
                        railing.style.colour(z, y),
                        [-railing.x.signum(), 0.0, 0.0],
                        z,
                        1.0,
                    ),
                    z,
                })
            });
        }
        for car in &self.cars {
            stage.draw(car.bounds(), CAR, next(), |dx, dy| {
                car.cast(dx, dy, eye, conditions)
            });
        }
        for tree in &self.trees {
            stage.draw(tree.bounds(), TREE, 0, |dx, dy| {
                tree.cast(dx, dy, eye, conditions)
            });
        }
        for (class, uprights) in [(PERSON, &self.people), (SIGN, &self.signs)] {
            for upright in uprights {
                stage.draw(upright.bounds(), class, next(), |dx, dy| {
                    upright.cast(dx, dy, eye, conditions)
                });
            }
        }
    }
}

/// Rain streaks and snowflakes between the camera and everything.
fn fall(stage: &mut Stage, conditions: &Conditions, rng: &mut impl Rng) {
    let noise = Noise::new(rng);
    let slant = rng.random_range(-0.3..0.3);
    let (density, colour) = match conditions.weather {
        Weather::Rain => (rng.random_range(0.62..0.8), scale(conditions.haze, 1.1)),
        Weather::Snow => (rng.random_range(0.66..0.85), grey(0.95)),
        _ => return,
    };
    let stretch = if conditions.weather == Weather::Rain {
        6.0
    } else {
        60.0
    };
    stage.veil(|y, x, _, below| {
        let drop = noise.at((x + slant * y) * 75.0, y * stretch);
        if drop > density {
            mix(below, colour, 0.35)
        } else {
            below
        }
    });
}
