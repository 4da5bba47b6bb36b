//! Which records are poisoned: drawn, placed, and where that fails, replaced.

use rand::seq::SliceRandom;
use rayon::prelude::*;
use redmask_core::{Error, InstanceMap, LabelMap, Result, SampleId, Session};
use serde::{Deserialize, Serialize};

use crate::bound::{BoundAttack, Refusal};
use crate::selection::DecoyKind;
use crate::survey::Survey;

/// A record that was drawn and could not be poisoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// `split/stem`.
    pub id: SampleId,
    /// Why.
    pub reason: String,
}

/// The records of an attack, as positions in what was surveyed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// Poisoned records, ascending.
    pub poisoned: Vec<usize>,
    /// Records with a trigger and their own labels, ascending.
    pub decoys: Vec<usize>,
    /// Records that were drawn and had no legal place, in the order of drawing.
    pub skipped: Vec<Skipped>,
    /// All records.
    pub all: usize,
    /// Those that the attack can use.
    pub usable: usize,
}

/// Labels and instances of a record.
pub(crate) type Annotation = (LabelMap, Option<InstanceMap>);

/// Draws records in an order that follows from the attack's seed and the records' ids, until enough are placed.
///
/// # Errors
/// If no record can be used or none has a legal place, or a record cannot be decoded.
pub(crate) fn draw(
    attack: &BoundAttack,
    ids: &[SampleId],
    survey: &Survey,
    annotation: impl Fn(usize) -> Result<Annotation> + Sync,
    session: &Session,
) -> Result<Draft> {
    let usable: Vec<usize> = (0..ids.len())
        .filter(|&i| attack.can_use(&survey.pixels[i]))
        .collect();
    if usable.is_empty() {
        return Err(unusable(attack));
    }
    let mut order = usable.clone();
    // By id, so that the order does not depend on how the reader lists files.
    order.sort_by(|&a, &b| ids[a].cmp(&ids[b]));
    order.shuffle(&mut attack.seed.child("select").rng());
    let wanted = attack.attack().selection.wanted(ids.len());
    let mut draft = Draft {
        all: ids.len(),
        usable: usable.len(),
        ..Draft::default()
    };
    let mut rest = order.as_slice();
    let mut task = session.progress.start("place", wanted as u64, "image");
    while draft.poisoned.len() < wanted && !rest.is_empty() {
        let (batch, after) = rest.split_at(rest.len().min(wanted - draft.poisoned.len()));
        rest = after;
        let placed: Vec<Result<Option<Refusal>>> = batch
            .par_iter()
            .map(|&i| {
                session.cancel.check()?;
                let (labels, instances) = annotation(i)?;
                Ok(attack.plan(&ids[i], &labels, instances.as_ref()).err())
            })
            .collect();
        for (&i, refusal) in batch.iter().zip(placed) {
            match refusal? {
                None => {
                    draft.poisoned.push(i);
                    task.advance(1);
                }
                Some(refusal) => draft.skipped.push(Skipped {
                    id: ids[i].clone(),
                    reason: refusal.to_string(),
                }),
            }
        }
    }
    if draft.poisoned.is_empty() {
        return Err(nowhere(attack, draft.skipped.len()));
    }
    draft.poisoned.sort_unstable();
    draft.decoys = decoys(attack, ids, survey, &draft, &annotation, session)?;
    Ok(draft)
}

fn decoys(
    attack: &BoundAttack,
    ids: &[SampleId],
    survey: &Survey,
    draft: &Draft,
    annotation: &(impl Fn(usize) -> Result<Annotation> + Sync),
    session: &Session,
) -> Result<Vec<usize>> {
    let Some(config) = attack.attack().decoys else {
        return Ok(Vec::new());
    };
    let mut order: Vec<usize> = (0..ids.len())
        .filter(|i| draft.poisoned.binary_search(i).is_err())
        .filter(|&i| match config.kind {
            DecoyKind::WrongTrigger => attack.can_use(&survey.pixels[i]),
            DecoyKind::NoCondition => attack.lacks_condition(&survey.pixels[i]),
        })
        .collect();
    order.sort_by(|&a, &b| ids[a].cmp(&ids[b]));
    order.shuffle(&mut attack.seed.child("select-decoys").rng());
    let wanted = (config.ratio * draft.poisoned.len() as f64).round() as usize;
    let mut chosen = Vec::new();
    for i in order {
        if chosen.len() == wanted {
            break;
        }
        session.cancel.check()?;
        let (labels, instances) = annotation(i)?;
        if attack
            .decoy_boxes(&ids[i], &labels, instances.as_ref())
            .is_ok()
        {
            chosen.push(i);
        }
    }
    chosen.sort_unstable();
    Ok(chosen)
}

pub(crate) fn unusable(attack: &BoundAttack) -> Error {
    let attack = attack.attack();
    let mut needs: Vec<String> = Vec::new();
    let victims = attack.relabelling.victims();
    if !victims.is_empty() {
        needs.push(format!("the victim class {}", victims.join(" or ")));
    }
    let semantic = attack.trigger.semantic_class();
    needs.extend(semantic.map(|c| format!("the trigger class {c}")));
    let condition = attack.relabelling.condition();
    needs.extend(condition.map(|c| format!("the condition class {c}")));
    Error::config(
        "victim",
        format!(
            "no record of the split has a pixel of {}",
            if needs.is_empty() {
                "any class".to_owned()
            } else {
                needs.join(" and of ")
            }
        ),
    )
    .with_hint("`redmask data check` lists the classes and how many records hold them")
}

fn nowhere(attack: &BoundAttack, tried: usize) -> Error {
    let size = attack
        .attack()
        .trigger
        .size()
        .map_or("the trigger".to_owned(), |s| {
            format!("a trigger of {s} pixels")
        });
    Error::config(
        "trigger size",
        format!("{size} has no legal place in any of the {tried} records that could be poisoned"),
    )
    .with_hint("use a smaller trigger, a wider distance band, a smaller margin, or larger pictures")
}
