//! What stands upright and faces the camera: people, trees, traffic signs. Each is a flat shape in metres, `x` from
//! its middle and `y` above the ground.

use rand::{Rng, RngExt};

use super::conditions::{Conditions, Weather};
use super::view::{Hit, Point};
use crate::procedural::colour::{Rgb, grey, hsv, mix, paint, scale};
use crate::procedural::noise::Noise;

/// A flat object at a ground point.
#[derive(Debug, Clone)]
pub(super) struct Upright {
    pub(super) x: f32,
    pub(super) z: f32,
    pub(super) half_width: f32,
    pub(super) height: f32,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Person(Person),
    Tree(Tree),
    Sign(Sign),
}

impl Upright {
    pub(super) fn person(x: f32, z: f32, weather: Weather, rng: &mut impl Rng) -> Self {
        let person = Person::sample(weather, rng);
        Self {
            x,
            z,
            half_width: 0.62,
            height: if person.umbrella.is_some() {
                person.height * 1.3
            } else {
                person.height * 1.02
            },
            shape: Shape::Person(person),
        }
    }

    pub(super) fn tree(x: f32, z: f32, rng: &mut impl Rng) -> Self {
        let tree = Tree::sample(rng);
        Self {
            x,
            z,
            half_width: tree.spread * 1.5,
            height: tree.crown + tree.spread * 1.6,
            shape: Shape::Tree(tree),
        }
    }

    pub(super) fn sign(x: f32, z: f32, rng: &mut impl Rng) -> Self {
        let sign = Sign::sample(rng);
        Self {
            x,
            z,
            half_width: sign.size,
            height: sign.centre + sign.size * 1.1,
            shape: Shape::Sign(sign),
        }
    }

    pub(super) fn bounds(&self) -> (Point, Point) {
        (
            [self.x - self.half_width, 0.0, self.z],
            [self.x + self.half_width, self.height, self.z],
        )
    }

    pub(super) fn cast(
        &self,
        dx: f32,
        dy: f32,
        camera: f32,
        conditions: &Conditions,
    ) -> Option<Hit> {
        let (x, y) = (dx * self.z - self.x, camera + dy * self.z);
        let albedo = match &self.shape {
            Shape::Person(person) => person.albedo(x, y),
            Shape::Tree(tree) => tree.albedo(x, y),
            Shape::Sign(sign) => sign.albedo(x, y),
        }?;
        // Rounded bodies catch light from their side: a normal that turns with x.
        let turn = (x / self.half_width).clamp(-1.0, 1.0) * 0.8;
        let normal = [turn, 0.3, -(1.0 - turn * turn - 0.09).max(0.0).sqrt()];
        Some(Hit {
            colour: conditions.light(albedo, normal, self.z, 1.0),
            z: self.z,
        })
    }
}

/// Distance from a point to a line segment.
fn segment(p: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (vx, vy) = (b.0 - a.0, b.1 - a.1);
    let t = (((p.0 - a.0) * vx + (p.1 - a.1) * vy) / (vx * vx + vy * vy).max(1e-9)).clamp(0.0, 1.0);
    (p.0 - a.0 - t * vx).hypot(p.1 - a.1 - t * vy)
}

#[derive(Debug, Clone)]
pub(super) struct Person {
    height: f32,
    build: f32,
    stride: f32,
    swing: f32,
    coat_length: f32,
    skin: Rgb,
    hair: Rgb,
    top: Rgb,
    legs: Rgb,
    bag: Option<(f32, Rgb)>,
    umbrella: Option<Rgb>,
    cloth: Noise,
}

