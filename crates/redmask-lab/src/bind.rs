//! From the data roles of a recipe to open data sets.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use redmask_core::{Error, Result, SegDataset};
use redmask_data::{DataSpec, Location, OpenOptions, open};

use crate::recipe::Recipe;

/// `ROLE=READER:PATH`, as given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The recipe's name for the data.
    pub role: String,
    /// What to read.
    pub spec: DataSpec,
}

impl FromStr for Binding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((role, spec)) = text.split_once('=').filter(|(role, _)| !role.is_empty()) else {
            return Err(
                Error::config(format!("data `{text}`"), "there is no ROLE= in front").with_hint(
                    "write ROLE=READER:PATH (liver=kvasir-seg:/data/kvasir-seg) or ROLE=polyp:SEED",
                ),
            );
        };
        Ok(Self {
            role: role.to_owned(),
            spec: spec.parse()?,
        })
    }
}

/// A role with its data set.
#[derive(Clone)]
pub struct BoundData {
    /// The recipe's name for the data.
    pub role: String,
    /// What the recipe was written for.
    pub expected: String,
    /// What is read instead or indeed.
    pub spec: DataSpec,
    /// Whether it stands in for something else.
    pub substituted: bool,
    /// The open data set, at the recipe's size.
    pub dataset: Arc<dyn SegDataset>,
    /// Height and width of every record.
    pub size: [usize; 2],
}

impl fmt::Debug for BoundData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundData")
            .field("role", &self.role)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl BoundData {
    /// The name in conditions and reports: the reader, and the seed of procedural data. Never a path.
    pub fn name(&self) -> String {
        match &self.spec.location {
            Location::Seed(seed) => format!("{}:{seed}", self.spec.reader),
            Location::Path(_) => self.spec.reader.clone(),
        }
    }
}

/// Opens the data of the recipe's split: what the command line binds, or the recipe's own default.
///
/// Procedural data without a `count` gets as many records as the recipe needs.
///
/// # Errors
/// If a binding names no role of the recipe or one twice, the role is unbound, or the data cannot be opened.
pub fn bind(recipe: &Recipe, bindings: &[Binding]) -> Result<BoundData> {
    let mut given: BTreeMap<&str, &DataSpec> = BTreeMap::new();
    for binding in bindings {
        if !recipe.data.contains_key(&binding.role) {
            let roles: Vec<&str> = recipe.data.keys().map(String::as_str).collect();
            return Err(Error::config(
                format!("--data {}={}", binding.role, binding.spec),
                format!("the recipe {} has no such role", recipe.name),
            )
            .with_hint(format!("its roles: {}", roles.join(", "))));
        }
        if given.insert(&binding.role, &binding.spec).is_some() {
            return Err(Error::config(
                "--data",
                format!("the role {} is bound twice", binding.role),
            ));
        }
    }
    let name = &recipe.split.data;
    let role = &recipe.data[name];
    let Some(spec) = given.get(name.as_str()).copied().or(role.bind.as_ref()) else {
        return Err(Error::config(
            format!("data role {name}"),
            format!("not bound; the recipe expects {}", role.expected),
        )
        .with_hint(format!(
            "add --data {name}=READER:PATH, or --data {name}=polyp:0 to try it on procedural data"
        )));
    };
    let mut spec = spec.clone();
    if matches!(spec.location, Location::Seed(_)) && !spec.options.contains_key("count") {
        let count = recipe.needed()?;
        spec.options.insert("count".to_owned(), count.to_string());
    }
    let options = OpenOptions {
        size: Some((role.size[0], role.size[1])),
        ..OpenOptions::default()
    };
    let dataset = open(&spec, &options)?;
    Ok(BoundData {
        role: name.clone(),
        expected: role.expected.clone(),
        substituted: !role.readers.contains(&spec.reader),
        spec,
        dataset,
        size: role.size,
    })
}
