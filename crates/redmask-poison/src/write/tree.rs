//! Copying a data set's folder, and making the copy appear at once.

use std::fs;
use std::path::{Component, Path, PathBuf};

use redmask_core::{Error, Result, Session};
use redmask_data::files::{PairDataset, Record};

use crate::manifest::{MANIFEST, UNDO_FOLDER};

/// Checks that `out` can be written: it does not exist, its parent does, and it is not in the source.
pub(super) fn check_free(out: &Path, source: Option<&Path>) -> Result<()> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = out.file_name() else {
        return Err(Error::input(out, "this is no name for a new folder"));
    };
    let parent = parent
        .canonicalize()
        .map_err(|e| Error::io(parent, "opening", e))?;
    let place = out.canonicalize().unwrap_or_else(|_| parent.join(name));
    if let Some(source) = source {
        let source = here(source);
        let source = source
            .canonicalize()
            .map_err(|e| Error::io(&source, "opening", e))?;
        if place.starts_with(&source) {
            return Err(Error::input(
                out,
                "this is the source folder, or lies in it: the clean data would be lost",
            )
            .with_hint("choose a folder outside the data set"));
        }
    }
    if out.exists() {
        return Err(Error::input(out, "exists already")
            .with_hint("choose a new folder; nothing is ever poisoned in place"));
    }
    Ok(())
}

/// Checks that a source was not poisoned before: its originals would be overwritten.
pub(super) fn check_clean(source: &Path) -> Result<()> {
    for name in [MANIFEST, UNDO_FOLDER] {
        if source.join(name).exists() {
            return Err(Error::input(
                source.join(name),
                "the source has been poisoned already, or holds a file of that name",
            )
            .with_hint("take the poison back first: redmask poison --undo DIR"));
        }
    }
    Ok(())
}

fn here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        path.to_owned()
    }
}

/// A folder that is being written, removed unless published.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    published: bool,
}

impl Partial {
    /// A new folder beside `out`, hidden.
    pub(super) fn beside(out: &Path) -> Result<Self> {
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let path = out.with_file_name(format!(".{name}.partial-{}", std::process::id()));
        fs::create_dir(&path).map_err(|e| Error::io(&path, "creating", e))?;
        Ok(Self {
            path,
            published: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    pub(super) fn publish(mut self, out: &Path) -> Result<()> {
        fs::rename(&self.path, out)
            .map_err(|e| Error::io(out, "renaming the finished copy to", e))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: the error that led here is the one to tell.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Files beyond those of the records that a data set's folder may hold: more, and it is somebody's home, not a data set.
const STRAY_FILES: usize = 100_000;

/// How deep folders may nest; links that lead in a circle end here.
const DEPTH: usize = 32;

/// Copies every file below `source`, links followed.
pub(super) fn copy(source: &Path, target: &Path, records: usize, session: &Session) -> Result<()> {
    let source = here(source);
    let mut files = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let from = source.join(&folder);
        if depth > DEPTH {
            return Err(Error::input(&from, "the folders nest too deeply")
                .with_hint("a link may lead back to a folder above it"));
        }
        let to = target.join(&folder);
        if depth > 0 {
            fs::create_dir(&to).map_err(|e| Error::io(&to, "creating", e))?;
        }
        for entry in fs::read_dir(&from).map_err(|e| Error::io(&from, "listing", e))? {
            let entry = entry.map_err(|e| Error::io(&from, "listing", e))?;
            let path = entry.path();
            let relative = folder.join(entry.file_name());
            let kind = fs::metadata(&path).map_err(|e| Error::io(&path, "reading", e))?;
            if kind.is_dir() {
                folders.push((relative, depth + 1));
            } else if kind.is_file() {
                files.push(relative);
            }
        }
        if files.len() > STRAY_FILES + 8 * records {
            return Err(Error::input(
                &source,
                format!(
                    "the folder holds far more files than the {records} records of the data set"
                ),
            )
            .with_hint("put the description file into a folder of its own, beside the data only"));
        }
    }
    let mut task = session.progress.start("copy", files.len() as u64, "file");
    for relative in files {
        session.cancel.check()?;
        let (from, to) = (source.join(&relative), target.join(&relative));
        fs::copy(&from, &to).map_err(|e| Error::io(&to, "writing", e))?;
        // A source that is read-only stays so, its copy must not.
        make_writable(&to)?;
        task.advance(1);
    }
    Ok(())
}

fn make_writable(path: &Path) -> Result<()> {
    let mut permissions = fs::metadata(path)
        .map_err(|e| Error::io(path, "reading", e))?
        .permissions();
    if permissions.readonly() {
        set_writable(&mut permissions);
        fs::set_permissions(path, permissions).map_err(|e| Error::io(path, "writing", e))?;
    }
    Ok(())
}

#[cfg(unix)]
fn set_writable(permissions: &mut fs::Permissions) {
    use std::os::unix::fs::PermissionsExt as _;
    permissions.set_mode(permissions.mode() | 0o200);
}

#[cfg(not(unix))]
#[expect(
    clippy::permissions_set_readonly_false,
    reason = "only unix has a mode"
)]
fn set_writable(permissions: &mut fs::Permissions) {
    permissions.set_readonly(false);
}

/// The same data set in a copied folder.
pub(super) fn moved(source: &PairDataset, target: &Path) -> Result<PairDataset> {
    let place = |path: &Path| -> Result<PathBuf> {
        let relative = path.strip_prefix(source.root()).ok();
        let relative =
            relative.filter(|r| r.components().all(|c| matches!(c, Component::Normal(_))));
        relative.map(|r| target.join(r)).ok_or_else(|| {
            Error::unsupported(
                format!("poisoning {}", path.display()),
                format!("the file lies outside {}", here(source.root()).display()),
            )
        })
    };
    let records = source
        .records()
        .iter()
        .map(|record| {
            Ok(Record {
                image: place(&record.image)?,
                mask: place(&record.mask)?,
                instances: record.instances.as_deref().map(place).transpose()?,
                ..record.clone()
            })
        })
        .collect::<Result<_>>()?;
    PairDataset::new(
        target.to_owned(),
        records,
        source.coding().clone(),
        *source.limits(),
    )
}
