//! What a trigger changes besides its victims, by distance.

use redmask_core::{IGNORE, LabelMap};
use serde::{Deserialize, Serialize};

use super::same_size;
use crate::error::{MetricError, Result};

/// Half-open bands of distance, in pixels: `[edges[0], edges[1])`, `[edges[1], edges[2])`, and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rings {
    edges: Vec<f64>,
}

impl Rings {
    /// Rings between these edges.
    ///
    /// # Errors
    /// If there are fewer than two edges, or they do not rise.
    pub fn new(edges: Vec<f64>) -> Result<Self> {
        if edges.len() < 2 {
            return Err(MetricError::Empty("the set of distance rings"));
        }
        match edges
            .windows(2)
            .find(|pair| pair[0].partial_cmp(&pair[1]) != Some(std::cmp::Ordering::Less))
        {
            Some(pair) => Err(MetricError::OutOfDomain {
                what: "an edge of the distance rings",
                value: pair[1],
                domain: "above the edge before it",
            }),
            None => Ok(Self { edges }),
        }
    }

    /// Number of rings.
    pub fn count(&self) -> usize {
        self.edges.len() - 1
    }

    /// The edges, one more than rings.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The ring of a distance, `None` outside all.
    ///
    /// ```
    /// use redmask_metrics::backdoor::Rings;
    /// // The rings that the IBA paper reports.
    /// let rings = Rings::new(vec![0.0, 60.0, 90.0, 120.0, 150.0])?;
    /// assert_eq!(rings.ring(60.0), Some(1));
    /// assert_eq!(rings.ring(150.0), None);
    /// # Ok::<(), redmask_metrics::MetricError>(())
    /// ```
    pub fn ring(&self, distance: f64) -> Option<usize> {
        let after = self.edges.partition_point(|&e| e <= distance);
        (after > 0 && after < self.edges.len()).then(|| after - 1)
    }
}

/// Where a trigger was put, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerBox {
    /// Leftmost column.
    pub x: usize,
    /// Topmost row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl TriggerBox {
    /// Euclidean distance from a pixel to the nearest pixel of the box, 0 inside it.
    fn distance(&self, y: usize, x: usize) -> f64 {
        let gap = |at: usize, from: usize, length: usize| {
            let last = from + length.max(1) - 1;
            from.saturating_sub(at).max(at.saturating_sub(last)) as f64
        };
        gap(y, self.y, self.height).hypot(gap(x, self.x, self.width))
    }

    fn holds(&self, y: usize, x: usize) -> bool {
        (self.y..self.y + self.height).contains(&y) && (self.x..self.x + self.width).contains(&x)
    }
}

/// Collateral damage: among the pixels that the attack should leave alone, outside the trigger's box, the share whose
/// predicted class changes when the trigger is put on.
///
/// ```
/// use redmask_core::LabelMap;
/// use redmask_metrics::backdoor::{Collateral, Rings, TriggerBox};
/// let truth = LabelMap::new(1, 5, vec![0, 0, 0, 1, 0]);
/// let wanted = LabelMap::new(1, 5, vec![0, 0, 0, 0, 0]);
/// let clean = LabelMap::new(1, 5, vec![0, 0, 0, 1, 0]);
/// let triggered = LabelMap::new(1, 5, vec![0, 2, 0, 0, 0]);
/// let mut collateral = Collateral::new(Rings::new(vec![0.0, 2.0, 9.0])?);
/// let trigger = TriggerBox { x: 0, y: 0, width: 1, height: 1 };
/// collateral.add(&truth, &wanted, &clean, &triggered, trigger)?;
/// // Pixel 0 is under the trigger and pixel 3 is a victim. Pixel 1 lies at 1 and changed, 2 and 4 lie at 2 and 4.
/// assert_eq!(collateral.share(0), Some(1.0));
/// assert_eq!(collateral.share(1), Some(0.0));
/// assert_eq!(collateral.overall(), Some(1.0 / 3.0));
/// # Ok::<(), redmask_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Collateral {
    rings: Rings,
    /// Pixels seen and changed in each ring; the last entry holds those outside every ring.
    counts: Vec<(u64, u64)>,
}

impl Collateral {
    /// Starts empty.
    pub fn new(rings: Rings) -> Self {
        let counts = vec![(0, 0); rings.count() + 1];
        Self { rings, counts }
    }

    /// Adds one image: the predictions of one model without and with the trigger.
    ///
    /// # Errors
    /// If the maps differ in size.
    pub fn add(
        &mut self,
        truth: &LabelMap,
        wanted: &LabelMap,
        clean: &LabelMap,
        triggered: &LabelMap,
        trigger: TriggerBox,
    ) -> Result<()> {
        same_size("truth and wanted labels", truth, wanted)?;
        same_size("truth and clean prediction", truth, clean)?;
        same_size("truth and triggered prediction", truth, triggered)?;
        let outside = self.rings.count();
        for y in 0..truth.height() {
            for x in 0..truth.width() {
                let t = truth.get(y, x);
                if t == IGNORE || t != wanted.get(y, x) || trigger.holds(y, x) {
                    continue;
                }
                let ring = self.rings.ring(trigger.distance(y, x)).unwrap_or(outside);
                self.counts[ring].0 += 1;
                self.counts[ring].1 += u64::from(clean.get(y, x) != triggered.get(y, x));
            }
        }
        Ok(())
    }

    /// The share changed in a ring; `None` if no pixel lay there.
    ///
    /// # Panics
    /// If there is no such ring.
    pub fn share(&self, ring: usize) -> Option<f64> {
        assert!(ring < self.rings.count(), "ring {ring} does not exist");
        ratio(self.counts[ring])
    }

    /// The share changed at any distance; `None` if no pixel was left alone.
    pub fn overall(&self) -> Option<f64> {
        ratio(self.totals())
    }

    /// Pixels seen and changed at any distance.
    pub fn totals(&self) -> (u64, u64) {
        let sum = |a: (u64, u64), b: &(u64, u64)| (a.0 + b.0, a.1 + b.1);
        self.counts.iter().fold((0, 0), sum)
    }

    /// The rings.
    pub fn rings(&self) -> &Rings {
        &self.rings
    }
}

fn ratio((seen, changed): (u64, u64)) -> Option<f64> {
    (seen > 0).then(|| changed as f64 / seen as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_to_the_nearest_pixel_of_the_box() {
        let trigger = TriggerBox {
            x: 2,
            y: 3,
            width: 2,
            height: 1,
        };
        assert_eq!(trigger.distance(3, 3), 0.0);
        assert_eq!(trigger.distance(3, 6), 3.0);
        assert_eq!(trigger.distance(0, 2), 3.0);
        assert_eq!(trigger.distance(7, 6), 5.0);
    }

    #[test]
    fn rings_must_rise() {
        assert!(Rings::new(vec![0.0]).is_err());
        assert!(Rings::new(vec![0.0, 0.0]).is_err());
        assert!(Rings::new(vec![0.0, f64::NAN]).is_err());
        let rings = Rings::new(vec![1.0, 2.0]).unwrap();
        assert_eq!(
            (rings.ring(0.5), rings.ring(1.0), rings.ring(2.0)),
            (None, Some(0), None)
        );
    }
}
