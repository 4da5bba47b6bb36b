//! What a tape holds after a backward pass.

use std::ops::Range;

use burn::module::ParamId;

use super::super::memory;
use super::Entry;
use super::parts::{Parts, sum_of_squares};

/// The gradients per sample of one backward pass, measured but not formed where that would cost memory.
#[derive(Debug)]
pub struct SampleGradients {
    samples: Vec<Range<usize>>,
    parameters: Vec<Parameter>,
}

#[derive(Debug)]
struct Parameter {
    id: ParamId,
    /// One for each use in the pass.
    uses: Vec<Parts>,
    squares: Vec<f64>,
}

impl SampleGradients {
    pub(super) fn new(samples: &[Range<usize>], entries: Vec<Entry>) -> Self {
        let mut parameters: Vec<Parameter> = Vec::new();
        for Entry { id, parts, squares } in entries {
            match parameters.iter_mut().find(|p| p.id == id) {
                Some(known) => known.uses.push(parts),
                None => parameters.push(Parameter {
                    id,
                    uses: vec![parts],
                    squares,
                }),
            }
        }
        for parameter in &mut parameters {
            parameter.join(samples);
        }
        Self {
            samples: samples.to_vec(),
            parameters,
        }
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The recorded parameters, in the order in which the backward pass reached them.
    pub fn parameters(&self) -> impl Iterator<Item = ParamId> {
        self.parameters.iter().map(|p| p.id)
    }

    /// The squared norm of each sample's gradient of one parameter, `[samples]`; `None` if it was not recorded.
    pub fn squared_norms(&self, id: ParamId) -> Option<&[f64]> {
        self.find(id).map(|p| p.squares.as_slice())
    }

    /// The sum over the samples of each one's gradient times its factor, row-major in the parameter's shape; `None` if it
    /// was not recorded.
    ///
    /// # Panics
    /// If there is not one factor for each sample.
    pub fn weighted_sum(&self, id: ParamId, factors: &[f32]) -> Option<Vec<f32>> {
        assert_eq!(factors.len(), self.samples(), "one factor for each sample");
        let mut uses = self.find(id)?.uses.iter();
        let mut sum = uses.next()?.weighted_sum(&self.samples, factors);
        for parts in uses {
            let further = parts.weighted_sum(&self.samples, factors);
            for (sum, value) in sum.iter_mut().zip(further) {
                *sum += value;
            }
        }
        Some(sum)
    }

    fn find(&self, id: ParamId) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.id == id)
    }
}

impl Parameter {
    /// Measures the sum of the uses, whose norms do not add up, where there are several.
    fn join(&mut self, samples: &[Range<usize>]) {
        if self.uses.len() < 2 {
            return;
        }
        let uses = &self.uses;
        self.squares = memory::mapped(samples.len(), |index| {
            let mut sum = vec![0.0; uses[0].len()];
            for parts in uses {
                parts.add_one(samples, index, &mut sum);
            }
            sum_of_squares(&sum)
        });
    }
}
