//! From a file, or a name of a recipe that ships with Redmask, to a checked recipe.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use redmask_core::{Error, Result};
use toml::Table;

use crate::recipe::{AS_WRITTEN, Recipe, builtins, profile};

/// A recipe of this size is no recipe.
const LIMIT: u64 = 1 << 20;

/// The text of a recipe and where it came from.
#[derive(Debug, Clone)]
pub struct RecipeSource {
    origin: PathBuf,
    text: String,
}

impl RecipeSource {
    /// Finds a recipe: the name of one that ships with Redmask (`quickstart`, `chobola/table-1`), or a file.
    ///
    /// # Errors
    /// If there is neither, or the file cannot be read.
    pub fn find(name: &str) -> Result<Self> {
        if let Some(builtin) = builtins().iter().find(|b| b.name == name) {
            return Ok(Self {
                origin: PathBuf::from(format!("recipes/{name}.toml")),
                text: builtin.text.to_owned(),
            });
        }
        let path = Path::new(name);
        if path.exists() {
            return Self::read(path);
        }
        let close: Vec<&str> = builtins()
            .iter()
            .map(|b| b.name)
            .filter(|known| name.split('/').any(|part| known.contains(part)))
            .collect();
        Err(Error::config(
            format!("recipe `{name}`"),
            "neither a file nor a recipe that ships with Redmask",
        )
        .with_hint(if close.is_empty() {
            "`redmask plan --list` shows those that ship".to_owned()
        } else {
            format!("did you mean {}?", close.join(" or "))
        }))
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// If it cannot be read, is larger than a mebibyte, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "reading", e))?;
        let mut bytes = Vec::new();
        file.take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io(path, "reading", e))?;
        if bytes.len() as u64 > LIMIT {
            return Err(Error::Limit {
                path: path.to_owned(),
                what: "the size of the recipe in bytes",
                found: bytes.len() as u64,
                limit: LIMIT,
            });
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::input(path, "not UTF-8 text; recipes are TOML"))?;
        Ok(Self {
            origin: path.to_owned(),
            text,
        })
    }

    /// The file, for messages.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// Its TOML text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The profiles it offers, sorted; none if it is run as written.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn profiles(&self) -> Result<Vec<String>> {
        Ok(profile::names(&self.document()?))
    }

    /// Applies a profile and checks the result. Returns the recipe and the profile's name.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key, lacks one, or a value cannot be used. The message names the file,
    /// and the line where one is to blame.
    pub fn resolve(&self, chosen: Option<&str>) -> Result<(Recipe, String)> {
        let mut document = self.document()?;
        profile::apply(&mut document, chosen)?;
        let recipe: Recipe = document.try_into().map_err(|e| self.fault(&e))?;
        recipe.validate().map_err(|e| self.name_file(e))?;
        Ok((recipe, chosen.unwrap_or(AS_WRITTEN).to_owned()))
    }

    fn document(&self) -> Result<Table> {
        self.text.parse::<Table>().map_err(|e| {
            let line = e.span().map(|span| {
                1 + self.text[..span.start.min(self.text.len())]
                    .matches('\n')
                    .count()
            });
            self.at(line, e.message())
        })
    }

    /// A merged document has no spans, so the line is that of the first key with the name the message complains about.
    fn fault(&self, error: &toml::de::Error) -> Error {
        let message = error.message();
        let unknown = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split('`').next());
        let line = unknown.and_then(|key| {
            let position = self.text.lines().position(|line| mentions(line, key))?;
            Some(position + 1)
        });
        // The rest of the display form says in which table.
        let whole = error.to_string();
        let within = whole
            .lines()
            .find(|line| line.starts_with("in `"))
            .map_or_else(String::new, |line| format!(" {line}"));
        self.at(line, &format!("{message}{within}"))
    }

    fn at(&self, line: Option<usize>, problem: &str) -> Error {
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        Error::input(&self.origin, format!("{place}{problem}"))
    }

    /// A value at fault is known by its key; the file is added.
    fn name_file(&self, error: Error) -> Error {
        match error {
            Error::Config {
                what,
                problem,
                hint,
            } => Error::Input {
                path: self.origin.clone(),
                problem: format!("{what}: {problem}"),
                hint,
            },
            other => other,
        }
    }
}

/// Whether a line of TOML sets `key`, alone or as the last part of a dotted key or of a table's head.
fn mentions(line: &str, key: &str) -> bool {
    let head = line.split(['=', '#']).next().unwrap_or_default();
    head.trim_matches(['[', ']', ' ', '\t'])
        .split('.')
        .any(|part| part.trim() == key)
}
