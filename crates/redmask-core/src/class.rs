//! Class identifiers and the class table of a data set.

use serde::{Deserialize, Serialize};

/// A class index as stored in a label map: `0..k`, or [`IGNORE`].
pub type ClassId = u8;

/// The label of pixels that take part in nothing: no loss, no metric, no relabelling.
pub const IGNORE: ClassId = 255;

/// Whether a class is countable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassKind {
    /// Objects: car, person, polyp.
    Thing,
    /// Background: road, sky, tissue.
    Stuff,
}

/// One class of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassInfo {
    /// The name used in recipes, tables and on the command line.
    pub name: String,
    /// Display colour, RGB.
    pub colour: [u8; 3],
    /// Countable or not; the object/background partition of backdoor vectors.
    pub kind: ClassKind,
}

/// The classes of a data set; the position is the [`ClassId`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassTable {
    classes: Vec<ClassInfo>,
}

impl ClassTable {
    /// A table of the given classes, in id order.
    ///
    /// # Panics
    /// With no class or more than 255: readers validate their tables first.
    pub fn new(classes: Vec<ClassInfo>) -> Self {
        assert!(
            (1..=255).contains(&classes.len()),
            "a class table has 1 to 255 classes"
        );
        Self { classes }
    }

    /// Builds a table from `(name, colour, kind)` rows.
    pub fn from_rows(rows: &[(&str, [u8; 3], ClassKind)]) -> Self {
        Self::new(
            rows.iter()
                .map(|(name, colour, kind)| ClassInfo {
                    name: (*name).to_owned(),
                    colour: *colour,
                    kind: *kind,
                })
                .collect(),
        )
    }

    /// Number of classes `k`, [`IGNORE`] not counted.
    #[expect(clippy::len_without_is_empty, reason = "a table is never empty")]
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// The classes in id order.
    pub fn classes(&self) -> &[ClassInfo] {
        &self.classes
    }

    /// The class with this id, `None` for [`IGNORE`] and ids outside the table.
    pub fn get(&self, id: ClassId) -> Option<&ClassInfo> {
        self.classes.get(id as usize)
    }

    /// The id of the class with this name.
    pub fn id_of(&self, name: &str) -> Option<ClassId> {
        self.classes
            .iter()
            .position(|c| c.name == name)
            .map(|i| i as ClassId)
    }
}
