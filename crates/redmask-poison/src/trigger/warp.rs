//! WaNet's trigger: a smooth displacement of pixels.

use rand::RngExt;
use redmask_core::{Image, Seed};

use super::stamp::Ink;

/// Bends the image along the random field number `field`: displacements at `grid` x `grid` control points, scaled to a mean
/// size of 1 and times `strength` pixels, cubic in between (Catmull-Rom); pixels are read bilinearly, the border repeated.
pub(super) fn bend(image: &mut Image, grid: usize, strength: f64, field: u64) {
    let (height, width) = (image.height(), image.width());
    let control = Control::new(grid, field);
    let source = image.clone();
    let place = |i: usize, side: usize| i as f64 / (side.max(2) - 1) as f64 * (grid - 1) as f64;
    for y in 0..height {
        for x in 0..width {
            let (v, u) = (place(y, height), place(x, width));
            let [dy, dx] = control.at(v, u);
            let from_y = (y as f64 + strength * dy).clamp(0.0, (height - 1) as f64);
            let from_x = (x as f64 + strength * dx).clamp(0.0, (width - 1) as f64);
            let (y0, x0) = (from_y as usize, from_x as usize);
            let (y1, x1) = ((y0 + 1).min(height - 1), (x0 + 1).min(width - 1));
            let (fy, fx) = (from_y - y0 as f64, from_x - x0 as f64);
            for c in 0..source.channels() {
                let at = |y, x| f64::from(source.get(c, y, x));
                let top = at(y0, x0) * (1.0 - fx) + at(y0, x1) * fx;
                let bottom = at(y1, x0) * (1.0 - fx) + at(y1, x1) * fx;
                image.set(c, y, x, Ink::byte((top * (1.0 - fy) + bottom * fy) as f32));
            }
        }
    }
}

/// Displacements at control points.
struct Control {
    grid: usize,
    points: Vec<[f64; 2]>,
}

impl Control {
    fn new(grid: usize, field: u64) -> Self {
        // The field is part of the trigger, not of a run: it depends on its number alone.
        let mut rng = Seed::root(field).child("warp").rng();
        let mut points: Vec<[f64; 2]> = (0..grid * grid)
            .map(|_| [0, 1].map(|_| rng.random_range(-1.0..1.0)))
            .collect();
        let sum: f64 = points.iter().flatten().map(|v| v.abs()).sum();
        let mean = sum / (2 * points.len()) as f64;
        for v in points.iter_mut().flatten() {
            *v /= mean;
        }
        Self { grid, points }
    }

    /// The displacement at a place counted in control points, from 0 to `grid - 1`.
    fn at(&self, v: f64, u: f64) -> [f64; 2] {
        let last = self.grid as isize - 1;
        let (v0, u0) = (v.floor() as isize, u.floor() as isize);
        let (wv, wu) = (weights(v - v0 as f64), weights(u - u0 as f64));
        let mut sum = [0.0; 2];
        for (j, wv) in wv.into_iter().enumerate() {
            for (i, wu) in wu.into_iter().enumerate() {
                let row = (v0 + j as isize - 1).clamp(0, last) as usize;
                let column = (u0 + i as isize - 1).clamp(0, last) as usize;
                let point = self.points[row * self.grid + column];
                sum[0] += wv * wu * point[0];
                sum[1] += wv * wu * point[1];
            }
        }
        sum
    }
}

/// Catmull-Rom weights of the four points around a place `t` in `[0, 1)` after the second.
fn weights(t: f64) -> [f64; 4] {
    [
        0.5 * (-t + 2.0 * t * t - t * t * t),
        0.5 * (2.0 - 5.0 * t * t + 3.0 * t * t * t),
        0.5 * (t + 4.0 * t * t - 3.0 * t * t * t),
        0.5 * (-t * t + t * t * t),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_passes_through_its_points_and_has_the_mean_that_it_promises() {
        let control = Control::new(4, 7);
        assert_eq!(control.at(2.0, 1.0), control.points[9]);
        let sum: f64 = control.points.iter().flatten().map(|v| v.abs()).sum();
        assert!((sum / 32.0 - 1.0).abs() < 1e-12);
    }
}
