//! Choosing patches of one record.

use rand::RngExt;
use redmask_core::{IGNORE, Seed};

use super::config::{PatchConfig, PatchSelection};
use crate::signals::boundary_distance;

/// Draws this many times as many candidates as patches are wanted.
const DRAWS: usize = 10;

/// The sampled map of one record.
#[derive(Debug)]
pub(super) struct Map<'a> {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) labels: &'a [u8],
    pub(super) losses: &'a [f32],
}

impl Map<'_> {
    /// Top-left corners of the patches, at least one. The map is at least as large as a patch.
    pub(super) fn corners(&self, config: &PatchConfig, seed: Seed) -> Vec<(usize, usize)> {
        match config.selection {
            PatchSelection::Grid { step } => self.grid(config.size, step),
            PatchSelection::TopLoss => self.top_loss(config),
            PatchSelection::Random => {
                let mut rng = seed.rng();
                let (rows, columns) = (self.height - config.size, self.width - config.size);
                self.first_accepted(config, || {
                    (rng.random_range(0..=rows), rng.random_range(0..=columns))
                })
            }
            PatchSelection::Boundary => {
                let mut rng = seed.rng();
                let distance = boundary_distance(self.labels, self.height, self.width);
                let edges: Vec<usize> = (0..distance.len()).filter(|&i| distance[i] == 1).collect();
                // Without a change of label any pixel is as good.
                let pixels = if edges.is_empty() {
                    (0..distance.len()).collect()
                } else {
                    edges
                };
                let inside = |centre: usize, side: usize| {
                    centre
                        .saturating_sub(config.size / 2)
                        .min(side - config.size)
                };
                self.first_accepted(config, || {
                    let i = pixels[rng.random_range(0..pixels.len())];
                    (
                        inside(i / self.width, self.height),
                        inside(i % self.width, self.width),
                    )
                })
            }
        }
    }

    fn first_accepted(
        &self,
        config: &PatchConfig,
        mut draw: impl FnMut() -> (usize, usize),
    ) -> Vec<(usize, usize)> {
        let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
        for _ in 0..DRAWS * config.patches {
            let corner = draw();
            let list = if self.accepts(config, corner) {
                &mut accepted
            } else {
                &mut rejected
            };
            list.push(corner);
            if accepted.len() == config.patches {
                return accepted;
            }
        }
        accepted.extend(rejected);
        accepted.truncate(config.patches);
        accepted
    }

    /// Positions every `step` pixels; the last one is flush with the far side, so that no pixel is left out.
    fn grid(&self, size: usize, step: usize) -> Vec<(usize, usize)> {
        let positions = |side: usize| {
            let last = side - size;
            (0..last).step_by(step).chain([last]).collect::<Vec<_>>()
        };
        let columns = positions(self.width);
        positions(self.height)
            .into_iter()
            .flat_map(|y| columns.iter().map(move |&x| (y, x)))
            .collect()
    }

    fn top_loss(&self, config: &PatchConfig) -> Vec<(usize, usize)> {
        let mut corners: Vec<(f64, (usize, usize))> = self
            .grid(config.size, config.size.div_ceil(2))
            .into_iter()
            .map(|corner| {
                (
                    self.pixels(config.size, corner)
                        .map(|(_, l)| f64::from(l))
                        .sum(),
                    corner,
                )
            })
            .collect();
        corners.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        corners.truncate(config.patches);
        corners.into_iter().map(|(_, corner)| corner).collect()
    }

    fn pixels(&self, size: usize, (y, x): (usize, usize)) -> impl Iterator<Item = (u8, f32)> {
        (y..y + size).flat_map(move |row| {
            let start = row * self.width + x;
            (start..start + size).map(|i| (self.labels[i], self.losses[i]))
        })
    }

    fn accepts(&self, config: &PatchConfig, corner: (usize, usize)) -> bool {
        let mut counts = [0u32; 256];
        let mut loss = 0.0;
        for (label, l) in self.pixels(config.size, corner) {
            counts[usize::from(label)] += 1;
            loss += f64::from(l);
        }
        let area = (config.size * config.size) as f64;
        let labelled = area - f64::from(counts[usize::from(IGNORE)]);
        let largest = counts[..usize::from(IGNORE)]
            .iter()
            .max()
            .copied()
            .unwrap_or(0);
        labelled >= (1.0 - config.max_ignored) * area
            && f64::from(largest) <= config.max_one_class * area
            && loss >= config.min_loss * labelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(selection: PatchSelection) -> PatchConfig {
        PatchConfig {
            selection,
            size: 4,
            patches: 3,
            ..PatchConfig::default()
        }
    }

    /// Class 1 right of column 6, loss 1 on the last row.
    fn map() -> (Vec<u8>, Vec<f32>) {
        let labels = (0..100).map(|i| u8::from(i % 10 >= 6)).collect();
        let losses = (0..100).map(|i| if i >= 90 { 1.0 } else { 0.01 }).collect();
        (labels, losses)
    }

    fn corners(selection: PatchSelection, seed: u64) -> Vec<(usize, usize)> {
        let (labels, losses) = map();
        let map = Map {
            height: 10,
            width: 10,
            labels: &labels,
            losses: &losses,
        };
        map.corners(&config(selection), Seed::root(seed))
    }

    #[test]
    fn random_patches_show_more_than_one_class() {
        for seed in 0..20 {
            let found = corners(PatchSelection::Random, seed);
            assert_eq!(found.len(), 3);
            assert!(found.iter().all(|&(_, x)| (3..6).contains(&x)), "{found:?}");
        }
    }

    #[test]
    fn a_grid_covers_every_pixel() {
        let found = corners(PatchSelection::Grid { step: 4 }, 0);
        let positions: Vec<usize> = vec![0, 4, 6];
        assert_eq!(found.len(), 9);
        assert!(
            found
                .iter()
                .all(|(y, x)| positions.contains(y) && positions.contains(x))
        );
    }

    #[test]
    fn boundary_and_top_loss_patches_lie_where_they_should() {
        assert!(
            corners(PatchSelection::Boundary, 1)
                .iter()
                .all(|&(_, x)| x == 3 || x == 4)
        );
        assert!(
            corners(PatchSelection::TopLoss, 1)
                .iter()
                .all(|&(y, _)| y == 6)
        );
    }

    #[test]
    fn a_record_without_an_acceptable_patch_still_has_patches() {
        let (labels, losses) = (vec![0; 100], vec![0.0; 100]);
        let map = Map {
            height: 10,
            width: 10,
            labels: &labels,
            losses: &losses,
        };
        for selection in [PatchSelection::Random, PatchSelection::Boundary] {
            assert_eq!(map.corners(&config(selection), Seed::root(1)).len(), 3);
        }
    }
}
