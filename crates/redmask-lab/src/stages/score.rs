//! Runs an attack across models on the signals of a pool: one outcome for each target and its null victim.

use redmask_attacks::controls::descriptors;
use redmask_attacks::membership::{Decision, MembershipOutcome, RecordScore, ThresholdSource};
use redmask_attacks::scores::{Population, ScoreAttack, ScoreInput, ShadowScores, calibrate};
use redmask_core::{Error, Knowledge, Result, SegDataset};
use serde_json::{Value, json};

use super::Workshop;
use crate::plan::ScoreTask;
use crate::results::OUTCOMES;
use crate::stages::signal;
use crate::store::Slot;

/// Shadows that serve as targets in turn to set the threshold. More move it little and cost a fit each.
const CALIBRATION_TARGETS: usize = 4;

/// What an attack reads of every record under one model, `[records * dims]`, audited records and population apart.
struct Read {
    audited: Vec<f64>,
    population: Vec<f64>,
}

/// What an attack reads of the records themselves.
struct Descriptors {
    audited: Vec<Vec<f64>>,
    population: Vec<Vec<f64>>,
}

pub(super) fn run(workshop: &Workshop<'_>, task: &ScoreTask, slot: &Slot) -> Result<Value> {
    let models = task
        .signals
        .iter()
        .map(|&stage| read(workshop, task, stage))
        .collect::<Result<Vec<_>>>()?;
    let null = task.null.map(|stage| read(workshop, task, stage));
    let null = null.transpose()?;
    let descriptors = describe(workshop, task)?;
    let mut outcomes = Vec::new();
    for &target in &task.targets {
        workshop.session.cancel.check()?;
        let fit = Fit::new(task, &models, target)?;
        let victim = fit.attack(workshop, &models[target], descriptors.as_ref(), None)?;
        let decision = victim.decision;
        outcomes.push(victim);
        if let Some(null) = &null {
            outcomes.push(fit.attack(workshop, null, descriptors.as_ref(), Some(decision))?);
        }
    }
    slot.write_json(OUTCOMES, &outcomes)?;
    Ok(json!({ "attack": task.config, "shadows": task.shadows }))
}

fn read(workshop: &Workshop<'_>, task: &ScoreTask, stage: usize) -> Result<Read> {
    let deal = &task.deal;
    let total = deal.records.len() + deal.population.len();
    let signals = signal::read(&workshop.input(stage)?, total)?;
    let (pool, population) = signals.split_at(deal.records.len());
    let mut read = Read {
        audited: Vec::new(),
        population: Vec::new(),
    };
    for &record in &task.audited {
        read.audited.extend(task.config.read(&pool[record])?);
    }
    for queries in population {
        read.population.extend(task.config.read(queries)?);
    }
    Ok(read)
}

/// Descriptors of audited records and population, standardised together; membership has no part in it.
fn describe(workshop: &Workshop<'_>, task: &ScoreTask) -> Result<Option<Descriptors>> {
    if !task.config.reads_descriptors() {
        return Ok(None);
    }
    let session = workshop.session;
    let audited: Vec<usize> = task.audited.iter().map(|&r| task.deal.records[r]).collect();
    let sets = [
        workshop.records.subset(&audited, session)?,
        workshop.records.subset(&task.deal.population, session)?,
    ];
    let mut described = descriptors(&[&sets[0] as &dyn SegDataset, &sets[1]], session)?.into_iter();
    let (Some(audited), Some(population)) = (described.next(), described.next()) else {
        return Err(Error::Internal("descriptors of fewer than two sets".into()));
    };
    Ok(Some(Descriptors {
        audited,
        population,
    }))
}

/// What the adversary of one target has: the signals of its shadows.
struct Fit<'a> {
    task: &'a ScoreTask,
    target: usize,
    shadows: ShadowScores,
    population: ShadowScores,
}

impl<'a> Fit<'a> {
    fn new(task: &'a ScoreTask, models: &[Read], target: usize) -> Result<Self> {
        let deal = &task.deal;
        let mut shadows = deal.shadows_of(target);
        shadows.truncate(task.shadows);
        let dims = models[target].audited.len() / task.audited.len();
        let matrix = |records: usize, of: fn(&Read) -> &Vec<f64>| -> Vec<f64> {
            let rows = (0..records).flat_map(|r| {
                let shadows = shadows.iter();
                shadows.flat_map(move |&m| of(&models[m])[r * dims..(r + 1) * dims].iter().copied())
            });
            rows.collect()
        };
        let inside = task
            .audited
            .iter()
            .flat_map(|&r| shadows.iter().map(move |&m| deal.inside[m][r]))
            .collect();
        let known = deal.population.len();
        Ok(Self {
            task,
            target,
            shadows: ShadowScores::new(
                shadows.len(),
                dims,
                matrix(task.audited.len(), |m| &m.audited),
                inside,
            )?,
            population: ShadowScores::new(
                shadows.len(),
                dims,
                matrix(known, |m| &m.population),
                vec![false; known * shadows.len()],
            )?,
        })
    }

    /// The outcome on `model`, over the records that the target did and did not see. A null victim is given the decision,
    /// which rests on the shadows alone.
    fn attack(
        &self,
        workshop: &Workshop<'_>,
        model: &Read,
        descriptors: Option<&Descriptors>,
        null_victim: Option<Decision>,
    ) -> Result<MembershipOutcome> {
        let task = self.task;
        let input = ScoreInput {
            target: &model.audited,
            shadows: Some(&self.shadows),
            population: Some(Population {
                target: &model.population,
                shadows: Some(&self.population),
                descriptors: descriptors.map(|d| d.population.as_slice()),
            }),
            descriptors: descriptors.map(|d| d.audited.as_slice()),
        };
        let attack = task.config.build(&input)?;
        let scores = attack.scores(&input)?;
        let decision = match null_victim {
            Some(decision) => decision,
            None => self.decision(attack.as_ref(), &input)?,
        };
        let dataset = workshop.records.source();
        let mut records: Vec<RecordScore> = task
            .audited
            .iter()
            .zip(scores)
            .map(|(&r, score)| RecordScore {
                id: dataset.id(task.deal.records[r]),
                group: dataset.group(task.deal.records[r]),
                member: task.deal.inside[self.target][r],
                score,
            })
            .collect();
        // Members first, each side in the pool's order: the sort is stable.
        records.sort_by_key(|r| !r.member);
        let mut threat = attack.threat_model();
        if task.config.reads_shadows() {
            threat
                .knowledge
                .extend([Knowledge::Architecture, Knowledge::Training]);
        }
        MembershipOutcome::of_records(&task.id, threat, null_victim.is_some(), records, decision)
    }

    /// From the shadows, where enough of them are left to be the shadows of one of them.
    fn decision(&self, attack: &dyn ScoreAttack, input: &ScoreInput<'_>) -> Result<Decision> {
        if self.shadows.models() >= self.task.config.least_shadows() + 2 {
            return calibrate(attack, input, CALIBRATION_TARGETS);
        }
        Ok(Decision {
            threshold: 0.0,
            source: ThresholdSource::LikelihoodRatio,
        })
    }
}
