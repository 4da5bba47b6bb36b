//! From a [`DataSpec`] to a data set: the table of readers.

use std::sync::Arc;

use redmask_core::{Error, Result, SegDataset};

use crate::DataSpec;
use crate::files::{Limits, PairDataset};
use crate::procedural::{ProceduralDataset, polyp, street};
use crate::readers::msd_liver::MsdLiver;
use crate::readers::{ade20k, camvid, cityscapes, folder, kvasir_seg, msd_liver, nuclei, voc2012};
use crate::resize::Resized;

/// What holds for every reader.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Bring every record to this size (height, width): images bilinear, labels nearest. Procedural scenes are drawn
    /// at it.
    pub size: Option<(usize, usize)>,
    /// What decoding a file may take.
    pub limits: Limits,
}

/// One entry of the table of readers.
#[derive(Debug)]
pub struct Reader {
    /// The name before the `:`.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Its options and what they mean.
    pub options: &'static [(&'static str, &'static str)],
    open: Open,
}

#[derive(Debug)]
enum Open {
    /// Takes a seed.
    Scenes(fn(&DataSpec, &OpenOptions) -> Result<ProceduralDataset>),
    /// Takes a path to image and mask files.
    Pairs(fn(&DataSpec, &OpenOptions) -> Result<PairDataset>),
    /// Takes a path to volumes.
    Slices(fn(&DataSpec, &OpenOptions) -> Result<MsdLiver>),
}

static READERS: &[Reader] = &[
    Reader {
        name: "polyp",
        summary: "procedural colonoscopy frames, two classes",
        options: polyp::OPTIONS,
        open: Open::Scenes(polyp::open),
    },
    Reader {
        name: "street",
        summary: "procedural street scenes, nine classes with instances and attributes",
        options: street::OPTIONS,
        open: Open::Scenes(street::open),
    },
    Reader {
        name: "folder",
        summary: "image and mask folders described by a TOML file",
        options: &[],
        open: Open::Pairs(folder::open),
    },
    Reader {
        name: "kvasir-seg",
        summary: "Kvasir-SEG, original or split layout",
        options: kvasir_seg::OPTIONS,
        open: Open::Pairs(kvasir_seg::open),
    },
    Reader {
        name: "camvid",
        summary: "CamVid, 11 classes, frames grouped by drive and block",
        options: camvid::OPTIONS,
        open: Open::Pairs(camvid::open),
    },
    Reader {
        name: "nuclei",
        summary: "cell nuclei with instances",
        options: &[],
        open: Open::Pairs(nuclei::open),
    },
    Reader {
        name: "cityscapes",
        summary: "Cityscapes, fine annotations, 19 train ids, instances, grouped by city",
        options: cityscapes::OPTIONS,
        open: Open::Pairs(cityscapes::open),
    },
    Reader {
        name: "voc2012",
        summary: "PASCAL VOC 2012 segmentation, 21 classes with instances",
        options: voc2012::OPTIONS,
        open: Open::Pairs(voc2012::open),
    },
    Reader {
        name: "ade20k",
        summary: "ADE20K scene parsing, 150 classes",
        options: &[],
        open: Open::Pairs(ade20k::open),
    },
    Reader {
        name: "msd-liver",
        summary: "axial slices of Medical Segmentation Decathlon liver volumes, grouped by patient",
        options: msd_liver::OPTIONS,
        open: Open::Slices(msd_liver::open),
    },
];

/// Every reader, in the order of the documentation.
pub fn reader_table() -> &'static [Reader] {
    READERS
}

pub(crate) fn is_procedural(name: &str) -> bool {
    READERS
        .iter()
        .any(|r| matches!(r.open, Open::Scenes(_)) && r.name == name)
}

/// Opens a data set. Records are decoded one by one when asked for; [`crate::CachedDataset`] keeps them.
///
/// ```
/// use redmask_core::SegDataset;
/// use redmask_data::{OpenOptions, open};
/// let scenes = open(&"polyp:0?count=4".parse()?, &OpenOptions { size: Some((64, 64)), ..Default::default() })?;
/// assert_eq!(scenes.len(), 4);
/// assert_eq!(scenes.sample(0)?.labels.height(), 64);
/// # Ok::<(), redmask_core::Error>(())
/// ```
///
/// # Errors
/// If there is no such reader or option, or the files are not what the reader expects.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<Arc<dyn SegDataset>> {
    let dataset: Arc<dyn SegDataset> = match find(spec)?.open {
        // Scenes are drawn at the size asked for.
        Open::Scenes(open) => return Ok(Arc::new(open(spec, options)?)),
        Open::Pairs(open) => Arc::new(open(spec, options)?),
        Open::Slices(open) => Arc::new(open(spec, options)?),
    };
    Ok(match options.size {
        Some(size) => Arc::new(Resized::new(dataset, size)?),
        None => dataset,
    })
}

/// Opens a data set of image and mask files with its paths, for those who copy or rewrite files. `options.size` is not
/// applied.
///
/// # Errors
/// As [`open`], or if the reader's records are not pairs of files.
pub fn open_pairs(spec: &DataSpec, options: &OpenOptions) -> Result<PairDataset> {
    match find(spec)?.open {
        Open::Pairs(open) => open(spec, options),
        Open::Scenes(_) | Open::Slices(_) => Err(Error::unsupported(
            format!("file access to `{spec}`"),
            "its records are not pairs of image files",
        )),
    }
}

/// The reader of a spec, once its options are known to exist.
fn find(spec: &DataSpec) -> Result<&'static Reader> {
    let Some(reader) = READERS.iter().find(|r| r.name == spec.reader) else {
        let names: Vec<_> = READERS.iter().map(|r| r.name).collect();
        return Err(Error::config(
            format!("data set `{spec}`"),
            format!("there is no reader `{}`", spec.reader),
        )
        .with_hint(format!("readers: {}", names.join(", "))));
    };
    if let Some(key) = spec
        .options
        .keys()
        .find(|key| reader.options.iter().all(|(name, _)| name != key))
    {
        let names: Vec<_> = reader.options.iter().map(|(name, _)| *name).collect();
        return Err(Error::config(
            format!("data set `{spec}`"),
            format!("`{}` has no option `{key}`", reader.name),
        )
        .with_hint(if names.is_empty() {
            "this reader takes no option".to_owned()
        } else {
            format!("options: {}", names.join(", "))
        }));
    }
    Ok(reader)
}
