//! `redmask data`

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};

use redmask::core::SampleId;
use redmask::data::{
    CheckOptions, CheckReport, OpenOptions as ReadOptions, PreviewOptions, check, open, preview,
    reader_table,
};
use redmask::{Error, Result};
use serde::Serialize;

use crate::args::{DataArgs, DataCommand, Format, PreviewArgs};
use crate::commands::Context;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(context: &Context, command: &DataCommand) -> Result<Exit> {
    match command {
        DataCommand::Check(args) => check_data(context, args),
        DataCommand::Preview(args) => draw(context, args),
        DataCommand::Readers => list_readers(context),
    }
}

fn options(args: &DataArgs) -> ReadOptions {
    ReadOptions {
        size: args.size,
        ..ReadOptions::default()
    }
}

/// Prints what is wrong. Records that cannot be used are an error, splits that are not apart a finding.
fn check_data(context: &Context, args: &DataArgs) -> Result<Exit> {
    let dataset = open(&args.data, &options(args))?;
    let report = check(dataset.as_ref(), &CheckOptions::default(), &context.session)?;
    match context.printer.format() {
        Format::Json => Printer::json(&report)?,
        Format::Text | Format::Csv => Printer::text(&render(&report))?,
    }
    if let Some(first) = report.unreadable.first() {
        return Err(Error::config(
            format!("data set `{}`", args.data),
            format!(
                "{} of {} records cannot be read; the first: {}",
                report.unreadable.len(),
                report.records,
                first.problem
            ),
        ));
    }
    if let Some(first) = report.unlabelled.first() {
        return Err(Error::config(
            format!("data set `{}`", args.data),
            format!(
                "{} records have no labelled pixel; the first: {first}",
                report.unlabelled.len()
            ),
        ));
    }
    Ok(if report.splits_are_apart() {
        Exit::Done
    } else {
        Exit::Finding
    })
}

/// Lists are cut here in text; JSON has all.
const SHOWN: usize = 20;

fn render(report: &CheckReport) -> String {
    let mut text = format!("{} records in {} groups\n", report.records, report.groups);
    // Writing into a String cannot fail, here and below.
    for (split, n) in &report.splits {
        let _ = writeln!(text, "  split {split}: {n}");
    }
    for (size, n) in &report.sizes {
        let _ = writeln!(text, "  size {size}: {n}");
    }
    let _ = writeln!(
        text,
        "  pixels without a class: {:.2} %",
        report.ignored * 100.0
    );
    let width = report
        .classes
        .iter()
        .map(|c| c.name.len())
        .max()
        .unwrap_or(0);
    for class in &report.classes {
        let _ = writeln!(
            text,
            "  class {:width$}  {:6.2} % of the labelled pixels, in {} records",
            class.name,
            class.share * 100.0,
            class.records
        );
    }
    let mut list = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}: {}", lines.len());
        for line in lines.iter().take(SHOWN) {
            let _ = writeln!(text, "  {line}");
        }
        if lines.len() > SHOWN {
            let _ = writeln!(
                text,
                "  and {} more (--format json lists all)",
                lines.len() - SHOWN
            );
        }
    };
    list(
        "unreadable",
        report
            .unreadable
            .iter()
            .map(|u| format!("{}: {}", u.id, u.problem))
            .collect(),
    );
    list(
        "without any label",
        report.unlabelled.iter().map(ToString::to_string).collect(),
    );
    list(
        "groups in more than one split",
        report
            .leaking_groups
            .iter()
            .map(|g| {
                let parts: Vec<String> = g.splits.iter().map(|(s, n)| format!("{s} {n}")).collect();
                format!("{}: {}", g.group, parts.join(", "))
            })
            .collect(),
    );
    list(
        "near-duplicates in different groups",
        report
            .near_duplicates
            .iter()
            .map(|pair| {
                let across = if pair.across_splits {
                    ", across splits"
                } else {
                    ""
                };
                format!(
                    "{} and {} ({} bits, correlation {:.3}{across})",
                    pair.a, pair.b, pair.distance, pair.correlation
                )
            })
            .collect(),
    );
    list(
        "suggested groups, so that no split separates them",
        report
            .suggested_groups
            .iter()
            .map(|set| {
                let ids: Vec<&str> = set.iter().map(SampleId::as_str).collect();
                ids.join(", ")
            })
            .collect(),
    );
    text.push_str(if report.splits_are_apart() {
        "published splits are apart\n"
    } else {
        "published splits are NOT apart: a model tested on them looks better than it is\n"
    });
    text
}

fn draw(context: &Context, args: &PreviewArgs) -> Result<Exit> {
    // The file is opened first: a bad path must not cost the decoding.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .create_new(!args.force)
        .open(&args.out)
        .map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => {
                Error::input(&args.out, "exists already").with_hint("replace it with --force")
            }
            _ => Error::io(&args.out, "creating", e),
        })?;
    let drawn = sheet(args).and_then(|png| {
        file.write_all(&png)
            .map_err(|e| Error::io(&args.out, "writing", e))
    });
    if let Err(error) = drawn {
        let _ = std::fs::remove_file(&args.out);
        return Err(error);
    }
    context
        .printer
        .note(&format!("wrote {}", args.out.display()));
    Ok(Exit::Done)
}

fn sheet(args: &PreviewArgs) -> Result<Vec<u8>> {
    let dataset = open(&args.data.data, &options(&args.data))?;
    let sheet = preview(
        dataset.as_ref(),
        &PreviewOptions {
            records: args.records.into(),
            ..PreviewOptions::default()
        },
    )?;
    let (height, width) = (sheet.height() as u32, sheet.width() as u32);
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_raw(width, height, sheet.to_interleaved())
        .ok_or_else(|| Error::Internal("a contact sheet whose pixels do not fill it".into()))?
        .write_to(&mut png, image::ImageFormat::Png)
        .map_err(|e| Error::Internal(format!("a contact sheet as PNG: {e}")))?;
    Ok(png.into_inner())
}

#[derive(Serialize)]
struct ListedReader {
    name: &'static str,
    summary: &'static str,
    options: Vec<ListedOption>,
}

#[derive(Serialize)]
struct ListedOption {
    name: &'static str,
    meaning: &'static str,
}

fn list_readers(context: &Context) -> Result<Exit> {
    let listed: Vec<ListedReader> = reader_table()
        .iter()
        .map(|reader| ListedReader {
            name: reader.name,
            summary: reader.summary,
            options: reader
                .options
                .iter()
                .map(|&(name, meaning)| ListedOption { name, meaning })
                .collect(),
        })
        .collect();
    if context.printer.format() == Format::Json {
        Printer::json(&listed)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for reader in &listed {
        let _ = writeln!(text, "{}: {}", reader.name, reader.summary);
        for option in &reader.options {
            let _ = writeln!(text, "    ?{}=  {}", option.name, option.meaning);
        }
    }
    Printer::text(&text)?;
    Ok(Exit::Done)
}
