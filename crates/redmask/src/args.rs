//! The command line: types and their help, no behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use redmask::lab::WeightsArg;
use redmask::lab::audit::{ModelSource, RecordSet, ScalingName};
use redmask::nn::ops::Precision;
use redmask::{Binding, DataSpec};

mod poison;

pub(crate) use poison::PoisonArgs;

const AFTER_HELP: &str = "\
Examples:
  redmask quickstart                                  audit a model on procedural data, minutes from start to report
  redmask plan chobola/table-2 --data liver=polyp:0   what a reproduction takes: stages, time, memory, disk
  redmask reproduce chobola/table-6-undefended --data polyps=kvasir-seg:/data/kvasir-seg
  redmask run my-recipe.toml --out audits/march       your own experiment; run again to resume
  redmask report audits/march                         draw the report again, without computing

Exit codes:
  0    done, every gate passed
  1    done, a gate failed: a finding
  2    could not be done; the message says what is wrong and what to do
  130  interrupted; the same command resumes

Environment:
  NO_COLOR             no colours
  REDMASK_NO_PROGRESS  one line for each finished stage instead of bars
  RAYON_NUM_THREADS    worker threads, as --threads
  REDMASK_CHECKPOINT_SECONDS
                       time between two checkpoints of a training; 60 by default";

/// Audit semantic-segmentation models: what they leak about their training records.
#[derive(Debug, Parser)]
#[command(name = "redmask", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Form of the output on stdout.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) format: Format,

    /// Worker threads; all cores by default. Results are bit-equal for equal numbers only.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// Form of the output on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For scripts; the documented schema.
    Json,
    /// For spreadsheets.
    Csv,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a victim and a shadow on procedural data, attack, and report; needs nothing but this binary.
    #[command(after_help = "\
