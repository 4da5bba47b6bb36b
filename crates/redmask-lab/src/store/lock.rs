//! Locks that belong to the operating system, so a process that dies never blocks the next one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use redmask_core::{Error, Result};

/// A held lock on a file; released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    fn open(path: &Path) -> Result<File> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| Error::io(path, "opening the lock", e))
    }

    /// Takes the lock for this process alone, `None` if another holds it.
    ///
    /// # Errors
    /// If the file cannot be created or the file system has no locks.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(Error::io(path, "locking", e)),
        }
    }

    /// Takes the lock together with others that share it, waiting for an exclusive holder to finish.
    ///
    /// # Errors
    /// If the file cannot be created or the file system has no locks.
    pub fn shared(path: &Path) -> Result<Self> {
        let file = Self::open(path)?;
        file.lock_shared()
            .map_err(|e| Error::io(path, "locking", e))?;
        Ok(Self { file })
    }

    /// Leaves the holder's process id in the file, for the message that the next one shows. Best effort.
    pub fn sign(&mut self) {
        let _ = self.file.set_len(0).and_then(|()| {
            self.file
                .write_all(std::process::id().to_string().as_bytes())
        });
    }
}

/// The process id that the holder of this lock left, if it did.
pub fn holder(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = FileLock::try_exclusive(&path).unwrap().unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        drop(first);
        assert!(FileLock::try_exclusive(&path).unwrap().is_some());
    }
}
