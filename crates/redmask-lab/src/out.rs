//! The output folder of a run: whose it is, and that nobody else writes to it.

use std::fs;
use std::path::{Path, PathBuf};

use redmask_core::{Error, Fingerprint, Result};
use serde::{Deserialize, Serialize};

use crate::store::{FileLock, holder, write_atomically};

const LOCK: &str = ".lock";
const IDENTITY: &str = "run.json";

/// What makes two runs the same run: a resumed one must agree in all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunIdentity {
    /// The recipe's name.
    pub recipe: String,
    /// The resolved recipe: profile, data bindings and flags applied.
    pub resolved: Fingerprint,
    /// The root seeds.
    pub seeds: Vec<u64>,
}

/// An output folder that this process holds.
#[derive(Debug)]
pub struct OutDir {
    path: PathBuf,
    created: bool,
    _lock: FileLock,
}

impl OutDir {
    /// Claims `path` for a run: a new folder, an empty one, or one that the same run began. With `force`, also one that
    /// another run wrote.
    ///
    /// # Errors
    /// If another process holds the folder, it belongs to another run or to something that is no run, or the system
    /// refuses. Nothing is left behind then.
    pub fn claim(path: &Path, identity: &RunIdentity, force: bool) -> Result<Self> {
        let created = !path.exists();
        if !created && !path.is_dir() {
            return Err(Error::input(path, "this is a file; --out names a folder"));
        }
        if !created && !force {
            check_owner(path, identity)?;
        }
        fs::create_dir_all(path).map_err(|e| Error::io(path, "creating", e))?;
        let claimed = Self::lock(path, created).and_then(|out| {
            // Whoever held the lock until now may have written here since the check above.
            if !force {
                check_owner(path, identity)?;
            }
            out.write_json(IDENTITY, identity)?;
            Ok(out)
        });
        if claimed.is_err() && created {
            let _ = fs::remove_file(path.join(LOCK));
            let _ = fs::remove_dir(path);
        }
        claimed
    }

    fn lock(path: &Path, created: bool) -> Result<Self> {
        let lock_path = path.join(LOCK);
        let Some(mut lock) = FileLock::try_exclusive(&lock_path)? else {
            let who = holder(&lock_path).map_or_else(String::new, |id| format!(" (process {id})"));
            return Err(Error::input(path, format!("in use by another run{who}"))
                .with_hint("wait for it, or choose another folder with --out"));
        };
        lock.sign();
        Ok(Self {
            path: path.to_owned(),
            created,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file of the results, in one step.
    ///
    /// # Errors
    /// If the system refuses; an older file of that name is untouched then.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io(parent, "creating", e))?;
        }
        write_atomically(&path, bytes)
    }

    /// Writes one JSON file, in one step.
    ///
    /// # Errors
    /// As [`OutDir::write`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value)
            .map_err(|e| Error::Internal(format!("{name}: {e}")))?;
        text.push(b'\n');
        self.write(name, &text)
    }

    /// Undoes the claim of a run that failed before anything worth keeping was made.
    pub fn abandon(self) {
        if self.created {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Refuses a folder that something other than this run wrote.
fn check_owner(path: &Path, identity: &RunIdentity) -> Result<()> {
    let marker = path.join(IDENTITY);
    match fs::read(&marker) {
        Ok(bytes) => {
            let found: RunIdentity = serde_json::from_slice(&bytes)
                .map_err(|e| Error::input(&marker, format!("not a run's identity ({e})")))?;
            if found == *identity {
                return Ok(());
            }
            let difference = if found.recipe != identity.recipe {
                format!("it holds a run of the recipe {}", found.recipe)
            } else if found.seeds != identity.seeds {
                format!("it holds this recipe under seeds {:?}", found.seeds)
            } else {
                "it holds this recipe with other settings or other data".to_owned()
            };
            Err(Error::input(path, difference)
                .with_hint("choose another folder with --out, or replace the results with --force"))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let foreign = fs::read_dir(path)
                .map_err(|e| Error::io(path, "listing", e))?
                .filter_map(Result::ok)
                .any(|entry| entry.file_name() != LOCK && entry.file_name() != "store");
            if foreign {
                return Err(Error::input(path, "not empty, and not the output of a run")
                    .with_hint("choose another folder with --out, or write into it with --force"));
            }
            Ok(())
        }
        Err(e) => Err(Error::io(marker, "reading", e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(recipe: &str, seed: u64) -> RunIdentity {
        RunIdentity {
            recipe: recipe.to_owned(),
            resolved: Fingerprint::of(recipe.as_bytes()),
            seeds: vec![seed],
        }
    }

    #[test]
    fn the_same_run_comes_back_and_another_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        drop(OutDir::claim(&path, &identity("r", 0), false).unwrap());
        drop(OutDir::claim(&path, &identity("r", 0), false).unwrap());
        for other in [identity("r", 1), identity("s", 0)] {
            let error = OutDir::claim(&path, &other, false).unwrap_err();
            assert!(error.hint().unwrap().contains("--force"), "{error}");
        }
        drop(OutDir::claim(&path, &identity("s", 0), true).unwrap());
        drop(OutDir::claim(&path, &identity("s", 0), false).unwrap());
    }

    #[test]
    fn a_folder_in_use_is_refused_even_with_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let held = OutDir::claim(&path, &identity("r", 0), false).unwrap();
        let error = OutDir::claim(&path, &identity("r", 0), true).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("in use") && message.contains(&std::process::id().to_string()));
        drop(held);
        assert!(OutDir::claim(&path, &identity("r", 0), false).is_ok());
    }

    #[test]
    fn foreign_files_are_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        assert!(OutDir::claim(dir.path(), &identity("r", 0), false).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let file = dir.path().join("thesis.tex");
        assert!(OutDir::claim(&file, &identity("r", 0), true).is_err());
    }

    #[test]
    fn an_abandoned_new_folder_disappears_and_an_old_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        OutDir::claim(&path, &identity("r", 0), false)
            .unwrap()
            .abandon();
        assert!(!path.exists());
        drop(OutDir::claim(&path, &identity("r", 0), false).unwrap());
        OutDir::claim(&path, &identity("r", 0), false)
            .unwrap()
            .abandon();
        assert!(path.exists());
    }
}
