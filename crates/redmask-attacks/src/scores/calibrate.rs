//! A decision threshold for attacks across models, from the shadows alone.

use redmask_core::Result;

use super::ScoreAttack;
use super::matrix::{Population, ScoreInput, missing};
use crate::membership::{Decision, ThresholdSource, best_balanced_threshold};

/// Makes each of the first `targets` shadows the target in turn, scores the records against the other shadows, and
/// returns the threshold with the best balanced accuracy over all of them. A shadow trained on exactly the records that
/// the one in turn did not see is left out too, as it would be for a target.
///
/// # Errors
/// If there are fewer than two shadows, or the attack cannot do with one or two fewer.
pub fn calibrate(
    attack: &dyn ScoreAttack,
    input: &ScoreInput<'_>,
    targets: usize,
) -> Result<Decision> {
    let name = attack.name();
    let shadows = input.shadows(&name)?;
    if shadows.models() < 2 || targets == 0 {
        return Err(missing(
            &name,
            "at least two shadow models for its threshold",
        ));
    }
    let (mut members, mut others) = (Vec::new(), Vec::new());
    for model in 0..shadows.models().min(targets) {
        let left_out: Vec<usize> = (0..shadows.models())
            .filter(|&other| other == model || shadows.are_complements(model, other))
            .collect();
        let (target, rest) = (shadows.column(model), shadows.without_all(&left_out));
        let left = input.population.map(|population| {
            let columns = population
                .shadows
                .map(|s| (s.column(model), s.without_all(&left_out)));
            (population, columns)
        });
        let population = left.as_ref().map(|(population, columns)| Population {
            target: columns.as_ref().map_or(population.target, |c| &c.0),
            shadows: columns.as_ref().map(|c| &c.1),
            descriptors: population.descriptors,
        });
        let scores = attack.scores(&ScoreInput {
            target: &target,
            shadows: (rest.models() > 0).then_some(&rest),
            population,
            descriptors: input.descriptors,
        })?;
        for (record, score) in scores.into_iter().enumerate() {
            if shadows.is_inside(record, model) {
                members.push(score);
            } else {
                others.push(score);
            }
        }
    }
    Ok(Decision {
        threshold: best_balanced_threshold(&members, &others)?,
        source: ThresholdSource::ShadowRecords,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::{Lira, ShadowScores};

    /// Signals 0 outside and 4 inside, plus a fixed pattern: the threshold separates both for an unseen model.
    #[test]
    fn a_threshold_learnt_on_shadows_works_on_the_target() {
        let (records, models) = (40, 8);
        let inside: Vec<bool> = (0..records * models)
            .map(|i| (i / models * 5 + i % models * 3) % 8 < 4)
            .collect();
        let values = inside
            .iter()
            .enumerate()
            .map(|(i, &b)| 4.0 * f64::from(u8::from(b)) + (i as f64 * 12.9898).sin())
            .collect();
        let shadows = ShadowScores::new(models, 1, values, inside).expect("fits");
        let target: Vec<f64> = (0..records)
            .map(|r| if r < 20 { 4.0 } else { 0.0 })
            .collect();
        let input = ScoreInput {
            target: &target,
            shadows: Some(&shadows),
            population: None,
            descriptors: None,
        };
        let decision = calibrate(&Lira::online(), &input, 8).expect("eight shadows");
        let scores = Lira::online().scores(&input).expect("eight shadows");
        assert!(scores[..20].iter().all(|&s| decision.is_member(s)));
        assert!(!scores[20..].iter().any(|&s| decision.is_member(s)));
        assert_eq!(decision.source, ThresholdSource::ShadowRecords);
    }
}