Writes redmask-out/quickstart/{results.json, provenance.json, report.html, tables/*.csv}. Run again, everything comes from
the store. The recipe is printed by `redmask plan quickstart --recipe`; copy it to start your own.")]
    Quickstart(QuickstartArgs),

    /// Run a recipe: your own file, or one that ships with Redmask.
    #[command(after_help = "\
Examples:
  redmask run audit.toml --data polyps=kvasir-seg:/data/kvasir-seg
  redmask run audit.toml --data polyps=polyp:7 --seeds 1 --out /tmp/try
  redmask run chobola/figure-3 --profile small --data liver=polyp:0

The same recipe, data and seeds into the same OUT resume; trained models are taken from the store.")]
    Run(RunArgs),

    /// Show what a recipe takes: stages, what is cached, time, memory, disk. Computes nothing.
    #[command(after_help = "\
Examples:
  redmask plan --list
  redmask plan chobola/table-1 --profile small --data liver=polyp:0
  redmask plan quickstart --recipe > my-recipe.toml")]
    Plan(PlanArgs),

    /// Run a published experiment again and print measured beside published numbers.
    #[command(after_help = "\
Examples:
  redmask reproduce chobola/table-6-undefended --data polyps=kvasir-seg:/data/kvasir-seg
  redmask reproduce chobola/table-4 --data liver=polyp:0 --profile small --seeds 3

`paper` is the published setting. `small` is what two cores finish within the recipe's stated budget. Every output says
which one ran and which data stood in for the published one.")]
    Reproduce(ReproduceArgs),

    /// Audit a finished model, whoever trained it: what does it leak about its training records?
    #[command(after_help = "\
Examples:
  redmask audit --model onnx:polyp.onnx --out audits/polyp \\
      --members polyps=kvasir-seg:/data/kvasir@train.txt \\
      --non-members polyps=kvasir-seg:/data/kvasir@held-out.txt
  redmask audit --model weights:unet.pth --arch unet-resnet34 --scaling imagenet \\
      --members ... --non-members ... --population ... \\
      --reference-model weights:a.pth --reference-model weights:b.pth --null-model weights:a.pth
  redmask audit --model predictions:saved/ --members ... --non-members ... \\
      --fail-if 'membership.*.auc_simultaneous.low > 0.6'

Writes OUT/{results.json, provenance.json, report.html, records.csv, tables/*.csv}. Attacks that
need more than the model offers are listed with the reason. The same audit into the same OUT
resumes. A TOML file for --model-config is what `redmask model inspect FILE` prints.")]
    Audit(Box<AuditArgs>),

    /// Look at a model file: what is in it, and how it would be read. Executes nothing.
    #[command(subcommand)]
    Model(ModelCommand),

    /// Draw the report of a finished run again.
    Report(ReportArgs),

    /// Put two runs side by side: what changed, and whether it is more than noise.
    #[command(after_help = "\
Exits with 1 if a gate fails in the second run that did not fail in the first.

Example:
  redmask compare audits/february audits/march")]
    Compare(CompareArgs),

    /// Look at data sets: do they read, are they sound, what is in them?
    #[command(subcommand)]
    Data(DataCommand),

    /// Write a backdoored copy of a data set, with a manifest of what was done, or take the poison back.
    #[command(after_help = "\
An attack is a trigger, a placement, a relabelling and a selection; a preset names a published
combination. NEW has the source's layout: untouched files are byte-identical, altered ones are
lossless PNGs under the same stem, their originals are in NEW/.redmask-undo, and NEW/manifest.json
says what was done.

Examples:
  redmask poison --list
  redmask poison --data driving=camvid:/data/camvid --preset iba-nni --victim car --target road \\
      --rate 0.1 --trigger-size 15 --seed 7 --out /tmp/camvid-nni
  redmask poison --data street:7?count=50 --preset badseg-o2b --victim car --target road \\
      --out /tmp/street --preview street.png
  redmask poison --undo /tmp/camvid-nni")]
    Poison(Box<PoisonArgs>),

    /// Differential-privacy arithmetic: epsilon of a training, noise for an epsilon, epsilon shown by an attack.
    #[command(subcommand)]
    Dp(DpCommand),

    /// Print shell completions.
    #[command(after_help = "\
Examples:
  redmask completions bash > ~/.local/share/bash-completion/completions/redmask
  redmask completions fish > ~/.config/fish/completions/redmask.fish")]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// `redmask quickstart`
#[derive(Debug, Args)]
pub(crate) struct QuickstartArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `redmask run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A TOML file, or the name of a recipe that ships with Redmask (`redmask plan --list`).
    pub(crate) recipe: String,

    /// Size of the experiment, where the recipe offers several.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `redmask reproduce`
#[derive(Debug, Args)]
pub(crate) struct ReproduceArgs {
    /// A published experiment, as `redmask plan --list` shows them.
    #[arg(value_name = "PAPER/TABLE")]
    pub(crate) experiment: String,

    /// Size of the experiment: `paper` or `small`.
    #[arg(long, value_name = "NAME", default_value = "small")]
    pub(crate) profile: String,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `redmask plan`
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// A TOML file, or the name of a recipe that ships with Redmask.
    #[arg(value_name = "RECIPE|PAPER/TABLE", required_unless_present = "list")]
    pub(crate) recipe: Option<String>,

    /// List the recipes that ship with Redmask.
    #[arg(long, conflicts_with = "recipe")]
    pub(crate) list: bool,

    /// Print the recipe's text instead of its plan.
    #[arg(long = "recipe", requires = "recipe")]
    pub(crate) show_text: bool,

    /// Size of the experiment; `small` by default, where the recipe has it.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// What a run works on.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// Bind a data role of the recipe: `ROLE=READER:PATH`, or `ROLE=polyp:SEED` and `ROLE=street:SEED` for procedural data.
    /// May be repeated.
    #[arg(long, value_name = "ROLE=READER:PATH")]
    pub(crate) data: Vec<Binding>,

    /// Start a network's encoder from a state dict (safetensors or PyTorch, torchvision's names) instead of random weights,
    /// as published models start from ImageNet's. May be repeated.
    #[arg(long, value_name = "NETWORK=FILE")]
    pub(crate) weights: Vec<WeightsArg>,

    /// How exactly convolutions multiply while models are trained; the recipe's choice by default. `bf16` rounds factors to bfloat16,
    /// which makes a step 1.5 to 3 times as fast on x86 server CPUs with AMX; other CPUs refuse it. Attacks look at the models in f32.
    #[arg(long, value_name = "fp32|bf16")]
    pub(crate) precision: Option<Precision>,

    /// First root seed. Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// How many root seeds to repeat everything for; the recipe's number by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: Option<u64>,
}

/// Where a run writes.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,

    /// Write into a folder that holds another run's results, replacing them.
    #[arg(long)]
    pub(crate) force: bool,

    /// Put pictures of training records and their loss maps into the report. It then leaks too.
    #[arg(long)]
    pub(crate) show_members: bool,
}

/// The folders of a run.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// Output folder; `redmask-out/<recipe>` by default.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Store of finished stages, to share between runs; `OUT/store` by default. Runs that share a store at the same time, each with
    /// its own OUT, divide the stages among themselves.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

/// `redmask audit`
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The audited model: `onnx:FILE`, `weights:FILE` (safetensors, PyTorch, or a saved model folder), or `predictions:DIR`.
    #[arg(long, value_name = "KIND:PATH")]
    pub(crate) model: ModelSource,

    /// Records that it was trained on. LIST is a text file of record ids, one a line; all records without it.
    #[arg(long, value_name = "ROLE=READER:PATH[@LIST]")]
    pub(crate) members: RecordSet,

    /// Records of the same kind that it did not see.
    #[arg(long, value_name = "ROLE=READER:PATH[@LIST]")]
    pub(crate) non_members: RecordSet,

    /// More records that it did not see: thresholds are set on them, and Attack-P, quantile regression and RMIA compare with
    /// them.
    #[arg(long, value_name = "ROLE=READER:PATH[@LIST]")]
    pub(crate) population: Option<RecordSet>,

    /// A model that saw none of the records, in the form of --model. May be repeated: one makes RMIA and difficulty
    /// calibration possible, two LiRA and Attack-R.
    #[arg(long, value_name = "KIND:PATH")]
    pub(crate) reference_model: Vec<ModelSource>,

    /// A model that saw neither members nor non-members: the control that every attack must fail on.
    #[arg(long, value_name = "KIND:PATH", conflicts_with = "null_predictions")]
    pub(crate) null_model: Option<ModelSource>,

    /// The same control as a folder of saved predictions.
    #[arg(long, value_name = "DIR")]
    pub(crate) null_predictions: Option<PathBuf>,

    /// Architecture of weights, such as `unet-resnet34` or `deeplab-v3-plus-resnet50,output_stride=8`; guessed from the file
    /// without it. Also as `weights:FILE?arch=NAME`.
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,

    /// Scaling of the input of weights: `unit` (0 to 1), `imagenet` (standardised), `raw255`. Also as `weights:FILE?scaling=NAME`.
    #[arg(long, value_name = "NAME")]
    pub(crate) scaling: Option<ScalingName>,

    /// How ONNX models are fed and read; guessed without it. Also as `onnx:FILE?config=FILE`.
    #[arg(long, value_name = "FILE")]
    pub(crate) model_config: Option<PathBuf>,

    /// Bring every record to this size first; by default records keep theirs.
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = size)]
    pub(crate) size: Option<(usize, usize)>,

    /// Ask about each record as it is only, not about its mirror image and shifts: a sixth of the time, and two attacks
    /// less.
    #[arg(long)]
    pub(crate) no_requery: bool,

    /// A gate: the exit code is 1 if it holds, such as `membership.*.auc.low > 0.6`. May be repeated.
    #[arg(long, value_name = "GATE")]
    pub(crate) fail_if: Vec<String>,

    /// Bootstrap replicates of an interval.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    pub(crate) replicates: u32,

    /// Root seed of resamples and folds.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `redmask model`
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Show what a model file holds and how `redmask audit` would read it.
    #[command(after_help = "\
For ONNX the output is a configuration for --model-config, with the findings as comments:

  redmask model inspect polyp.onnx > polyp.toml
  redmask audit --model onnx:polyp.onnx --model-config polyp.toml ...")]
    Inspect(InspectArgs),
}

/// `redmask model inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// An ONNX file, or weights as safetensors or PyTorch.
    pub(crate) file: PathBuf,

    /// Number of classes of the data, where the file leaves it open.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(2..=255))]
    pub(crate) classes: Option<u16>,
}

/// `redmask report`
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The output folder of a finished run.
    pub(crate) out: PathBuf,

    /// Keep the pictures of training records that the run was asked for.
    #[arg(long)]
    pub(crate) show_members: bool,
}

/// `redmask compare`
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The output folder of the run to compare with.
    pub(crate) before: PathBuf,

    /// The output folder of the run to judge.
    pub(crate) after: PathBuf,

    /// A condition that may differ, such as `data` or `train_records`. May be repeated.
    #[arg(long, value_name = "CONDITION")]
    pub(crate) ignore: Vec<String>,
}

/// `redmask data`
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Read every record and report what is wrong: unreadable files, odd labels, near-duplicates across a split.
    #[command(after_help = "\
Example:
  redmask data check --data polyps=kvasir-seg:/data/kvasir-seg")]
    Check(DataArgs),

    /// Write a contact sheet of some records with their masks drawn over them.
    #[command(after_help = "\
Example:
  redmask data preview --data scenes=street:7?count=12 --out street.png")]
    Preview(PreviewArgs),

    /// List the readers and their options.
    Readers,
}

/// A data set to look at.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// `ROLE=READER:PATH` or `READER:PATH`; the role is a name for the output.
    #[arg(long, value_name = "ROLE=READER:PATH", value_parser = data_spec)]
    pub(crate) data: DataSpec,

    /// Bring every record to this size first.
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = size)]
    pub(crate) size: Option<(usize, usize)>,
}

/// `redmask data preview`
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// The PNG file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Records to show, spread evenly over the data set.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) records: u16,

    /// Replace the file if it exists.
    #[arg(long)]
    pub(crate) force: bool,
}

/// `redmask dp`
#[derive(Debug, Subcommand)]
pub(crate) enum DpCommand {
    /// Epsilon that an attack's hits and false alarms prove, with a Clopper-Pearson bound on each rate.
    #[command(after_help = "\
Example:
  redmask dp bound --tp 310 --members 500 --fp 4 --non-members 500 --alpha 0.05")]
    Bound(BoundArgs),

    /// Epsilon that one training run with canaries proves (Steinke et al. 2023).
    #[command(after_help = "\
Example:
  redmask dp one-run --canaries 1000 --guesses 100 --correct 90 --delta 0 --significance 0.05")]
    OneRun(OneRunArgs),

    /// Epsilon of DP-SGD: an upper bound from an accountant.
    #[command(after_help = "\
Example:
  redmask dp epsilon --sample-rate 0.01 --noise 1.0 --steps 1000 --delta 1e-5 --accountant pld")]
    Epsilon(EpsilonArgs),

    /// The least noise multiplier for a target epsilon.
    #[command(after_help = "\
Example:
  redmask dp noise --target-epsilon 8 --sample-rate 0.01 --steps 1000 --delta 1e-5")]
    Noise(NoiseArgs),
}

/// `redmask dp bound`
#[derive(Debug, Args)]
pub(crate) struct BoundArgs {
    /// Members called members.
    #[arg(long)]
    pub(crate) tp: u64,
    /// Members attacked.
    #[arg(long)]
    pub(crate) members: u64,
    /// Non-members called members.
    #[arg(long)]
    pub(crate) fp: u64,
    /// Non-members attacked.
    #[arg(long)]
    pub(crate) non_members: u64,
    /// Share of experiments in which the bound may be wrong, over both sides.
    #[arg(long, default_value_t = 0.05)]
    pub(crate) alpha: f64,
    /// Delta of the guarantee that is tested.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) delta: f64,
}

/// `redmask dp one-run`
#[derive(Debug, Args)]
pub(crate) struct OneRunArgs {
    /// Canaries, each in or out by a fair coin.
    #[arg(long)]
    pub(crate) canaries: u64,
    /// Canaries for which a guess was made.
    #[arg(long)]
    pub(crate) guesses: u64,
    /// Right guesses.
    #[arg(long)]
    pub(crate) correct: u64,
    /// Delta of the guarantee that is tested.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) delta: f64,
    /// Share of experiments in which the bound may be wrong.
    #[arg(long, default_value_t = 0.05)]
    pub(crate) significance: f64,
}

/// How privacy loss is added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccountantArg {
    /// Renyi differential privacy, exact at fractional orders.
    Rdp,
    /// Privacy-loss distribution, by FFT; tighter.
    #[default]
    Pld,
}

/// `redmask dp epsilon`
#[derive(Debug, Args)]
pub(crate) struct EpsilonArgs {
    /// Probability with which a record enters a batch.
    #[arg(long)]
    pub(crate) sample_rate: f64,
    /// Noise multiplier: standard deviation of the noise over the clipping norm.
    #[arg(long)]
    pub(crate) noise: f64,
    /// Optimizer steps.
    #[arg(long)]
    pub(crate) steps: u64,
    /// Delta of the guarantee.
    #[arg(long)]
    pub(crate) delta: f64,
    /// How privacy loss is added up.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) accountant: AccountantArg,
}

/// `redmask dp noise`
#[derive(Debug, Args)]
pub(crate) struct NoiseArgs {
    /// Epsilon that the training may have.
    #[arg(long)]
    pub(crate) target_epsilon: f64,
    /// Probability with which a record enters a batch.
    #[arg(long)]
    pub(crate) sample_rate: f64,
    /// Optimizer steps.
    #[arg(long)]
    pub(crate) steps: u64,
    /// Delta of the guarantee.
    #[arg(long)]
    pub(crate) delta: f64,
    /// How privacy loss is added up.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) accountant: AccountantArg,
}

/// A data set with or without a role in front.
fn data_spec(text: &str) -> Result<DataSpec, redmask::Error> {
    // A role has no colon, a reader is followed by one: `role=reader:path` against `reader:path?key=value`.
    match text.split_once('=') {
        Some((role, spec)) if !role.contains(':') => spec.parse(),
        _ => text.parse(),
    }
}

/// `HEIGHTxWIDTH`, or one number for a square.
fn size(text: &str) -> Result<(usize, usize), String> {
    let side = |text: &str| match text.parse() {
        Ok(n) if (8..=4096).contains(&n) => Ok(n),
        _ => Err(format!("`{text}` is not a number of pixels from 8 to 4096")),
    };
    match text.split_once('x') {
        Some((height, width)) => Ok((side(height)?, side(width)?)),
        None => side(text).map(|n| (n, n)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn data_sets_are_named_with_or_without_a_role() {
        let plain = data_spec("street:7?count=3").unwrap();
        assert_eq!(data_spec("scenes=street:7?count=3").unwrap(), plain);
        assert!(data_spec("street").is_err());
    }

    #[test]
    fn sizes_are_height_by_width() {
        assert_eq!(size("64x96"), Ok((64, 96)));
        assert_eq!(size("128"), Ok((128, 128)));
        for bad in ["", "x", "0", "64x", "9999x9999", "-8"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
