//! Convex solids met by a ray.

use super::view::Point;

/// A half-space `normal . p <= offset`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    pub(super) normal: Point,
    pub(super) offset: f32,
}

/// Where a ray enters a solid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) t: f32,
    /// Index of the entered plane.
    pub(super) face: usize,
}

fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// A prism between `low` and `high` whose four walls lean inwards: `lean` metres a metre of height, (sides, front,
/// back). Faces in order: left, right, bottom, top, back, front.
pub(super) fn frustum(low: Point, high: Point, lean: (f32, f32, f32)) -> [Plane; 6] {
    let wall = |axis: usize, sign: f32, bound: f32, lean: f32| {
        let mut normal = [0.0; 3];
        normal[axis] = sign;
        normal[1] = lean;
        Plane {
            normal,
            offset: sign * bound + lean * low[1],
        }
    };
    let level = |sign: f32, bound: f32| Plane {
        normal: [0.0, sign, 0.0],
        offset: sign * bound,
    };
    [
        wall(0, -1.0, low[0], lean.0),
        wall(0, 1.0, high[0], lean.0),
        level(-1.0, low[1]),
        level(1.0, high[1]),
        wall(2, -1.0, low[2], lean.2),
        wall(2, 1.0, high[2], lean.1),
    ]
}

/// The first point of the ray inside all half-spaces, if there is one ahead.
pub(super) fn enter(planes: &[Plane], origin: Point, direction: Point) -> Option<Entry> {
    let (mut first, mut last) = (Entry { t: 0.0, face: 0 }, f32::INFINITY);
    for (face, plane) in planes.iter().enumerate() {
        let approach = dot(plane.normal, direction);
        let room = plane.offset - dot(plane.normal, origin);
        if approach.abs() < 1e-9 {
            if room < 0.0 {
                return None;
            }
        } else if approach < 0.0 {
            let t = room / approach;
            if t > first.t {
                first = Entry { t, face };
            }
        } else {
            last = last.min(room / approach);
        }
    }
    (first.t > 0.0 && first.t < last).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ray_meets_the_near_face_of_a_box() {
        let solid = frustum([-1.0, 0.0, 4.0], [1.0, 2.0, 6.0], (0.0, 0.0, 0.0));
        let hit = enter(&solid, [0.0, 1.0, 0.0], [0.1, 0.0, 1.0]).unwrap();
        assert!((hit.t - 4.0).abs() < 1e-6 && hit.face == 4);
        assert!(enter(&solid, [0.0, 1.0, 0.0], [0.5, 0.0, 1.0]).is_none());
        assert!(enter(&solid, [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]).is_none());
    }

    #[test]
    fn leaning_walls_narrow_with_height() {
        let solid = frustum([-1.0, 0.0, 4.0], [1.0, 2.0, 6.0], (0.4, 0.0, 0.0));
        let at = |y: f32| enter(&solid, [0.7, y, 0.0], [0.0, 0.0, 1.0]);
        assert!(at(0.5).is_some() && at(1.5).is_none());
    }
}
