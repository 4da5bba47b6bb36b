//! `redmask model`

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use redmask::lab::audit::guess_architecture;
use redmask::nn::weights::Checkpoint;
use redmask::onnx::OnnxLimits;
use redmask::onnx::survey::ModelSurvey;
use redmask::{Error, Result};
use serde_json::json;

use crate::args::{Format, InspectArgs, ModelCommand};
use crate::commands::Context;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(context: &Context, command: &ModelCommand) -> Result<Exit> {
    let ModelCommand::Inspect(args) = command;
    let json = match context.printer.format() {
        Format::Text => false,
        Format::Json => true,
        Format::Csv => {
            return Err(Error::unsupported(
                "a model as CSV",
                "it is no table; use --format json",
            ));
        }
    };
    if is_onnx(&args.file)? {
        inspect_onnx(args, json)?;
    } else {
        inspect_weights(&args.file, json)?;
    }
    Ok(Exit::Done)
}

/// Weights begin as a zip archive, a pickle, or the header of safetensors; everything else is tried as ONNX.
fn is_onnx(path: &Path) -> Result<bool> {
    let mut head = Vec::new();
    File::open(path)
        .map_err(|e| Error::io(path, "opening", e))?
        .take(9)
        .read_to_end(&mut head)
        .map_err(|e| Error::io(path, "reading", e))?;
    let weights =
        head.starts_with(b"PK") || head.starts_with(&[0x80]) || head.get(8) == Some(&b'{');
    Ok(!weights)
}

fn inspect_onnx(args: &InspectArgs, json: bool) -> Result<()> {
    let survey = ModelSurvey::read(&args.file, OnnxLimits::default())?;
    let unsupported: Vec<&str> = survey.unsupported().collect();
    let ops: Vec<String> = survey
        .ops()
        .iter()
        .map(|(op, n)| format!("{op} {n}"))
        .collect();
    let ports = |ports: Vec<redmask::onnx::survey::Port>| -> Vec<String> {
        ports.iter().map(ToString::to_string).collect()
    };
    let external: Vec<String> = survey
        .external_files()
        .map(|p| p.display().to_string())
        .collect();
    let guess = survey.guess(args.classes.map(usize::from));
    if json {
        let (config, reasons) = match &guess {
            Ok(guess) => (Some(&guess.config), Some(&guess.reasons)),
            Err(_) => (None, None),
        };
        return Printer::json(&json!({
            "format": "onnx",
            "opset": survey.opset(),
            "producer": survey.producer(),
            "parameters": survey.parameters(),
            "external": external,
            "ops": survey.ops(),
            "unsupported": unsupported,
            "inputs": ports(survey.inputs()),
            "outputs": ports(survey.outputs()),
            "blake3": survey.hash().to_hex(),
            "config": config,
            "reasons": reasons,
            "problem": guess.as_ref().err().map(ToString::to_string),
        }));
    }
    let mut text = String::new();
    let mut line = |what: &str, value: &str| _ = writeln!(text, "# {what}: {value}");
    line(
        "ONNX",
        &format!("opset {}, written by {}", survey.opset(), survey.producer()),
    );
    line("weights", &survey.parameters().to_string());
    if !external.is_empty() {
        line("weights in", &external.join(", "));
    }
    line("inputs", &ports(survey.inputs()).join("; "));
    line("outputs", &ports(survey.outputs()).join("; "));
    line("operators", &ops.join(", "));
    if !unsupported.is_empty() {
        line(
            "UNSUPPORTED operators, an audit refuses this file",
            &unsupported.join(", "),
        );
    }
    line("blake3", &survey.hash().to_hex());
    match guess {
        Ok(guess) => {
            line(
                "guessed",
                "correct below what is wrong, and pass the file as --model-config",
            );
            for reason in &guess.reasons {
                line("-", reason);
            }
            text.push('\n');
            text.push_str(&guess.config.to_commented_toml());
        }
        Err(error) => line("an audit cannot read this file", &error.to_string()),
    }
    Printer::text(&text)
}

fn inspect_weights(path: &Path, json: bool) -> Result<()> {
    /// Tensors printed; the rest is counted.
    const SHOWN: usize = 12;
    let file = Checkpoint::open(path)?;
    let tensors: Vec<(&str, &[usize])> = file
        .names()
        .filter_map(|name| Some((name, file.shape(name)?)))
        .collect();
    let parameters: usize = tensors
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    let guess = guess_architecture(&file);
    if json {
        let listed: Vec<_> = tensors
            .iter()
            .map(|(name, shape)| json!({ "name": name, "shape": shape }))
            .collect();
        return Printer::json(&json!({
            "format": "weights",
            "parameters": parameters,
            "tensors": listed,
            "architecture": guess.as_ref().ok(),
            "problem": guess.as_ref().err().map(ToString::to_string),
        }));
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "weights: {} tensors, {parameters} numbers",
        tensors.len()
    );
    for (name, shape) in tensors.iter().take(SHOWN) {
        let _ = writeln!(text, "  {name} {shape:?}");
    }
    if tensors.len() > SHOWN {
        let _ = writeln!(text, "  ... and {} more", tensors.len() - SHOWN);
    }
    match guess {
        Ok(architecture) => {
            let _ = writeln!(text, "architecture: {architecture}");
            let _ = writeln!(
                text,
                "scaling: cannot be seen in a file; --scaling imagenet is assumed, unit and raw255 are the others"
            );
        }
        Err(error) => {
            let _ = writeln!(text, "architecture: {error}");
        }
    }
    Printer::text(&text)
}
