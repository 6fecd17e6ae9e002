//! A program's files: one directory that one process owns, with atomic and durable writes.
//!
//! It knows nothing of what it keeps. Private keys lie in a [`KeyDir`](crate::keys::KeyDir), which reads and writes with
//! the functions of this module.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::NodeError;
use crate::seal::SealError;

/// A directory that this process has to itself for as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be, closes it to others, and takes its lock. A directory that holds somebody else's
    /// files is left as open as it is: `--data-dir /tmp` must not lock everybody out of it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private_dir(path).map_err(at(path))?;
        if is_ours(path).map_err(at(path))? {
            fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(at(path))?;
        }
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(SECRET_MODE)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { path: lock_path, source }),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file, or `None` if there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        read_file(&self.path.join(name))
    }

    /// Replaces a file as a whole; when this returns, the new content survives a power cut.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_file(&self.path.join(name), bytes, SECRET_MODE)
    }

    /// A file's content as JSON. Unknown fields are refused if `T` refuses them.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|source| self.malformed(name, &source))
    }

    /// Writes a value as JSON, indented for whoever looks into it.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(|source| self.malformed(name, &source))?;
        self.write(name, &bytes)
    }

    fn malformed(&self, name: &str, source: &serde_json::Error) -> StoreError {
        StoreError::Malformed { path: self.path.join(name), reason: source.to_string() }
    }
}

/// Makes a directory, and those above it, for the owner alone; one that is there stays as it is.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The content of a file, or `None` if there is no such file.
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { path: path.to_owned(), source }),
    }
}

/// The content of a file that is nobody else's affair, or `None` if there is no such file; refuses one that group or
/// others may touch.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { path: path.to_owned(), source }),
    };
    // Of the open file, not of the path: nobody can swap it in between.
    let metadata = file.metadata().map_err(at(path))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(StoreError::Exposed { path: path.to_owned() });
    }
    // Room for all of it at once: a growing buffer would leave copies behind.
    let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(SECRET_LIMIT);
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 1));
    file.take(len as u64).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(Some(bytes))
}

/// Makes what has happened to a directory's names survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))
}

/// Whether a directory is empty, or has been opened as a [`DataDir`] before.
fn is_ours(path: &Path) -> io::Result<bool> {
    Ok(path.join(LOCK_FILE).exists() || fs::read_dir(path)?.next().is_none())
}

/// Replaces a file as a whole, with `mode`; durable when it returns. Outside a [`DataDir`] only the controller's
/// public `certs/ca.pem` is written.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made with 0600 and opened up before it gets its name: never more open than it should be.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir).map_err(at(dir))?;
    file.write_all(bytes).map_err(at(path))?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(at(path))?;
    file.as_file().sync_all().map_err(at(path))?;
    file.persist(path).map_err(|error| StoreError::Io { path: path.to_owned(), source: error.error })?;
    sync_dir(dir)
}

/// Why a file could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the directory.
    #[error(
        "{} is in use by another process: stop that one, or choose another directory with --data-dir",
        path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Others may read a secret.
    #[error(
        "{} can be read by others: run `chmod 600 {}`, and replace the key if anyone may have seen it",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A key is sealed, and there is no passphrase.
    #[error(
        "{} is sealed: say where its passphrase comes from with --passphrase-from prompt, file:PATH or credential:NAME",
        path.display()
    )]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// A key cannot be sealed or opened.
    #[error("{}: {source}", path.display())]
    Sealing {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: SealError,
    },
    /// What stands in a file is not what should.
    #[error("{} is damaged ({reason}): restore it from a backup, or move it away and start anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Environment(error.to_string())
    }
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path: path.clone(), source }
}

const LOCK_FILE: &str = "lock";
pub(crate) const SECRET_MODE: u32 = 0o600;
/// The longest secret that is read, in bytes; an RSA-4096 key takes 2.4 KiB.
const SECRET_LIMIT: usize = 64 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_directory_belongs_to_one_process_and_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data/agent");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let refused = DataDir::open(&path).unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }));
        assert!(refused.to_string().contains("--data-dir"));
        drop(first);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        DataDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn somebody_elses_directory_stays_open() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("theirs"), "").unwrap();
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
        DataDir::open(parent.path()).unwrap();
        assert_eq!(mode(parent.path()), 0o755);
    }

    #[test]
    fn files_are_replaced_as_a_whole_and_nothing_else_stays() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        assert_eq!(dir.read("file").unwrap(), None);
        dir.write("file", b"a longer first content").unwrap();
        dir.write("file", b"second").unwrap();
        assert_eq!(dir.read("file").unwrap().unwrap(), b"second");
        let mut names: Vec<_> =
            fs::read_dir(parent.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["file", LOCK_FILE]);
    }

    #[test]
    fn json_comes_back_and_damage_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        dir.write_json("list.json", &[1, 2]).unwrap();
        assert_eq!(dir.read_json::<Vec<u8>>("list.json").unwrap().unwrap(), [1, 2]);
        dir.write("list.json", b"[1, 2").unwrap();
        let refused = dir.read_json::<Vec<u8>>("list.json").unwrap_err();
        assert!(matches!(refused, StoreError::Malformed { .. }));
        assert!(refused.to_string().contains("list.json"));
    }
}
