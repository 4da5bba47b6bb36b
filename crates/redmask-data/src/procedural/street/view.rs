//! The camera's geometry and a canvas with depth.
//!
//! World axes: X right, Y up from the ground, Z forward, in metres; the camera stands at (0, height, 0).

use rand::{Rng, RngExt};
use redmask_core::ClassId;

use crate::procedural::canvas::Canvas;
use crate::procedural::colour::Rgb;

/// Position in the world: (right, up, forward), metres.
pub(super) type Point = [f32; 3];

#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) camera_height: f32,
    focal: f32,
    /// Vanishing point, units of the image height: x from the middle, y from the top.
    vanish: (f32, f32),
}

impl View {
    pub(super) fn sample(rng: &mut impl Rng) -> Self {
        Self {
            camera_height: rng.random_range(1.4..2.0),
            focal: rng.random_range(0.9..1.15),
            vanish: (rng.random_range(-0.15..0.15), rng.random_range(0.4..0.52)),
        }
    }

    /// The ray through a point of the image (units of its height, x from the middle), as the step in X and Y for one
    /// metre forward.
    pub(super) fn ray(&self, x: f32, y: f32) -> (f32, f32) {
        (
            (x - self.vanish.0) / self.focal,
            (self.vanish.1 - y) / self.focal,
        )
    }

    fn project(&self, p: Point) -> (f32, f32) {
        let z = p[2].max(0.3);
        (
            self.vanish.0 + self.focal * p[0] / z,
            self.vanish.1 - self.focal * (p[1] - self.camera_height) / z,
        )
    }
}

/// The picture under construction: what is nearest wins.
pub(super) struct Stage {
    pub(super) view: View,
    pub(super) canvas: Canvas,
    depth: Vec<f32>,
}

/// What a ray found on an object.
pub(super) struct Hit {
    pub(super) colour: Rgb,
    pub(super) z: f32,
}

impl Stage {
    pub(super) fn new(view: View, height: usize, width: usize) -> Self {
        Self {
            view,
            canvas: Canvas::new(height, width),
            depth: vec![f32::INFINITY; height * width],
        }
    }

    fn ray_of(&self, row: usize, column: usize) -> (f32, f32) {
        let unit = self.canvas.height() as f32;
        self.view.ray(
            (column as f32 + 0.5 - self.canvas.width() as f32 / 2.0) / unit,
            (row as f32 + 0.5) / unit,
        )
    }

    /// Paints every pixel: `paint(dx, dy)` gives colour, class and depth along the ray.
    pub(super) fn fill(&mut self, paint: impl Fn(f32, f32) -> (Rgb, ClassId, f32)) {
        for i in 0..self.depth.len() {
            let (dx, dy) = self.ray_of(i / self.canvas.width(), i % self.canvas.width());
            let (colour, class, z) = paint(dx, dy);
            self.canvas.put(i, colour, class, 0);
            self.depth[i] = z;
        }
    }

    /// Draws an object that lies between the two corners of a box. `cast(dx, dy)` says what the ray finds of it.
    pub(super) fn draw(
        &mut self,
        (low, high): (Point, Point),
        class: ClassId,
        instance: u16,
        cast: impl Fn(f32, f32) -> Option<Hit>,
    ) {
        if high[2] <= 0.3 {
            return;
        }
        let (rows, columns) = self.bounds(low, high);
        for row in rows {
            for column in columns.clone() {
                let i = row * self.canvas.width() + column;
                let (dx, dy) = self.ray_of(row, column);
                if let Some(hit) = cast(dx, dy)
                    && hit.z < self.depth[i]
                {
                    self.canvas.put(i, hit.colour, class, instance);
                    self.depth[i] = hit.z;
                }
            }
        }
    }

    fn bounds(&self, low: Point, high: Point) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let (mut x0, mut x1, mut y0, mut y1) = (f32::MAX, f32::MIN, f32::MAX, f32::MIN);
        for corner in 0..8 {
            let side = |axis: usize| {
                if corner >> axis & 1 == 0 {
                    low[axis]
                } else {
                    high[axis]
                }
            };
            let (x, y) = self.view.project([side(0), side(1), side(2)]);
            (x0, x1, y0, y1) = (x0.min(x), x1.max(x), y0.min(y), y1.max(y));
        }
        let unit = self.canvas.height() as f32;
        let half = self.canvas.width() as f32 / 2.0;
        let pixel = |v: f32, limit: usize| (v.max(0.0) as usize).min(limit);
        (
            pixel(y0 * unit, self.canvas.height())..pixel(y1 * unit + 1.0, self.canvas.height()),
            pixel(x0 * unit + half, self.canvas.width())
                ..pixel(x1 * unit + half + 1.0, self.canvas.width()),
        )
    }

    /// Changes colours by depth and image position (rows and columns from 0 to 1), for what hangs in the air.
    pub(super) fn veil(&mut self, paint: impl Fn(f32, f32, f32, Rgb) -> Rgb) {
        let (h, w) = (self.canvas.height(), self.canvas.width());
        for (i, &z) in self.depth.iter().enumerate() {
            let (y, x) = ((i / w) as f32 / h as f32, (i % w) as f32 / h as f32);
            let colour = &mut self.canvas.colour_mut()[i];
            *colour = paint(y, x, z, *colour);
        }
    }
}
