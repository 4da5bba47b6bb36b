//! Signals of records under models.

use redmask_core::{Error, Result};

/// Signals `[records, models, dims]` of records under shadow models, and which models each record was in.
///
/// `dims` is 1 for a scalar signal; several queries or a vector signal make it larger.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowScores {
    records: usize,
    models: usize,
    dims: usize,
    values: Vec<f64>,
    inside: Vec<bool>,
}

impl ShadowScores {
    /// Wraps `values` `[records, models, dims]` and `inside` `[records, models]`, both row-major.
    ///
    /// # Errors
    /// [`Error::Internal`] if lengths do not fit; [`Error::Numeric`] if a signal is not finite.
    pub fn new(models: usize, dims: usize, values: Vec<f64>, inside: Vec<bool>) -> Result<Self> {
        let records = inside.len().checked_div(models).unwrap_or(0);
        if inside.len() != records * models || values.len() != inside.len() * dims || dims == 0 {
            return Err(Error::Internal(format!(
                "{} signals and {} memberships for {models} models and {dims} dimensions",
                values.len(),
                inside.len()
            )));
        }
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::numeric(
                "shadow signals",
                format!(
                    "record {} under model {} is {}",
                    i / dims / models,
                    i / dims % models,
                    values[i]
                ),
            ));
        }
        Ok(Self {
            records,
            models,
            dims,
            values,
            inside,
        })
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// Length of a signal.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The signal `[dims]` of a record under a model.
    ///
    /// # Panics
    /// If either index is out of range, here and below.
    pub fn value(&self, record: usize, model: usize) -> &[f64] {
        let start = (record * self.models + model) * self.dims;
        &self.values[start..start + self.dims]
    }

    /// Whether the model was trained on the record.
    pub fn is_inside(&self, record: usize, model: usize) -> bool {
        self.inside[record * self.models + model]
    }

    /// Component `dim` of a record under the models that were (`inside`) or were not trained on it, into `out`.
    pub(crate) fn side(&self, record: usize, inside: bool, dim: usize, out: &mut Vec<f64>) {
        let cells = record * self.models..(record + 1) * self.models;
        let inside_row = &self.inside[cells.clone()];
        let values = &self.values[cells.start * self.dims..cells.end * self.dims];
        out.clear();
        for (value, &is_inside) in values.iter().skip(dim).step_by(self.dims).zip(inside_row) {
            if is_inside == inside {
                out.push(*value);
            }
        }
    }

    /// The same records without some models, all different.
    pub(crate) fn without_all(&self, models: &[usize]) -> Self {
        let kept = |i: &usize| !models.contains(&(i % self.models));
        let cells: Vec<usize> = (0..self.inside.len()).filter(kept).collect();
        Self {
            records: self.records,
            models: self.models - models.len(),
            dims: self.dims,
            values: cells
                .iter()
                .flat_map(|&i| &self.values[i * self.dims..(i + 1) * self.dims])
                .copied()
                .collect(),
            inside: cells.iter().map(|&i| self.inside[i]).collect(),
        }
    }

    /// Whether two models were trained on opposite sides of every record, so that what one saw says what the other did
    /// not.
    pub(crate) fn are_complements(&self, a: usize, b: usize) -> bool {
        a != b && (0..self.records).all(|r| self.is_inside(r, a) != self.is_inside(r, b))
    }

    /// The signals under one model `[records, dims]`, as if it were the target.
    pub(crate) fn column(&self, model: usize) -> Vec<f64> {
        (0..self.records)
            .flat_map(|r| self.value(r, model))
            .copied()
            .collect()
    }
}

/// Records that no model was trained on.
#[derive(Debug, Clone, Copy)]
pub struct Population<'a> {
    /// Signals `[records, dims]` under the target.
    pub target: &'a [f64],
    /// Signals under the shadow models, none inside; absent for attacks without shadows.
    pub shadows: Option<&'a ShadowScores>,
    /// Descriptors `[records][p]`; absent for attacks that do not read records.
    pub descriptors: Option<&'a [Vec<f64>]>,
}

/// What a [`super::ScoreAttack`] is given.
#[derive(Debug, Clone, Copy)]
pub struct ScoreInput<'a> {
    /// Signals `[records, dims]` of the audited records under the target.
    pub target: &'a [f64],
    /// Signals of the same records under the shadow models.
    pub shadows: Option<&'a ShadowScores>,
    /// Known non-members.
    pub population: Option<Population<'a>>,
    /// Descriptors `[records][p]` of the audited records.
    pub descriptors: Option<&'a [Vec<f64>]>,
}

impl<'a> ScoreInput<'a> {
    /// The shadows, of as many records and dimensions as the target.
    ///
    /// # Errors
    /// If there are none, or their shape differs.
    pub(crate) fn shadows(&self, attack: &str) -> Result<&'a ShadowScores> {
        let shadows = self
            .shadows
            .ok_or_else(|| missing(attack, "shadow models"))?;
        fits(attack, self.target, shadows)?;
        Ok(shadows)
    }

    /// The population.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn population(&self, attack: &str) -> Result<Population<'a>> {
        match self.population {
            Some(population) if !population.target.is_empty() => Ok(population),
            _ => Err(missing(attack, "a population of known non-members")),
        }
    }
}

pub(crate) fn missing(attack: &str, what: &str) -> Error {
    Error::config(attack, format!("the attack needs {what}"))
}

pub(crate) fn fits(attack: &str, target: &[f64], shadows: &ShadowScores) -> Result<()> {
    if target.len() != shadows.records() * shadows.dims() {
        return Err(Error::Internal(format!(
            "{attack}: {} target signals for {} records of {} dimensions",
            target.len(),
            shadows.records(),
            shadows.dims()
        )));
    }
    Ok(())
}

/// The only dimension, for attacks on scalars.
pub(crate) fn scalar(attack: &str, shadows: &ShadowScores) -> Result<()> {
    if shadows.dims() == 1 {
        return Ok(());
    }
    Err(Error::config(
        attack,
        format!(
            "the attack reads a scalar signal, not one of {} dimensions",
            shadows.dims()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_and_columns() {
        let inside = vec![true, false, false, true];
        let scores =
            ShadowScores::new(2, 2, (0..8).map(f64::from).collect(), inside).expect("fits");
        let mut out = Vec::new();
        scores.side(0, true, 1, &mut out);
        assert_eq!(out, [1.0]);
        scores.side(1, true, 0, &mut out);
        assert_eq!(out, [6.0]);
        assert_eq!(scores.column(1), [2.0, 3.0, 6.0, 7.0]);
        let rest = scores.without_all(&[0]);
        assert_eq!((rest.models(), rest.column(0)), (1, scores.column(1)));
        assert!(!rest.is_inside(0, 0) && rest.is_inside(1, 0));
    }

    #[test]
    fn a_signal_that_is_not_finite_is_refused() {
        let error = ShadowScores::new(1, 1, vec![0.0, f64::NAN], vec![true; 2]);
        assert!(error.expect_err("NaN").to_string().contains("record 1"));
        assert!(ShadowScores::new(2, 1, vec![0.0; 3], vec![true; 3]).is_err());
    }
}
