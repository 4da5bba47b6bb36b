//! `KIND:PATH?key=value`: how the command line names a model.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use redmask_core::{Error, Result};

/// What a model is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelKind {
    /// An ONNX file: scores or labels.
    Onnx,
    /// Weights of one of our networks, safetensors or PyTorch, or a saved model folder: gradients too.
    Weights,
    /// A folder of saved predictions: scores or labels of the records it holds, and no further queries.
    Predictions,
}

impl ModelKind {
    const ALL: [Self; 3] = [Self::Onnx, Self::Weights, Self::Predictions];

    /// The word before the `:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Weights => "weights",
            Self::Predictions => "predictions",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Onnx => &["config"],
            Self::Weights => &["arch", "scaling"],
            Self::Predictions => &[],
        }
    }
}

/// A model by kind, place and options.
///
/// - `onnx:FILE`, with `config=FILE.toml` for what `redmask model inspect` guessed wrong;
/// - `weights:FILE`, with `arch=NAME` and `scaling=unit|imagenet|raw255`;
/// - `predictions:DIR`.
///
/// A path that holds a `?` itself needs a trailing `?`.
///
/// ```
/// use redmask_lab::audit::{ModelKind, ModelSource};
/// let source: ModelSource = "weights:victim.pth?arch=unet-resnet34&scaling=imagenet".parse()?;
/// assert_eq!(source.kind, ModelKind::Weights);
/// assert_eq!(source.options["arch"], "unet-resnet34");
/// # Ok::<(), redmask_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSource {
    /// What it is stored as.
    pub kind: ModelKind,
    /// The file or folder.
    pub path: PathBuf,
    /// Options by name.
    pub options: BTreeMap<String, String>,
}

impl ModelSource {
    /// The same source with an option, unless it has one of that name, or its kind takes none.
    #[must_use]
    pub fn or_option(mut self, key: &str, value: Option<&str>) -> Self {
        if let Some(value) = value.filter(|_| self.kind.options().contains(&key)) {
            self.options
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        self
    }

    /// The file's or folder's own name, for reports: never its path.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        format!("{}:{}", self.kind.as_str(), name.to_string_lossy())
    }
}

impl FromStr for ModelSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |problem: String| {
            Error::config(format!("model `{text}`"), problem)
                .with_hint("write onnx:FILE, weights:FILE?arch=unet-resnet34, or predictions:DIR")
        };
        let (kind, rest) = text
            .split_once(':')
            .ok_or_else(|| bad("there is no `:` between kind and place".to_owned()))?;
        let kind = ModelKind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(|| bad(format!("there is no kind of model `{kind}`")))?;
        let (place, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        if place.is_empty() {
            return Err(bad("the place is empty".to_owned()));
        }
        let mut options = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(bad(format!("the option `{pair}` is not KEY=VALUE")));
            };
            if !kind.options().contains(&key) {
                return Err(bad(format!("`{}` takes no option `{key}`", kind.as_str())));
            }
            if options.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(bad(format!("`{key}` is given twice")));
            }
        }
        Ok(Self {
            kind,
            path: PathBuf::from(place),
            options,
        })
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.path.display())?;
        for (i, (key, value)) in self.options.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_written() {
        for text in [
            "onnx:a/b.onnx",
            "onnx:b.onnx?config=b.toml",
            "predictions:dir",
            "weights:x=1.pth?arch=unet-resnet18,width=0.5&scaling=unit",
        ] {
            let source: ModelSource = text.parse().expect(text);
            assert_eq!(source.to_string(), text);
        }
        let odd: ModelSource = "onnx:what?.onnx?".parse().expect("a path with a ?");
        assert_eq!(odd.path, PathBuf::from("what?.onnx"));
    }

    #[test]
    fn what_means_nothing_is_refused_with_a_way_out() {
        for text in [
            "b.onnx",
            "tensorflow:x.pb",
            "onnx:",
            "onnx:x?arch=unet",
            "weights:x?arch",
            "weights:x?arch=a&arch=b",
        ] {
            let error = text.parse::<ModelSource>().expect_err(text);
            assert!(error.hint().is_some(), "{error}");
        }
    }

    #[test]
    fn flags_fill_what_a_source_leaves_open() {
        let source = |text: &str| {
            let source: ModelSource = text.parse().expect(text);
            source.or_option("arch", Some("b")).to_string()
        };
        assert_eq!(source("weights:x?arch=a"), "weights:x?arch=a");
        assert_eq!(source("weights:x"), "weights:x?arch=b");
        assert_eq!(source("onnx:x"), "onnx:x");
    }
}
