//! `ROLE=READER:PATH@LIST`: the records that an audit is about.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use redmask_core::{Error, Result, SegDataset, Subset};
use redmask_data::{DataSpec, Limits, Location, OpenOptions, open};

use crate::bind::Binding;

/// A role, a data set, and which of its records take part.
///
/// ```
/// use redmask_lab::audit::RecordSet;
/// let set: RecordSet = "polyps=kvasir-seg:data/kvasir@train.txt".parse()?;
/// assert_eq!(set.role, "polyps");
/// assert_eq!(set.list.as_deref(), Some(std::path::Path::new("train.txt")));
/// # Ok::<(), redmask_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// A name for the data, printed in the report.
    pub role: String,
    /// What is read.
    pub spec: DataSpec,
    /// A text file of record ids, one a line (`split/stem`, or the stem where it is unique); all records without it.
    pub list: Option<PathBuf>,
}

impl RecordSet {
    /// The data in conditions and reports: the reader, and the seed of procedural data. Never a path.
    pub fn name(&self) -> String {
        match &self.spec.location {
            Location::Seed(seed) => format!("{}:{seed}", self.spec.reader),
            Location::Path(_) => self.spec.reader.clone(),
        }
    }

    /// Opens the data set and picks the listed records, in the order of the list.
    ///
    /// # Errors
    /// If the data set cannot be opened, or the list names no record, an unknown one, an ambiguous one, or one twice.
    pub fn open(&self, size: Option<(usize, usize)>) -> Result<Subset> {
        let options = OpenOptions {
            size,
            ..OpenOptions::default()
        };
        let data = open(&self.spec, &options)?;
        let Some(path) = &self.list else {
            return Ok(Subset::all(data));
        };
        let text = Limits::default().read_text(path)?;
        let index = Index::of(data.as_ref());
        let mut chosen = Vec::new();
        let mut seen = BTreeMap::new();
        let lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| (i + 1, line.trim()));
        for (number, id) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let bad = |problem: String| Error::input(path, format!("line {number}: {problem}"));
            let record = index.find(id).map_err(|problem| {
                let error = bad(problem);
                if data.is_empty() {
                    error
                } else {
                    error.with_hint(format!("one record id a line, as in {}", data.id(0)))
                }
            })?;
            if let Some(first) = seen.insert(record, number) {
                return Err(bad(format!("`{id}` is on line {first} already")));
            }
            chosen.push(record);
        }
        if chosen.is_empty() {
            return Err(Error::input(path, "the list names no record"));
        }
        Subset::new(data, chosen)
    }
}

/// Records by id and by stem.
struct Index {
    ids: BTreeMap<String, usize>,
    stems: BTreeMap<String, Option<usize>>,
}

impl Index {
    fn of(data: &dyn SegDataset) -> Self {
        let mut index = Self {
            ids: BTreeMap::new(),
            stems: BTreeMap::new(),
        };
        for i in 0..data.len() {
            let id = data.id(i);
            index
                .stems
                .entry(id.stem().to_owned())
                .and_modify(|record| *record = None)
                .or_insert(Some(i));
            index.ids.insert(id.as_str().to_owned(), i);
        }
        index
    }

    fn find(&self, id: &str) -> Result<usize, String> {
        if let Some(&record) = self.ids.get(id) {
            return Ok(record);
        }
        match self.stems.get(id) {
            Some(Some(record)) => Ok(*record),
            Some(None) => Err(format!(
                "several records are called `{id}`; give the split too"
            )),
            None => Err(format!("there is no record `{id}`")),
        }
    }
}

impl FromStr for RecordSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (data, list) = match text.rsplit_once('@') {
            Some((data, list)) if !list.is_empty() => (data, Some(PathBuf::from(list))),
            _ => (text, None),
        };
        let Binding { role, spec } = data.parse()?;
        Ok(Self { role, spec, list })
    }
}

impl fmt::Display for RecordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.role, self.spec)?;
        match &self.list {
            Some(list) => write!(f, "@{}", list.display()),
            None => Ok(()),
        }
    }
}

/// Two sets as one, for what looks at both.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) set: RecordSet,
    pub(crate) records: Arc<Subset>,
}

impl Opened {
    pub(crate) fn new(set: &RecordSet, size: Option<(usize, usize)>) -> Result<Self> {
        Ok(Self {
            set: set.clone(),
            records: Arc::new(set.open(size)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.txt");
        std::fs::write(&path, text).expect("written");
        let set: RecordSet = format!("x=polyp:0?count=4@{}", path.display()).parse()?;
        let records = set.open(Some((16, 16)))?;
        Ok((0..records.len())
            .map(|i| records.id(i).to_string())
            .collect())
    }

    #[test]
    fn lists_pick_records_in_their_order() {
        let all = {
            let set: RecordSet = "x=polyp:0?count=4".parse().expect("a set");
            let records = set.open(Some((16, 16))).expect("scenes");
            (0..4).map(|i| records.id(i)).collect::<Vec<_>>()
        };
        let text = format!("# chosen\n{}\n\n{}\n", all[2], all[0].stem());
        assert_eq!(
            listed(&text).expect("known ids"),
            [all[2].to_string(), all[0].to_string()]
        );
        let twice = format!("{}\n{}\n", all[1], all[1]);
        for (text, problem) in [
            ("nobody\n", "line 1: there is no record `nobody`"),
            (twice.as_str(), "already"),
            ("# nothing\n", "names no record"),
        ] {
            let error = listed(text).expect_err(text).to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_role_is_needed() {
        assert!("kvasir-seg:x".parse::<RecordSet>().is_err());
        let set: RecordSet = "a=kvasir-seg:x@y@z".parse().expect("the last @ counts");
        assert_eq!(set.to_string(), "a=kvasir-seg:x@y@z");
        assert_eq!(set.list, Some(PathBuf::from("z")));
    }
}
