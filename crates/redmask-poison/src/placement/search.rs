//! Finding a place.

use rand::{Rng, RngExt};
use redmask_core::LabelMap;
use redmask_metrics::distance::{UNREACHABLE, chebyshev, squared_euclidean};

use super::legal::uniform_boxes;
use super::{Corner, Metric, PixelBox, Placement, legal_centres};
use crate::ClassSet;
use crate::region::Region;

/// What placing looks at.
pub(crate) struct Scene<'a> {
    pub(crate) labels: &'a LabelMap,
    pub(crate) victims: &'a ClassSet,
    /// The pixels that the attack is about.
    pub(crate) region: &'a Region,
}

/// Where a trigger goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    /// One box, or one for each instance.
    pub(crate) boxes: Vec<PixelBox>,
    /// From the first box's centre to the nearest pixel of the region, where there is one.
    pub(crate) distance: Option<f64>,
}

/// A place for a box of `side` pixels, `None` if there is no legal one.
pub(crate) fn find(
    placement: &Placement,
    side: usize,
    scene: &Scene<'_>,
    rng: &mut impl Rng,
) -> Option<Place> {
    let (height, width) = (scene.labels.height(), scene.labels.width());
    let legal = |margin| legal_centres(scene.labels, scene.victims, side, margin);
    let centre = match placement {
        Placement::Spanning => return None,
        Placement::Fixed { corner, margin } => fixed(*corner, *margin, side, height, width)?,
        Placement::Uniform { margin } => pick(&legal(*margin), rng)?,
        Placement::Nearest {
            band,
            metric,
            margin,
        } => {
            let within = |d: f64| band[0] <= d && d <= band[1];
            let field = Field::new(scene, *metric, band[1]);
            field.nearest(&legal(*margin), within, rng)?
        }
        Placement::BandUniform {
            band,
            metric,
            margin,
        } => {
            let within = |d: f64| band[0] < d && d <= band[1];
            let field = Field::new(scene, *metric, band[1]);
            pick(&field.filter(legal(*margin), within), rng)?
        }
        Placement::Ring {
            band,
            metric,
            margin,
        } => {
            let within = |d: f64| band[0] <= d && d < band[1];
            let field = Field::new(scene, *metric, band[1]);
            pick(&field.filter(legal(*margin), within), rng)?
        }
        Placement::OnVictim => {
            let on = uniform_boxes(height, width, &scene.region.inside, side, 0, |inside| {
                inside
            });
            pick(&on, rng)?
        }
        Placement::PerInstance => return per_instance(side, scene, rng),
    };
    let (y, x) = (centre / width, centre % width);
    Some(Place {
        boxes: vec![PixelBox::around(y, x, side)],
        distance: distance(&scene.region.inside, width, y, x, placement.metric()),
    })
}

fn fixed(corner: Corner, margin: usize, side: usize, height: usize, width: usize) -> Option<usize> {
    let reach = margin + side / 2;
    let far = |length: usize| length.checked_sub(1 + reach).filter(|&far| far >= side / 2);
    let (low_y, low_x) = (Some(reach), Some(reach));
    let (y, x) = match corner {
        Corner::TopLeft => (low_y, low_x),
        Corner::TopRight => (low_y, far(width)),
        Corner::BottomLeft => (far(height), low_x),
        Corner::BottomRight => (far(height), far(width)),
        Corner::Centre => (Some(height / 2), Some(width / 2)),
    };
    let (y, x) = (y?, x?);
    let fits = |at: usize, length: usize| at >= side / 2 && at + side / 2 < length;
    (fits(y, height) && fits(x, width)).then_some(y * width + x)
}

fn per_instance(side: usize, scene: &Scene<'_>, rng: &mut impl Rng) -> Option<Place> {
    let (height, width) = (scene.labels.height(), scene.labels.width());
    let ids = &scene.region.instances;
    let legal = uniform_boxes(height, width, ids, side, 0, |id| id != 0);
    let mut present: Vec<u32> = ids.iter().copied().filter(|&id| id != 0).collect();
    present.sort_unstable();
    present.dedup();
    let boxes: Vec<PixelBox> = present
        .into_iter()
        .filter_map(|id| {
            let own: Vec<bool> = legal.iter().zip(ids).map(|(&l, &i)| l && i == id).collect();
            pick(&own, rng).map(|at| PixelBox::around(at / width, at % width, side))
        })
        .collect();
    (!boxes.is_empty()).then_some(Place {
        boxes,
        distance: Some(0.0),
    })
}

/// One of the flagged positions, each with the same chance.
fn pick(legal: &[bool], rng: &mut impl Rng) -> Option<usize> {
    let count = legal.iter().filter(|&&l| l).count();
    if count == 0 {
        return None;
    }
    let nth = rng.random_range(0..count);
    legal
        .iter()
        .enumerate()
        .filter(|(_, l)| **l)
        .nth(nth)
        .map(|(at, _)| at)
}