impl Person {
    fn sample(weather: Weather, rng: &mut impl Rng) -> Self {
        let wet = matches!(weather, Weather::Rain | Weather::Snow);
        Self {
            height: rng.random_range(1.35..1.95),
            build: rng.random_range(0.85..1.3),
            stride: rng.random_range(-0.2..0.2),
            swing: rng.random_range(-0.16..0.16),
            coat_length: rng.random_range(0.28..0.5),
            skin: hsv(
                rng.random_range(0.04..0.08),
                rng.random_range(0.3..0.6),
                rng.random_range(0.3..0.9),
            ),
            hair: hsv(
                0.07,
                rng.random_range(0.1..0.7),
                rng.random_range(0.05..0.6),
            ),
            top: paint(rng),
            legs: hsv(
                rng.random_range(0.55..0.7),
                rng.random_range(0.0..0.6),
                rng.random_range(0.08..0.4),
            ),
            bag: rng
                .random_bool(0.35)
                .then(|| (rng.random_range(-0.26f32..0.26), paint(rng))),
            umbrella: rng
                .random_bool(if wet { 0.45 } else { 0.03 })
                .then(|| paint(rng)),
            cloth: Noise::new(rng),
        }
    }

    fn albedo(&self, x: f32, y: f32) -> Option<Rgb> {
        let (x, y) = (x / self.height, y / self.height);
        let fold = 1.0 + 0.25 * self.cloth.fbm(x * 18.0, y * 12.0, 2, 0.6);
        if let Some(colour) = self.umbrella {
            let dome = x.hypot((y - 1.0) * 1.3);
            if y > 1.02 && dome < 0.33 {
                return Some(scale(colour, fold));
            }
            if (0.6..1.05).contains(&y) && (x - 0.12).abs() < 0.012 {
                return Some(grey(0.1));
            }
        }
        if x.hypot((y - 0.925) * 0.85) < 0.062 {
            let covered = y > 0.95 || x.abs() > 0.045;
            return Some(if covered { self.hair } else { self.skin });
        }
        if let Some((at, colour)) = self.bag
            && (x - at).abs() < 0.07
            && (0.4..0.56).contains(&y)
        {
            return Some(scale(colour, fold));
        }
        let w = self.build;
        let torso = segment((x, y), (0.0, 0.8), (0.0, self.coat_length + 0.12)) < 0.105 * w;
        let arm = |side: f32| {
            let hand = (
                side * (0.13 * w + self.swing.abs() * 0.4) + self.swing * 0.4,
                0.46,
            );
            segment((x, y), (side * 0.115 * w, 0.8), hand) < 0.033 * w
        };
        if torso || arm(-1.0) || arm(1.0) {
            return Some(scale(self.top, fold));
        }
        let leg = |side: f32| {
            let foot = (
                side * 0.05 + side * self.stride.abs() * 0.5 + self.stride * 0.3,
                0.02,
            );
            segment((x, y), (side * 0.05 * w, 0.5), foot) < 0.043 * w
        };
        if y >= 0.0 && (leg(-1.0) || leg(1.0)) {
            return Some(if y < 0.04 {
                grey(0.1)
            } else {
                scale(self.legs, fold)
            });
        }
        None
    }
}

#[derive(Debug, Clone)]
pub(super) struct Tree {
    trunk: f32,
    crown: f32,
    spread: f32,
    tall: f32,
    sparse: f32,
    bark: Rgb,
    leaf: Rgb,
    shade: Rgb,
    noise: Noise,
}

impl Tree {
    fn sample(rng: &mut impl Rng) -> Self {
        // One in six has turned.
        let hue = if rng.random_bool(0.16) {
            rng.random_range(0.03..0.16)
        } else {
            rng.random_range(0.18..0.36)
        };
        let leaf = hsv(
            hue,
            rng.random_range(0.35..0.75),
            rng.random_range(0.2..0.65),
        );
        Self {
            trunk: rng.random_range(0.12..0.32),
            crown: rng.random_range(2.6..5.0),
            spread: rng.random_range(1.0..2.6),
            tall: rng.random_range(0.7..1.4),
            sparse: rng.random_range(0.0..0.35),
            bark: hsv(0.07, rng.random_range(0.1..0.5), rng.random_range(0.1..0.4)),
            leaf,
            shade: scale(leaf, rng.random_range(0.3..0.6)),
            noise: Noise::new(rng),
        }
    }

