//! Colours as three floats, display-referred: 0 is black, 1 is white.

use rand::{Rng, RngExt};

use super::noise::lerp;

pub(crate) type Rgb = [f32; 3];

/// Hue in turns (wraps), saturation and value in `[0, 1]`.
pub(crate) fn hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    let sector = hue.rem_euclid(1.0) * 6.0;
    let channel = |offset: f32| {
        let k = (offset + sector).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [
        lerp(a[0], b[0], t),
        lerp(a[1], b[1], t),
        lerp(a[2], b[2], t),
    ]
}

pub(crate) fn scale(a: Rgb, k: f32) -> Rgb {
    a.map(|v| v * k)
}

pub(crate) fn add(a: Rgb, b: Rgb) -> Rgb {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn multiply(a: Rgb, b: Rgb) -> Rgb {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

pub(crate) fn grey(v: f32) -> Rgb {
    [v; 3]
}

/// Any colour: paint, clothes, posters.
pub(crate) fn paint(rng: &mut impl Rng) -> Rgb {
    let saturation = rng.random_range(0.0f32..1.0).powf(1.6);
    hsv(rng.random(), saturation, rng.random_range(0.12..0.95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsv_corners() {
        assert_eq!(hsv(0.0, 1.0, 1.0), [1.0, 0.0, 0.0]);
        assert_eq!(
            hsv(1.0 / 3.0, 1.0, 1.0).map(|v| (v * 100.0).round()),
            [0.0, 100.0, 0.0]
        );
        assert_eq!(hsv(0.7, 0.0, 0.4), [0.4; 3]);
    }
}
