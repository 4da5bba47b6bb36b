//! Classes by name, and sets of them.

use redmask_core::{ClassId, ClassTable, Error, IGNORE, Result};

/// A set of class ids, [`IGNORE`] never among them.
#[derive(Clone, PartialEq, Eq)]
pub struct ClassSet([bool; 256]);

impl std::fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

impl Default for ClassSet {
    fn default() -> Self {
        Self([false; 256])
    }
}

impl ClassSet {
    /// The set of these ids.
    pub fn of(ids: impl IntoIterator<Item = ClassId>) -> Self {
        let mut set = Self::default();
        for id in ids.into_iter().filter(|&id| id != IGNORE) {
            set.0[usize::from(id)] = true;
        }
        set
    }

    /// Whether the class is in it.
    #[inline]
    pub fn has(&self, id: ClassId) -> bool {
        self.0[usize::from(id)]
    }

    /// Its ids, ascending.
    pub fn ids(&self) -> impl Iterator<Item = ClassId> + '_ {
        (0..=254).filter(|&id| self.has(id))
    }

    /// Whether no class is in it.
    pub fn is_empty(&self) -> bool {
        self.ids().next().is_none()
    }
}

/// The id of the class `name`; `what` names the key at fault.
pub(crate) fn class_id(table: &ClassTable, what: &str, name: &str) -> Result<ClassId> {
    table.id_of(name).ok_or_else(|| {
        let names: Vec<&str> = table.classes().iter().map(|c| c.name.as_str()).collect();
        Error::config(what, format!("there is no class `{name}` in the data"))
            .with_hint(format!("its classes: {}", names.join(", ")))
    })
}

/// The ids of several classes.
pub(crate) fn class_set(table: &ClassTable, what: &str, names: &[String]) -> Result<ClassSet> {
    let ids: Vec<ClassId> = names
        .iter()
        .map(|name| class_id(table, what, name))
        .collect::<Result<_>>()?;
    Ok(ClassSet::of(ids))
}