/// The distance from one pixel to the nearest pixel inside, `None` if there is none.
fn distance(inside: &[bool], width: usize, y: usize, x: usize, metric: Metric) -> Option<f64> {
    let rank = |i: usize| {
        let dy = (i / width).abs_diff(y) as u64;
        let dx = (i % width).abs_diff(x) as u64;
        match metric {
            Metric::Euclidean => dy * dy + dx * dx,
            Metric::Chebyshev => dy.max(dx),
        }
    };
    let positions = inside.iter().enumerate().filter(|(_, i)| **i);
    let least = positions.map(|(i, _)| rank(i)).min()?;
    Some(match metric {
        Metric::Euclidean => (least as f64).sqrt(),
        Metric::Chebyshev => least as f64,
    })
}

/// Distances to the region, where they can matter: in its bounding box grown by the band's upper end.
struct Field {
    width: usize,
    /// The window: first row and column, rows, columns.
    window: [usize; 4],
    /// Squared Euclidean or Chebyshev distance in the window.
    ranks: Vec<u32>,
    /// The same to other instances, where a box must be nearer to its own.
    rivals: Option<Vec<u32>>,
    metric: Metric,
}

impl Field {
    fn new(scene: &Scene<'_>, metric: Metric, reach: f64) -> Self {
        let (height, width) = (scene.labels.height(), scene.labels.width());
        let window = window(&scene.region.inside, height, width, reach);
        let [top, left, rows, columns] = window;
        let cut = |inside: &[bool]| -> Vec<bool> {
            let row =
                |y: usize| &inside[(top + y) * width + left..(top + y) * width + left + columns];
            (0..rows).flat_map(|y| row(y).iter().copied()).collect()
        };
        let measure = |inside: Vec<bool>| match metric {
            Metric::Euclidean => squared_euclidean(rows, columns, |i| inside[i]),
            Metric::Chebyshev => chebyshev(rows, columns, |i| inside[i]),
        };
        Self {
            width,
            window,
            ranks: measure(cut(&scene.region.inside)),
            // A rival outside the window is farther than the band, and so than the region itself.
            rivals: scene.region.rivals.as_deref().map(|r| measure(cut(r))),
            metric,
        }
    }

    /// Calls `visit` with the position and the rank of every legal centre within the band, in row-major order.
    fn visit(
        &self,
        legal: &[bool],
        within: impl Fn(f64) -> bool,
        mut visit: impl FnMut(usize, u32),
    ) {
        let [top, left, rows, columns] = self.window;
        for y in 0..rows {
            for x in 0..columns {
                let at = (top + y) * self.width + left + x;
                if !legal[at] {
                    continue;
                }
                let i = y * columns + x;
                let rank = self.ranks[i];
                let nearer = self.rivals.as_ref().is_none_or(|r| rank < r[i]);
                if rank != UNREACHABLE && nearer && within(self.distance(rank)) {
                    visit(at, rank);
                }
            }
        }
    }

    /// Square roots of integers compare with integers exactly, so a pixel on the edge of a band is never nearly in it.
    fn distance(&self, rank: u32) -> f64 {
        match self.metric {
            Metric::Euclidean => f64::from(rank).sqrt(),
            Metric::Chebyshev => f64::from(rank),
        }
    }

    fn filter(&self, legal: Vec<bool>, within: impl Fn(f64) -> bool) -> Vec<bool> {
        let mut kept = vec![false; legal.len()];
        self.visit(&legal, within, |at, _| kept[at] = true);
        kept
    }

    fn nearest(
        &self,
        legal: &[bool],
        within: impl Fn(f64) -> bool,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        let mut best = UNREACHABLE;
        let mut ties = Vec::new();
        self.visit(legal, within, |at, rank| {
            if rank < best {
                best = rank;
                ties.clear();
            }
            if rank == best {
                ties.push(at);
            }
        });
        (!ties.is_empty()).then(|| ties[rng.random_range(0..ties.len())])
    }
}

/// The bounding box of the flags, grown by `reach` on each side: first row and column, rows, columns.
fn window(inside: &[bool], height: usize, width: usize, reach: f64) -> [usize; 4] {
    let (mut top, mut bottom, mut left, mut right) = (height, 0, width, 0);
    for (y, row) in inside.chunks_exact(width.max(1)).enumerate() {
        let Some(first) = row.iter().position(|&i| i) else {
            continue;
        };
        let last = row.iter().rposition(|&i| i).unwrap_or(first);
        top = top.min(y);
        bottom = y;
        left = left.min(first);
        right = right.max(last);
    }
    if top > bottom || left > right {
        return [0, 0, 0, 0];
    }
    let reach = if reach < (height + width) as f64 {
        reach.ceil() as usize
    } else {
        height + width
    };
    let (top, left) = (top.saturating_sub(reach), left.saturating_sub(reach));
    let (bottom, right) = (
        (bottom + reach).min(height - 1),
        (right + reach).min(width - 1),
    );
    [top, left, bottom + 1 - top, right + 1 - left]
}
