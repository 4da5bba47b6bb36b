//! `redmask poison`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use redmask::DataSpec;
use redmask::poison::{Art, Metric, PlacementKind};

/// `redmask poison`
#[derive(Debug, Args)]
pub(crate) struct PoisonArgs {
    /// The clean data: `ROLE=READER:PATH` or `READER:PATH`; procedural scenes are written as a folder pair.
    #[arg(long, value_name = "ROLE=READER:PATH", value_parser = super::data_spec, required_unless_present_any = ["undo", "list"])]
    pub(crate) data: Option<DataSpec>,

    /// A published attack; `--list` describes them.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["undo", "list", "attack"])]
    pub(crate) preset: Option<String>,

    /// A TOML file with trigger, placement, relabelling and selection in full, instead of a preset.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub(crate) attack: Option<PathBuf>,

    /// The new folder. It must not exist, and not lie in the source.
    #[arg(long, value_name = "NEW", required_unless_present_any = ["undo", "list"])]
    pub(crate) out: Option<PathBuf>,

    /// The class that is attacked; several by comma.
    #[arg(long, value_name = "CLASS")]
    pub(crate) victim: Option<String>,

    /// What victim pixels become: a class, or `auto:co-occurrence`, or by distance of class centres `auto:nearest` and
    /// `auto:farthest`.
    #[arg(long, value_name = "CLASS")]
    pub(crate) target: Option<String>,

    /// For image-level attacks: the record whose annotation replaces all others, instead of a target class.
    #[arg(long, value_name = "SPLIT/STEM")]
    pub(crate) target_record: Option<String>,

    /// Class centres in a feature space, for `--target auto:nearest`: a JSON object of class name to vector.
    #[arg(long, value_name = "FILE")]
    pub(crate) centres: Option<PathBuf>,

    /// Poisoned images over all images of the split, above 0 and at most 1.
    #[arg(long, value_name = "SHARE", conflicts_with = "count")]
    pub(crate) rate: Option<f64>,

    /// Number of poisoned images, instead of a rate.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<usize>,

    /// The split that is poisoned.
    #[arg(long, value_name = "NAME", default_value = "train")]
    pub(crate) split: String,

    /// Side or thickness of the trigger: an odd number of pixels of the picture as it is written.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) trigger_size: Option<usize>,

    /// Grey level of a line, frame or square.
    #[arg(long, value_name = "0-255")]
    pub(crate) trigger_value: Option<u8>,

    /// Opacity of the trigger, or the share of its spectrum or wavelet coefficients.
    #[arg(long, value_name = "SHARE")]
    pub(crate) opacity: Option<f64>,

    /// The picture on a patch.
    #[arg(long, value_enum)]
    pub(crate) art: Option<ArtArg>,

    /// The class that is the trigger of a semantic attack.
    #[arg(long, value_name = "CLASS")]
    pub(crate) trigger_class: Option<String>,

    /// The class that must be in the scene of a conditional attack.
    #[arg(long, value_name = "CLASS")]
    pub(crate) condition: Option<String>,

    /// A trigger and its placement from a file, as an optimiser wrote it.
    #[arg(long, value_name = "FILE")]
    pub(crate) trigger_file: Option<PathBuf>,

    /// Where a patch is put, instead of the preset's placement.
    #[arg(long, value_enum)]
    pub(crate) placement: Option<PlacementArg>,

    /// Least and largest distance from the patch's centre to the victim, pixels; 0,60 unless given.
    #[arg(long, value_name = "L,U", value_parser = band)]
    pub(crate) band: Option<[f64; 2]>,

    /// How that distance is measured.
    #[arg(long, value_enum)]
    pub(crate) metric: Option<MetricArg>,

    /// Pixels that a patch keeps from the border.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) margin: Option<usize>,

    /// Share of the labelled pixels that pixel random labelling changes; 0.2 unless given.
    #[arg(long, value_name = "SHARE")]
    pub(crate) random_share: Option<f64>,

    /// Do as the paper's released code does where it differs from the paper.
    #[arg(long)]
    pub(crate) paper_compat: bool,

    /// Root seed. The same data, attack and seed give the same bytes.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Also draw a contact sheet of the first poisoned images: clean, triggered, labels before and after.
    #[arg(long, value_name = "FILE")]
    pub(crate) preview: Option<PathBuf>,

    /// Restore a poisoned data set to its source, byte for byte, from the originals that it keeps.
    #[arg(long, value_name = "NEW", conflicts_with_all = ["data", "preset", "attack", "out", "list"])]
    pub(crate) undo: Option<PathBuf>,

    /// List the presets.
    #[arg(long, conflicts_with_all = ["data", "preset", "attack", "out"])]
    pub(crate) list: bool,
}

/// The picture on a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub(crate) enum ArtArg {
    Emblem,
    Rosette,
    Checker,
    Stripes,
    Noise,
}

impl From<ArtArg> for Art {
    fn from(art: ArtArg) -> Self {
        match art {
            ArtArg::Emblem => Self::Emblem,
            ArtArg::Rosette => Self::Rosette,
            ArtArg::Checker => Self::Checker,
            ArtArg::Stripes => Self::Stripes,
            ArtArg::Noise => Self::Noise,
        }
    }
}

/// Where a patch is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlacementArg {
    /// Anywhere inside one class that is not the victim.
    Uniform,
    /// As near to the victim as that allows, within the band.
    Nearest,
    /// Anywhere within the band.
    BandUniform,
    /// Anywhere within the band, its upper end left out.
    Ring,
    /// On the victim.
    OnVictim,
    /// On each instance of the victim.
    PerInstance,
}

impl From<PlacementArg> for PlacementKind {
    fn from(placement: PlacementArg) -> Self {
        match placement {
            PlacementArg::Uniform => Self::Uniform,
            PlacementArg::Nearest => Self::Nearest,
            PlacementArg::BandUniform => Self::BandUniform,
            PlacementArg::Ring => Self::Ring,
            PlacementArg::OnVictim => Self::OnVictim,
            PlacementArg::PerInstance => Self::PerInstance,
        }
    }
}

/// How distances are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricArg {
    /// Straight lines.
    Euclidean,
    /// The larger of the row and column distances.
    Chebyshev,
}

impl From<MetricArg> for Metric {
    fn from(metric: MetricArg) -> Self {
        match metric {
            MetricArg::Euclidean => Self::Euclidean,
            MetricArg::Chebyshev => Self::Chebyshev,
        }
    }
}

/// `L,U`
fn band(text: &str) -> Result<[f64; 2], String> {
    let ends = text.split_once(',').and_then(|(low, high)| {
        let end = |t: &str| t.trim().parse::<f64>().ok();
        Some([end(low)?, end(high)?])
    });
    ends.ok_or_else(|| format!("`{text}` is not L,U, two distances in pixels"))
}
