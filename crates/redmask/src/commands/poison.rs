//! `redmask poison`

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::path::Path;

use redmask::data::Limits;
use redmask::data::files::write_image;
use redmask::poison::{
    ClassCentres, Manifest, PoisonConfig, WriteRequest, WriteSummary, contact_sheet, presets, undo,
    write,
};
use redmask::{Error, Result};
use serde::Serialize;

use crate::args::{Format, PoisonArgs};
use crate::commands::Context;
use crate::exit::Exit;
use crate::printer::Printer;

/// Rows of a contact sheet.
const SHEET_ROWS: usize = 6;
/// Height of its cells, pixels.
const SHEET_CELL: usize = 160;

pub(crate) fn run(context: &Context, args: &PoisonArgs) -> Result<Exit> {
    if args.list {
        return list(context);
    }
    if let Some(folder) = &args.undo {
        let restored = undo(folder, &context.session)?;
        context.printer.note(&format!(
            "restored {restored} files; {} is the clean data again",
            folder.display()
        ));
        return Ok(Exit::Done);
    }
    let (Some(data), Some(out)) = (&args.data, &args.out) else {
        return Err(Error::Internal(
            "clap let a command without data through".into(),
        ));
    };
    if let Some(preview) = &args.preview {
        check_new(preview)?;
    }
    let config = config(args)?;
    let centres = args
        .centres
        .as_deref()
        .map(ClassCentres::read)
        .transpose()?;
    let request = WriteRequest {
        data,
        config: &config,
        centres: centres.as_ref(),
        split: &args.split,
        seed: args.seed,
        out,
        sheet_rows: if args.preview.is_some() {
            SHEET_ROWS
        } else {
            0
        },
    };
    let summary = write(&request, &context.session)?;
    if let Some(preview) = &args.preview {
        let sheet = contact_sheet(&summary.rows, &summary.classes, SHEET_CELL)?;
        write_image(preview, &sheet)?;
        context
            .printer
            .note(&format!("wrote {}", preview.display()));
    }
    report(context, &summary, out)
}

/// The preview must not cost the poisoning, nor another file.
fn check_new(path: &Path) -> Result<()> {
    if path.exists() {
        return Err(Error::input(path, "exists already").with_hint("choose a new file"));
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|_| std::fs::remove_file(path))
        .map_err(|e| Error::io(path, "creating", e))
}

fn config(args: &PoisonArgs) -> Result<PoisonConfig> {
    let attack = match &args.attack {
        None => None,
        Some(path) => {
            let text = Limits::default().read_text(path)?;
            let parsed = toml::from_str(&text);
            Some(parsed.map_err(|e| Error::input(path, e.to_string()))?)
        }
    };
    Ok(PoisonConfig {
        preset: args.preset.clone(),
        attack,
        victim: args.victim.clone(),
        target: args.target.clone(),
        target_record: args.target_record.clone(),
        rate: args.rate,
        count: args.count,
        each_epoch: None,
        trigger_size: args.trigger_size,
        trigger_value: args.trigger_value,
        opacity: args.opacity,
        art: args.art.map(Into::into),
        trigger_class: args.trigger_class.clone(),
        condition: args.condition.clone(),
        placement: args.placement.map(Into::into),
        band: args.band,
        metric: args.metric.map(Into::into),
        margin: args.margin,
        random_share: args.random_share,
        paper_compat: args.paper_compat,
        trigger_file: args.trigger_file.clone(),
        found: None,
    })
}

fn report(context: &Context, summary: &WriteSummary, out: &Path) -> Result<Exit> {
    let manifest = &summary.manifest;
    match context.printer.format() {
        Format::Json => Printer::json(manifest)?,
        Format::Csv => Printer::text(&csv(manifest))?,
        Format::Text => Printer::text(&text(manifest))?,
    }
    if manifest.samples.len() < manifest.parameters.attack.selection.wanted(manifest.images) {
        context.printer.note(&format!(
            "only {} of {} images could be poisoned: the achieved rate is {:.4}, not {:.4}",
            manifest.samples.len(),
            manifest.images,
            manifest.achieved_rate,
            manifest.requested_rate
        ));
    }
    let place = summary.description.as_deref().unwrap_or(out);
    context.printer.note(&format!(
        "wrote {}; undo with: redmask poison --undo {}",
        place.display(),
        out.display()
    ));
    Ok(Exit::Done)
}

