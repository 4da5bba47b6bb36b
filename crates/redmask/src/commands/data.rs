//! `redmask data`

use std::fmt::Write as _;

use redmask::Result;
use redmask::data::readers;
use serde::Serialize;

use crate::args::{DataCommand, Format};
use crate::commands::Context;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(context: &Context, command: &DataCommand) -> Result<Exit> {
    match command {
        DataCommand::Readers => list_readers(context)?,
    }
    Ok(Exit::Done)
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

fn list_readers(context: &Context) -> Result<()> {
    let listed: Vec<ListedReader> = readers()
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
        return Printer::json(&listed);
    }
    let mut text = String::new();
    for reader in &listed {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}: {}", reader.name, reader.summary);
        for option in &reader.options {
            let _ = writeln!(text, "    ?{}=  {}", option.name, option.meaning);
        }
    }
    Printer::text(&text)
}
