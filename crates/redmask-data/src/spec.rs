//! `READER:WHERE?key=value`: how the command line and recipes name a data set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use redmask_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A data set by reader, place and options.
///
/// - `kvasir-seg:DIR`, `camvid:DIR`, `folder:FILE.toml`, ...: files;
/// - `polyp:SEED`, `street:SEED`: procedural scenes;
/// - either may carry options: `street:7?count=300&size=128`. A path that holds a `?` itself needs a trailing `?`.
///
/// [`crate::reader_table`] lists the readers and their options.
///
/// ```
/// use redmask_data::{DataSpec, Location};
/// let spec: DataSpec = "street:7?count=300&size=96x128".parse()?;
/// assert_eq!(spec.reader, "street");
/// assert_eq!(spec.location, Location::Seed(7));
/// assert_eq!(spec.options["count"], "300");
/// assert_eq!(spec.to_string(), "street:7?count=300&size=96x128");
/// # Ok::<(), redmask_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DataSpec {
    /// The reader's name.
    pub reader: String,
    /// What it reads.
    pub location: Location,
    /// Its options, by name.
    pub options: BTreeMap<String, String>,
}

/// Where a data set comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// The seed of a procedural data set.
    Seed(u64),
    /// A file or folder.
    Path(PathBuf),
}

impl DataSpec {
    /// The file or folder to read.
    ///
    /// # Errors
    /// If the spec names a procedural data set.
    pub fn path(&self) -> Result<&Path> {
        match &self.location {
            Location::Path(path) => Ok(path),
            Location::Seed(_) => Err(Error::config(
                format!("data set `{self}`"),
                "a procedural data set has no files",
            )),
        }
    }
}

impl FromStr for DataSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |problem: &str| {
            Err(Error::config(format!("data set `{text}`"), problem).with_hint(
                "write READER:PATH (kvasir-seg:/data/kvasir-seg) or a procedural set as street:SEED",
            ))
        };
        let Some((reader, rest)) = text.split_once(':') else {
            return bad("there is no `:` between reader and place");
        };
        if reader.is_empty() || rest.is_empty() {
            return bad("the reader or the place is empty");
        }
        let (place, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let mut options = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return bad("an option is not KEY=VALUE");
            };
            if options.insert(key.to_owned(), value.to_owned()).is_some() {
                return bad("an option is given twice");
            }
        }
        let location = if super::open::is_procedural(reader) {
            match place.parse() {
                Ok(seed) => Location::Seed(seed),
                Err(_) => return bad("a procedural data set takes a seed, a whole number"),
            }
        } else {
            Location::Path(PathBuf::from(place))
        };
        Ok(Self {
            reader: reader.to_owned(),
            location,
            options,
        })
    }
}

impl fmt::Display for DataSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Seed(seed) => write!(f, "{}:{seed}", self.reader)?,
            Location::Path(path) => {
                write!(f, "{}:{}", self.reader, path.display())?;
                if self.options.is_empty() && path.to_string_lossy().contains('?') {
                    f.write_str("?")?;
                }
            }
        }
        for (i, (key, value)) in self.options.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl TryFrom<String> for DataSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DataSpec> for String {
    fn from(spec: DataSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_keep_their_colons() {
        let spec: DataSpec = "camvid:/data/a:b".parse().unwrap();
        assert_eq!(spec.location, Location::Path("/data/a:b".into()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "camvid",
            ":x",
            "camvid:",
            "polyp:seven",
            "polyp:1?count",
            "polyp:1?a=1&a=2",
        ] {
            let error = text.parse::<DataSpec>().unwrap_err();
            assert!(error.hint().is_some(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_parses_back(
            path in "[a-z/?:]{1,12}",
            options in proptest::collection::btree_map("[a-z]{1,4}", "[a-z0-9]{0,4}", 0..3),
        ) {
            let spec = DataSpec { reader: "folder".into(), location: Location::Path(path.into()), options };
            prop_assert_eq!(spec.to_string().parse::<DataSpec>().unwrap(), spec);
        }
    }
}
