//! Writing a poisoned data set, and taking it back.

mod alter;
mod export;
mod mask;
mod tree;
mod undo;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;
use redmask_core::{ClassTable, Error, LabelMap, Result, SampleId, Seed, SegDataset, Session};
use redmask_data::files::{PairDataset, decode_mask};
use redmask_data::{DataSpec, Location, OpenOptions, open, open_pairs};

pub use undo::undo;

use crate::bound::BoundAttack;
use crate::config::PoisonConfig;
use crate::draft::{Draft, draw};
use crate::manifest::{MANIFEST_VERSION, Manifest, Parameters};
use crate::relabel::Relabelling;
use crate::sheet::SheetRow;
use crate::survey::{Survey, survey};
use crate::target::{ClassCentres, CoOccurrence, TargetChoice};
use alter::Role;
use tree::Partial;

/// What to write.
#[derive(Debug, Clone)]
pub struct WriteRequest<'a> {
    /// The source.
    pub data: &'a DataSpec,
    /// The attack. Its target may be a choice: `auto:co-occurrence`, `auto:nearest`, `auto:farthest`.
    pub config: &'a PoisonConfig,
    /// Class centres in a feature space, for a choice by semantic distance.
    pub centres: Option<&'a ClassCentres>,
    /// The split that is poisoned.
    pub split: &'a str,
    /// The root seed.
    pub seed: u64,
    /// The folder to write. It must not exist.
    pub out: &'a Path,
    /// Poisoned records to keep for a contact sheet.
    pub sheet_rows: usize,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct WriteSummary {
    /// The manifest, as it is in the folder.
    pub manifest: Manifest,
    /// The first poisoned records, for a contact sheet.
    pub rows: Vec<SheetRow>,
    /// The classes of the data.
    pub classes: ClassTable,
    /// The folder's description, for data that needs one to be read: procedural scenes become a folder pair.
    pub description: Option<PathBuf>,
}

/// Writes a poisoned copy of a data set in its own layout. Files that the attack leaves alone are copied byte for byte; altered
/// ones become lossless PNGs under the same stem, and their originals go to [`crate::UNDO_FOLDER`]. Instance files are left
/// alone. Procedural scenes are exported as a folder pair first.
///
/// The same source, attack and seed give the same bytes. The folder appears by one rename; after an error or an interruption
/// nothing is left.
///
/// # Errors
/// If the target folder exists or lies in the source, the attack does not fit the data, no record can be poisoned, or a file
/// cannot be read or written.
pub fn write(request: &WriteRequest<'_>, session: &Session) -> Result<WriteSummary> {
    let options = OpenOptions::default();
    if let Location::Seed(_) = request.data.location {
        tree::check_free(request.out, None)?;
        let scenes = open(request.data, &options)?;
        check_early(request, scenes.as_ref())?;
        let partial = Partial::beside(request.out)?;
        let description = export::scenes(scenes.as_ref(), partial.path(), session)?;
        let copy = open_pairs(&folder_spec(description), &options)?;
        let (chosen, attack, draft, co_occurrence) = choose(request, &copy, session)?;
        let mut summary = finish(
            request,
            &copy,
            chosen,
            &attack,
            draft,
            co_occurrence,
            session,
        )?;
        partial.publish(request.out)?;
        summary.description = Some(request.out.join(export::DESCRIPTION));
        return Ok(summary);
    }
    let source = open_pairs(request.data, &options)?;
    tree::check_free(request.out, Some(source.root()))?;
    tree::check_clean(source.root())?;
    check_early(request, &source)?;
    let (chosen, attack, draft, co_occurrence) = choose(request, &source, session)?;
    let partial = Partial::beside(request.out)?;
    tree::copy(source.root(), partial.path(), source.len(), session)?;
    let copy = tree::moved(&source, partial.path())?;
    let summary = finish(
        request,
        &copy,
        chosen,
        &attack,
        draft,
        co_occurrence,
        session,
    )?;
    partial.publish(request.out)?;
    Ok(summary)
}

fn folder_spec(description: PathBuf) -> DataSpec {
    DataSpec {
        reader: "folder".to_owned(),
        location: Location::Path(description),
        options: std::collections::BTreeMap::new(),
    }
}

/// Everything that can be refused before a pixel is read.
fn check_early(request: &WriteRequest<'_>, source: &dyn SegDataset) -> Result<()> {
    let table = source.class_table();
    let mut config = request.config.clone();
    if !matches!(target_choice(&config)?, None | Some(TargetChoice::Fixed(_))) {
        // Any class that is not a victim stands in until the data has been looked at.
        let victims = config.victims();
        let other = table.classes().iter().find(|c| !victims.contains(&c.name));
        config.target = other.map(|c| c.name.clone());
    }
    let attack = config.attack(table)?;
    if attack.selection.each_epoch {
        return Err(Error::unsupported(
            "each_epoch in a written data set",
            "records are drawn anew in each epoch by the training loop; use it in a recipe",
        ));
    }
    // A fixed map's annotation does not matter to what can be wrong with names.
    let annotation = matches!(
        &attack.relabelling,
        Relabelling::FixedMap {
            record: Some(_),
            ..
        }
    )
    .then(|| LabelMap::filled(1, 1, 0));
    attack.bind_with(table, &Seed::root(request.seed), annotation)?;
    let mut splits: Vec<String> = (0..source.len())
        .map(|i| source.id(i).split().to_owned())
        .collect();
    splits.sort();
    splits.dedup();
    if !splits.iter().any(|s| s == request.split) {
        return Err(Error::config(
            "split",
            format!("the data has no split `{}`", request.split),
        )
        .with_hint(format!("its splits: {}", splits.join(", "))));
    }
    Ok(())
}

