//! Attributes of a scene (weather, time of day, city) and the light they make.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rand::{Rng, RngExt};
use redmask_core::{Error, Result};

use crate::procedural::colour::{Rgb, add, grey, hsv, mix, multiply, scale};

macro_rules! attribute {
    ($(#[$doc:meta])* $name:ident, $key:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),+ })
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|v| v.to_string() == text).ok_or_else(|| {
                    let names: Vec<_> = Self::ALL.iter().map(Self::to_string).collect();
                    Error::config($key, format!("`{text}` is not one of {}", names.join(", ")))
                })
            }
        }
    };
}

attribute!(
    /// What falls from the sky.
    Weather, "weather", {
        /// Sun and hard shadows.
        Clear = "clear",
        /// Flat grey light.
        Overcast = "overcast",
        /// Streaks and wet ground.
        Rain = "rain",
        /// Contrast lost with distance.
        Fog = "fog",
        /// White patches on the ground.
        Snow = "snow",
    }
);

attribute!(
    /// When the picture was taken.
    TimeOfDay, "time", {
        /// Low warm sun.
        Morning = "morning",
        /// High sun.
        Noon = "noon",
        /// Orange sky, long shadows.
        Dusk = "dusk",
        /// Lit windows and lamps.
        Night = "night",
    }
);

attribute!(
    /// Where: a style of facades, paving and planting.
    City, "city", {
        /// Brick terraces, many trees.
        Aldern = "aldern",
        /// Pale plaster, narrow streets.
        Brisco = "brisco",
        /// Concrete blocks, wide roads.
        Corvane = "corvane",
        /// Painted houses, fences and gardens.
        Delmar = "delmar",
    }
);

/// Attributes that are fixed rather than drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The weather of every scene.
    pub weather: Option<Weather>,
    /// The time of every scene.
    pub time: Option<TimeOfDay>,
    /// The city of every scene.
    pub city: Option<City>,
}

/// The light of one scene.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    pub(super) weather: Weather,
    pub(super) time: TimeOfDay,
    pub(super) city: City,
    /// Unit vector towards the sun, (right, up, forward).
    pub(super) sun: [f32; 3],
    sun_colour: Rgb,
    ambient: Rgb,
    pub(super) zenith: Rgb,
    pub(super) haze: Rgb,
    /// Distance at which 63 % of the contrast is lost, metres.
    haze_distance: f32,
}

fn pick<T: Copy>(values: &[T], rng: &mut impl Rng) -> T {
    values[rng.random_range(0..values.len())]
}

impl Conditions {
    pub(super) fn sample(fixed: Fixed, rng: &mut impl Rng) -> Self {
        // Every draw happens whether or not its result is replaced: a fixed attribute leaves the rest of the scene.
        let weather = pick(Weather::ALL, rng);
        let weather = fixed.weather.unwrap_or(weather);
        let time = pick(TimeOfDay::ALL, rng);
        let time = fixed.time.unwrap_or(time);
        let city = pick(City::ALL, rng);
        let city = fixed.city.unwrap_or(city);

        let elevation: f32 = match time {
            TimeOfDay::Noon => rng.random_range(0.8..1.3),
            TimeOfDay::Morning | TimeOfDay::Dusk => rng.random_range(0.25..0.6),
            TimeOfDay::Night => rng.random_range(0.7..1.2),
        };
        let azimuth: f32 = rng.random_range(0.0..std::f32::consts::TAU);
        let strength: f32 = rng.random_range(0.95..1.35);
        let tone: f32 = rng.random_range(-0.03..0.03);
        let sun = [
            elevation.cos() * azimuth.sin(),
            elevation.sin(),
            elevation.cos() * azimuth.cos(),
        ];
        let (mut sun_colour, mut ambient, mut zenith, mut haze) = match time {
            TimeOfDay::Noon => (
                hsv(0.12 + tone, 0.1, 0.75),
                hsv(0.6, 0.1, 0.45),
                hsv(0.6 + tone, 0.55, 0.75),
                hsv(0.58, 0.2, 0.9),
            ),
            TimeOfDay::Morning => (
                hsv(0.1 + tone, 0.3, 0.65),
                hsv(0.62, 0.15, 0.4),
                hsv(0.6 + tone, 0.4, 0.7),
                hsv(0.1 + tone, 0.2, 0.9),
            ),
            TimeOfDay::Dusk => (
                hsv(0.06 + tone, 0.5, 0.5),
                hsv(0.7 + tone, 0.2, 0.34),
                hsv(0.68 + tone, 0.4, 0.45),
                hsv(0.05 + tone, 0.5, 0.75),
            ),
            TimeOfDay::Night => (
                hsv(0.62, 0.2, 0.08),
                hsv(0.65 + 2.0 * tone, 0.25, 0.46),
                hsv(0.65 + tone, 0.4, 0.14),
                hsv(0.07 + tone, 0.3, 0.26),
            ),
        };
        let cloud = match weather {
            Weather::Clear => 0.0,
            Weather::Overcast | Weather::Snow => 0.9,
            Weather::Rain => 0.95,
            Weather::Fog => 0.85,
        };
        ambient = add(ambient, scale(sun_colour, 0.6 * cloud));
        sun_colour = scale(sun_colour, 1.0 - cloud);
        let level = haze.iter().sum::<f32>() / 3.0;
        let cloud_grey = grey(level * rng.random_range(0.65..1.0));
        zenith = mix(zenith, cloud_grey, cloud);
        haze = mix(haze, cloud_grey, cloud * 0.8);
        let haze_distance = match weather {
            Weather::Fog => rng.random_range(30.0..80.0),
            Weather::Rain | Weather::Snow => rng.random_range(70.0..160.0),
            Weather::Clear | Weather::Overcast => rng.random_range(120.0..300.0),
        };
        Self {
            weather,
            time,
            city,
            sun,
            sun_colour: scale(sun_colour, strength),
            ambient: scale(ambient, strength),
            zenith,
            haze,
            haze_distance,
        }
    }

    /// Whether objects throw hard shadows.
    pub(super) fn casts_shadows(&self) -> bool {
        self.weather == Weather::Clear && self.time != TimeOfDay::Night
    }

    /// A surface of `albedo` facing `normal`, `z` metres away. `lit` in `[0, 1]` is the share of the sun that gets there.
    pub(super) fn light(&self, albedo: Rgb, normal: [f32; 3], z: f32, lit: f32) -> Rgb {
        let facing = (0..3)
            .map(|c| normal[c] * self.sun[c])
            .sum::<f32>()
            .max(0.0);
        let sky = 0.75 + 0.25 * normal[1];
        let light = add(
            scale(self.ambient, sky),
            scale(self.sun_colour, facing * lit),
        );
        self.through_air(multiply(albedo, light), z)
    }

    /// What is left of a colour after `z` metres of air.
    pub(super) fn through_air(&self, colour: Rgb, z: f32) -> Rgb {
        mix(self.haze, colour, (-z / self.haze_distance).exp())
    }

    pub(super) fn attributes(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("weather".to_owned(), self.weather.to_string()),
            ("time".to_owned(), self.time.to_string()),
            ("city".to_owned(), self.city.to_string()),
        ])
    }
}