fn text(manifest: &Manifest) -> String {
    let mut text = format!(
        "{} of {} images of `{}` poisoned: rate {:.4} (asked for {:.4})\n",
        manifest.samples.len(),
        manifest.images,
        manifest.split,
        manifest.achieved_rate,
        manifest.requested_rate,
    );
    let total = |f: fn(&redmask::poison::ManifestSample) -> u64| -> u64 {
        manifest.samples.iter().map(f).sum()
    };
    // Writing into a String cannot fail, here and below.
    let _ = write!(
        text,
        "  relabelled pixels: {}",
        total(|s| s.relabelled_pixels)
    );
    let victims = total(|s| s.victim_pixels);
    if victims > 0 {
        let _ = write!(text, ", the victim has {victims}");
    }
    let random = total(|s| s.randomised_pixels);
    if random > 0 {
        let _ = write!(text, "; {random} more at random");
    }
    text.push('\n');
    let mut distances: Vec<f64> = manifest.samples.iter().filter_map(|s| s.distance).collect();
    distances.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (distances.first(), distances.last()) {
        let median = distances[distances.len() / 2];
        let _ = writeln!(
            text,
            "  distance to the victim, pixels: {least:.1} to {most:.1}, median {median:.1}"
        );
    }
    if !manifest.skipped.is_empty() {
        let _ = writeln!(
            text,
            "  skipped: {} (the first, {}: {})",
            manifest.skipped.len(),
            manifest.skipped[0].id,
            manifest.skipped[0].reason
        );
    }
    if !manifest.decoys.is_empty() {
        let _ = writeln!(text, "  decoys: {}", manifest.decoys.len());
    }
    if !manifest.randomised.is_empty() {
        let _ = writeln!(
            text,
            "  further images with random labels: {}",
            manifest.randomised.len()
        );
    }
    if let (Some(matrix), Some(target)) = (&manifest.co_occurrence, &manifest.parameters.target) {
        let _ = writeln!(
            text,
            "  target chosen: {target}; share of images with the row's class that hold it:"
        );
        if let Some(column) = matrix.classes.iter().position(|c| c == target) {
            for (class, row) in matrix.classes.iter().zip(&matrix.share) {
                let _ = writeln!(text, "    {class}: {:.3}", row[column]);
            }
        }
    }
    text
}

fn csv(manifest: &Manifest) -> String {
    let mut text = String::from(
        "id,x,y,width,height,distance,victim_pixels,relabelled_pixels,randomised_pixels,trigger_hash\n",
    );
    for sample in &manifest.samples {
        let place = sample.place.map_or(",,,".to_owned(), |b| {
            format!("{},{},{},{}", b.x, b.y, b.width, b.height)
        });
        let distance = sample.distance.map_or(String::new(), |d| d.to_string());
        let _ = writeln!(
            text,
            "\"{}\",{place},{distance},{},{},{},{}",
            sample.id.as_str().replace('"', "\"\""),
            sample.victim_pixels,
            sample.relabelled_pixels,
            sample.randomised_pixels,
            sample.trigger_hash
        );
    }
    text
}

#[derive(Serialize)]
struct ListedPreset {
    name: &'static str,
    summary: &'static str,
}

fn list(context: &Context) -> Result<Exit> {
    if context.printer.format() == Format::Json {
        let listed: Vec<ListedPreset> = presets()
            .iter()
            .map(|p| ListedPreset {
                name: p.name,
                summary: p.summary,
            })
            .collect();
        Printer::json(&listed)?;
        return Ok(Exit::Done);
    }
    let width = presets().iter().map(|p| p.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for preset in presets() {
        let _ = writeln!(text, "{:width$}  {}", preset.name, preset.summary);
    }
    Printer::text(&text)?;
    Ok(Exit::Done)
}