fn target_choice(config: &PoisonConfig) -> Result<Option<TargetChoice>> {
    config.target.as_deref().map(str::parse).transpose()
}

/// The records of the split, the attack on their classes, and which of them it takes.
type Chosen = (Vec<usize>, BoundAttack, Draft, Option<CoOccurrence>);

fn choose(request: &WriteRequest<'_>, data: &PairDataset, session: &Session) -> Result<Chosen> {
    let table = data.class_table();
    let records: Vec<usize> = (0..data.len())
        .filter(|&i| data.id(i).split() == request.split)
        .collect();
    let ids: Vec<SampleId> = records.iter().map(|&i| data.id(i)).collect();
    let surveyed = survey(records.len(), |i| labels_of(data, records[i]), session)?;
    let (config, co_occurrence) = resolve_target(request, data, &surveyed)?;
    let attack = config.attack(table)?;
    let annotation = match &attack.relabelling {
        Relabelling::FixedMap {
            record: Some(id), ..
        } => {
            let index = (0..data.len()).find(|&i| data.id(i).as_str() == id);
            let index = index.ok_or_else(|| {
                Error::config("target_record", format!("there is no record `{id}`"))
                    .with_hint("records are named split/stem")
            })?;
            Some(labels_of(data, index)?)
        }
        _ => None,
    };
    let attack = attack.bind_with(table, &Seed::root(request.seed), annotation)?;
    let needs_instances = matches!(attack.attack().relabelling, Relabelling::OneInstance { .. })
        || attack.attack().placement == crate::Placement::PerInstance;
    let annotation = |i: usize| {
        if needs_instances {
            let sample = data.sample(records[i])?;
            return Ok((sample.labels, sample.instances));
        }
        Ok((labels_of(data, records[i])?, None))
    };
    let draft = draw(&attack, &ids, &surveyed, annotation, session)?;
    Ok((records, attack, draft, co_occurrence))
}

fn resolve_target(
    request: &WriteRequest<'_>,
    data: &PairDataset,
    surveyed: &Survey,
) -> Result<(PoisonConfig, Option<CoOccurrence>)> {
    let mut config = request.config.clone();
    let choice = match target_choice(&config)? {
        None | Some(TargetChoice::Fixed(_)) => return Ok((config, None)),
        Some(choice) => choice,
    };
    let table = data.class_table();
    let matrix = CoOccurrence::of(surveyed, table);
    let target = choice.resolve(&config.victims(), table, &matrix, request.centres)?;
    config.target = Some(target);
    Ok((config, Some(matrix)))
}

/// Labels without the picture.
fn labels_of(data: &PairDataset, index: usize) -> Result<LabelMap> {
    let mask = &data.records()[index].mask;
    let raw = decode_mask(mask, data.limits())?;
    data.coding().labels.decode(mask, &raw)
}

/// Alters the files of a copy and writes its manifest.
fn finish(
    request: &WriteRequest<'_>,
    copy: &PairDataset,
    records: Vec<usize>,
    attack: &BoundAttack,
    draft: Draft,
    co_occurrence: Option<CoOccurrence>,
    session: &Session,
) -> Result<WriteSummary> {
    let role = |i: usize| {
        if draft.poisoned.binary_search(&i).is_ok() {
            Some(Role::Poisoned)
        } else if draft.decoys.binary_search(&i).is_ok() {
            Some(Role::Decoy)
        } else {
            attack.randomises_all().then_some(Role::Randomised)
        }
    };
    let work: Vec<(usize, Role)> = (0..records.len())
        .filter_map(|i| role(i).map(|role| (i, role)))
        .collect();
    let shown = &draft.poisoned[..draft.poisoned.len().min(request.sheet_rows)];
    let task = Mutex::new(session.progress.start("poison", work.len() as u64, "image"));
    let altered = work
        .par_iter()
        .map(|&(i, role)| {
            session.cancel.check()?;
            let shown = role == Role::Poisoned && shown.contains(&i);
            let altered = alter::alter(copy, records[i], attack, role, shown)?;
            if let Ok(mut task) = task.lock() {
                task.advance(1);
            }
            Ok(altered)
        })
        .collect::<Vec<Result<_>>>();
    let (mut samples, mut files, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for altered in altered {
        let altered = altered?;
        samples.extend(altered.sample);
        files.extend(altered.files);
        rows.extend(altered.row);
    }
    samples.sort_by(|a, b| a.id.cmp(&b.id));
    files.sort();
    let with_role = |wanted: Role| -> Vec<SampleId> {
        let chosen = work.iter().filter(|(_, role)| *role == wanted);
        chosen.map(|&(i, _)| copy.id(records[i])).collect()
    };
    let all = draft.all as f64;
    let selection = &attack.attack().selection;
    let manifest = Manifest {
        manifest_version: MANIFEST_VERSION,
        tool: format!("redmask {}", env!("CARGO_PKG_VERSION")),
        source: match request.data.location {
            Location::Seed(seed) => format!("{}:{seed}", request.data.reader),
            Location::Path(_) => request.data.reader.clone(),
        },
        preset: request.config.preset.clone(),
        parameters: Parameters::of(attack),
        seed: request.seed,
        split: request.split.to_owned(),
        images: draft.all,
        usable: draft.usable,
        requested_rate: selection
            .rate
            .unwrap_or(selection.count.unwrap_or(0) as f64 / all),
        achieved_rate: draft.poisoned.len() as f64 / all,
        trigger_hash: attack.trigger_hash(),
        samples,
        decoys: with_role(Role::Decoy),
        randomised: with_role(Role::Randomised),
        skipped: draft.skipped,
        co_occurrence,
        files,
    };
    manifest.write(copy.root())?;
    Ok(WriteSummary {
        manifest,
        rows,
        classes: copy.class_table().clone(),
        description: None,
    })
}
