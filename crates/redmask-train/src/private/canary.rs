//! An audit of the training by itself: canaries that the true mechanism protects like anyone else.
//!
//! A canary is a unit whose gradient is a single element of a single parameter, as large as clipping lets a gradient be
//! (a Dirac canary: Nasr et al., arXiv 2302.07956; Andrew et al., arXiv 2302.03098). A coin decides whether it takes part; if
//! it does, Poisson sampling decides the steps. What the noised sums show of its element tells whether it took part, and how
//! often that guess is right bounds epsilon from below (one-run audit, Steinke, Nasr and Jagielski, arXiv 2305.08846).

use rand::RngExt;
use rand::seq::index;
use redmask_core::{Error, Result};
use redmask_metrics::epsilon::OneRunAudit;
use serde::{Deserialize, Serialize};

use super::clip::Clipping;
use super::layout::GradientLayout;
use super::secret::Secret;

/// Share of the canaries that is guessed to be in, and share that is guessed to be out. Fixed before any score is seen, as
/// the method demands; the extreme scores are the ones worth a guess.
const GUESSED: f64 = 0.1;

/// Chance that the lower bound is wrong.
const SIGNIFICANCE: f64 = 0.05;

/// What the canaries of a training revealed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditReport {
    /// Canaries, guesses, right guesses, and the delta of the claim.
    pub counts: OneRunAudit,
    /// Lower bound on epsilon.
    pub epsilon: f64,
    /// Chance that the training is more private than the bound says.
    pub significance: f64,
}

#[derive(Debug, Clone)]
struct Canary {
    part: usize,
    element: usize,
    /// Whether the coin let it take part.
    inside: bool,
    /// The sum over the steps of what its element showed.
    score: f64,
}

/// The canaries of one training.
#[derive(Debug, Clone)]
pub(super) struct Canaries {
    list: Vec<Canary>,
    /// The element of each canary's clipped gradient.
    size: f64,
}

impl Canaries {
    /// `count` canaries at places and with coins that follow from the secret.
    ///
    /// # Errors
    /// If there are more canaries than weights.
    pub(super) fn new(
        count: usize,
        secret: &Secret,
        clipping: &Clipping,
        layout: &GradientLayout,
    ) -> Result<Self> {
        if count > layout.len() {
            return Err(Error::config(
                "privacy.canaries",
                format!(
                    "{count} canaries, but the network trains {} weights",
                    layout.len()
                ),
            ));
        }
        let mut rng = secret.stream("canaries", 0);
        let mut places = index::sample(&mut rng, layout.len(), count).into_vec();
        places.sort_unstable();
        let mut part = 0;
        let mut start = 0;
        let lengths: Vec<usize> = layout.lengths().collect();
        let list = places
            .into_iter()
            .map(|place| {
                while place >= start + lengths[part] {
                    start += lengths[part];
                    part += 1;
                }
                Canary {
                    part,
                    element: place - start,
                    inside: rng.random(),
                    score: 0.0,
                }
            })
            .collect();
        Ok(Self {
            list,
            size: clipping.largest_in_one_part(layout.parts()),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds the clipped gradients of those among `drawn` that take part.
    pub(super) fn join(&self, drawn: &[usize], sum: &mut [Vec<f32>]) {
        for canary in drawn.iter().map(|&i| &self.list[i]) {
            if canary.inside {
                sum[canary.part][canary.element] += self.size as f32;
            }
        }
    }

    /// Looks at a noised sum.
    pub(super) fn observe(&mut self, noised: &[Vec<f32>]) {
        for canary in &mut self.list {
            canary.score += f64::from(noised[canary.part][canary.element]);
        }
    }

    /// The scores, for a checkpoint.
    pub(super) fn scores(&self) -> Vec<f64> {
        self.list.iter().map(|c| c.score).collect()
    }

    /// Takes scores back; `None` if they are not as many.
    pub(super) fn restore(&mut self, scores: &[f64]) -> Option<()> {
        if scores.len() != self.list.len() {
            return None;
        }
        for (canary, &score) in self.list.iter_mut().zip(scores) {
            canary.score = score;
        }
        Some(())
    }

    /// Guesses, counts and bounds.
    pub(super) fn audit(&self, delta: f64) -> Result<Option<AuditReport>> {
        let each = (self.list.len() as f64 * GUESSED).round() as usize;
        if each == 0 {
            return Ok(None);
        }
        let mut order: Vec<&Canary> = self.list.iter().collect();
        // Ties keep the order of places, which says nothing about the coins.
        order.sort_by(|a, b| b.score.total_cmp(&a.score));
        let highest = order[..each].iter().filter(|c| c.inside).count();
        let lowest = order[order.len() - each..]
            .iter()
            .filter(|c| !c.inside)
            .count();
        let counts = OneRunAudit {
            canaries: self.list.len() as u64,
            guesses: 2 * each as u64,
            correct: (highest + lowest) as u64,
            delta,
        };
        let epsilon = counts
            .epsilon(SIGNIFICANCE)
            .map_err(|e| Error::numeric("the one-run audit", e.to_string()))?;
        Ok(Some(AuditReport {
            counts,
            epsilon,
            significance: SIGNIFICANCE,
        }))
    }
}
