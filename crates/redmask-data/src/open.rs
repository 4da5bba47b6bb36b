//! From a [`DataSpec`] to a data set: the table of readers.

use std::sync::Arc;

use redmask_core::{Error, Result, SegDataset};

use crate::DataSpec;
use crate::procedural::{polyp, street};
use crate::resize::Resized;

/// What holds for every reader.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Bring every record to this size (height, width): images bilinear, labels nearest. Procedural scenes are drawn
    /// at it.
    pub size: Option<(usize, usize)>,
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
    procedural: bool,
    open: fn(&DataSpec, &OpenOptions) -> Result<Arc<dyn SegDataset>>,
}

static READERS: &[Reader] = &[
    Reader {
        name: "polyp",
        summary: "procedural colonoscopy frames, two classes",
        options: polyp::OPTIONS,
        procedural: true,
        open: polyp::open,
    },
    Reader {
        name: "street",
        summary: "procedural street scenes, ten classes with instances and attributes",
        options: street::OPTIONS,
        procedural: true,
        open: street::open,
    },
];

/// Every reader, in the order of the documentation.
pub fn readers() -> &'static [Reader] {
    READERS
}

pub(crate) fn is_procedural(name: &str) -> bool {
    READERS.iter().any(|r| r.procedural && r.name == name)
}

/// Opens a data set. Records are decoded one by one when asked for; [`crate::CachedDataset`] keeps them.
///
/// ```
/// use redmask_core::SegDataset;
/// use redmask_data::{OpenOptions, open};
/// let scenes = open(&"polyp:0?count=4".parse()?, &OpenOptions { size: Some((64, 64)) })?;
/// assert_eq!(scenes.len(), 4);
/// assert_eq!(scenes.sample(0)?.labels.height(), 64);
/// # Ok::<(), redmask_core::Error>(())
/// ```
///
/// # Errors
/// If there is no such reader or option, or the files are not what the reader expects.
pub fn open(spec: &DataSpec, options: &OpenOptions) -> Result<Arc<dyn SegDataset>> {
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
    let dataset = (reader.open)(spec, options)?;
    Ok(match options.size {
        Some(size) if !reader.procedural => Arc::new(Resized::new(dataset, size)?),
        _ => dataset,
    })
}