    fn albedo(&self, x: f32, y: f32) -> Option<Rgb> {
        let d = (x / self.spread).hypot((y - self.crown) / (self.spread * self.tall));
        let edge = self.noise.fbm(x * 0.9, y * 0.9, 4, 0.7);
        let hole = self.noise.fbm(x * 2.2 + 50.0, y * 2.2, 2, 0.6);
        if y > 0.9 && d + 0.55 * edge < 1.0 && hole > self.sparse - 0.75 {
            let clump = 0.5 + 0.5 * self.noise.fbm(x * 2.6 - 20.0, y * 2.6, 3, 0.8);
            let upper = ((y - self.crown) / self.spread * 0.3 + 0.5).clamp(0.0, 1.0);
            return Some(mix(self.shade, self.leaf, 0.6 * clump + 0.4 * upper));
        }
        let taper = self.trunk * (1.25 - 0.5 * (y / self.crown).min(1.0));
        let lean = 0.12 * self.noise.at(3.0, y * 0.4);
        ((0.0..self.crown).contains(&y) && (x - lean).abs() < taper).then(|| {
            scale(
                self.bark,
                1.0 + 0.5 * self.noise.fbm(x * 9.0, y * 2.0, 2, 0.6),
            )
        })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Sign {
    size: f32,
    centre: f32,
    corners: Corners,
    face: Rgb,
    border: Rgb,
    glyph: Rgb,
    pole: Rgb,
    back: bool,
    noise: Noise,
}

#[derive(Debug, Clone, Copy)]
enum Corners {
    Round,
    Triangle,
    Square,
    Diamond,
}

impl Sign {
    fn sample(rng: &mut impl Rng) -> Self {
        let corners = [
            Corners::Round,
            Corners::Triangle,
            Corners::Square,
            Corners::Diamond,
        ][rng.random_range(0..4)];
        let (red, blue, yellow) = (0.0, 0.6, 0.14);
        let vivid = |hue: f32, rng: &mut dyn Rng| {
            hsv(
                hue + rng.random_range(-0.02..0.02),
                rng.random_range(0.65..0.9),
                rng.random_range(0.55..0.9),
            )
        };
        let pale = grey(rng.random_range(0.75..0.95));
        // Shape and colour belong together, as the road code has it.
        let (face, border) = match corners {
            Corners::Round if rng.random_bool(0.4) => (vivid(blue, rng), pale),
            Corners::Round | Corners::Triangle => (pale, vivid(red, rng)),
            Corners::Square => (vivid(blue, rng), pale),
            Corners::Diamond => (vivid(yellow, rng), pale),
        };
        Self {
            size: rng.random_range(0.5..0.85),
            centre: rng.random_range(2.0..2.9),
            corners,
            face,
            border,
            glyph: scale(border, 0.5),
            pole: grey(rng.random_range(0.4..0.7)),
            back: rng.random_bool(0.06),
            noise: Noise::new(rng),
        }
    }

    fn albedo(&self, x: f32, y: f32) -> Option<Rgb> {
        let (u, v) = (x / self.size, (y - self.centre) / self.size);
        let d = match self.corners {
            Corners::Round => u.hypot(v),
            Corners::Square => u.abs().max(v.abs() * 1.05),
            Corners::Diamond => (u.abs() + v.abs()) * 0.85,
            Corners::Triangle => (-v * 1.4 + 0.1).max(u.abs() * 1.15 + v * 0.75),
        };
        if d < 1.0 {
            return Some(if self.back {
                grey(0.4)
            } else if d > 0.76 {
                self.border
            } else if self.noise.at(u * 2.4, v * 2.4) > 0.25 {
                self.glyph
            } else {
                self.face
            });
        }
        ((0.0..self.centre).contains(&y) && x.abs() < 0.1).then_some(self.pole)
    }
}
