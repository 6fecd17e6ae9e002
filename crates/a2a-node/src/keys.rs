//! The directory in which private keys lie: files for their owner alone, sealed if there is a passphrase.
//!
//! It knows nothing of what it keeps, and has no lock of its own: who runs beside whom, [`DataDir`] decides. A file that
//! others may read is refused rather than mended, since its content may be known already.
//!
//! [`DataDir`]: crate::store::DataDir

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::passphrase::Passphrase;
use crate::seal::{self, SealError, is_sealed};
use crate::store::{self, SECRET_MODE, StoreError, at, read_secret, sync_dir, write_file};

/// A directory of private keys.
#[derive(Debug, Clone)]
pub struct KeyDir {
    path: PathBuf,
    passphrase: Option<Passphrase>,
}

impl KeyDir {
    /// Makes the directory if need be. With a passphrase, whatever is written is sealed, and whatever is read will be; so
    /// it has to be the one under which keys there are sealed already. Blocks.
    pub fn open(path: &Path, passphrase: Option<Passphrase>) -> Result<Self, StoreError> {
        store::make_private_dir(path).map_err(at(path))?;
        let dir = Self { path: path.to_owned(), passphrase };
        // Before anything else is sealed under a passphrase that was mistyped.
        if let (Some(_), Some(name)) = (&dir.passphrase, sealed_key(path)) {
            dir.read(&name)?;
        }
        Ok(dir)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file, or `None` if there is no such file. A file that lies open although there is a passphrase
    /// is sealed in its place.
    pub fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let path = self.path.join(name);
        let Some(bytes) = read_secret(&path)? else { return Ok(None) };
        match &self.passphrase {
            Some(passphrase) if is_sealed(&bytes) => {
                seal::open(passphrase, PURPOSE, &bytes).map(Some).map_err(sealing(&path))
            }
            Some(_) => {
                self.write(name, &bytes)?;
                tracing::warn!(
                    file = %path.display(),
                    "this key lay open and is sealed now; make a new one if anybody may have copied the old file"
                );
                Ok(Some(bytes))
            }
            None if is_sealed(&bytes) => Err(StoreError::Sealed { path }),
            None => Ok(Some(bytes)),
        }
    }

    /// Replaces a file as a whole; when this returns, the new content survives a power cut.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path.join(name);
        match &self.passphrase {
            Some(passphrase) => {
                let sealed = seal::seal(passphrase, PURPOSE, bytes).map_err(sealing(&path))?;
                write_file(&path, &sealed, SECRET_MODE)
            }
            None => write_file(&path, bytes, SECRET_MODE),
        }
    }

    /// Gives a file another name, in place of what had it; durable when it returns.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let from = self.path.join(from);
        fs::rename(&from, self.path.join(to)).map_err(at(&from))?;
        sync_dir(&self.path)
    }

    /// Removes a file, if there is one; durable when it returns.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => sync_dir(&self.path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }
}

/// Whether any key of a directory is sealed: if none is, a passphrase is new. A directory that is not there holds none.
pub fn holds_sealed(dir: &Path) -> bool {
    sealed_key(dir).is_some()
}

/// The name of a key that is sealed. Other things may lie there sealed under other passphrases, such as backups.
fn sealed_key(dir: &Path) -> Option<String> {
    let names = fs::read_dir(dir).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut keys = names.filter(|name| KEYS.iter().any(|ending| name.ends_with(ending)));
    keys.find(|name| begins_sealed(&dir.join(name)).unwrap_or(false))
}

fn begins_sealed(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    // Only plain files: opening a pipe would wait for whoever writes to it.
    if fs::symlink_metadata(path)?.is_file() {
        File::open(path)?.take(BEGINNING).read_to_end(&mut beginning)?;
    }
    Ok(is_sealed(&beginning))
}

fn sealing(path: &Path) -> impl Fn(SealError) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Sealing { path: path.clone(), source }
}

/// What a file is sealed for. One for all keys, so that a key can change its name.
const PURPOSE: &str = "a2a/1 key file";
/// How the names of keys end.
const KEYS: [&str; 2] = [".key", ".secret"];
/// Bytes that are enough for [`is_sealed`].
const BEGINNING: u64 = 16;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::seal::Cost;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes().to_vec().into()).unwrap().with_cost(Cost::FOR_TESTS)
    }

    struct World(tempfile::TempDir);

    impl World {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn plain(&self) -> KeyDir {
            KeyDir::open(self.0.path(), None).unwrap()
        }

        fn sealed(&self, text: &str) -> KeyDir {
            KeyDir::open(self.0.path(), Some(passphrase(text))).unwrap()
        }

        fn on_disk(&self) -> Vec<u8> {
            fs::read(self.0.path().join("a.key")).unwrap()
        }

        fn mode(&self) -> u32 {
            fs::metadata(self.0.path().join("a.key")).unwrap().permissions().mode() & 0o777
        }
    }

    fn content(dir: &KeyDir) -> Vec<u8> {
        dir.read("a.key").unwrap().unwrap().to_vec()
    }

    #[test]
    fn a_secret_that_others_can_touch_is_refused() {
        let world = World::new();
        let path = world.0.path().join("a.key");
        for dir in [world.plain(), world.sealed("right")] {
            dir.write("a.key", b"secret").unwrap();
            assert_eq!(world.mode(), 0o600);
            assert_eq!(content(&dir), b"secret");
            for exposed in [0o640, 0o604, 0o620, 0o601] {
                fs::set_permissions(&path, Permissions::from_mode(exposed)).unwrap();
                let refused = dir.read("a.key").unwrap_err();
                assert!(matches!(refused, StoreError::Exposed { .. }), "{exposed:o}");
                assert!(refused.to_string().contains(&format!("chmod 600 {}", path.display())));
            }
            // Writing it again closes it.
            dir.write("a.key", b"new").unwrap();
            assert_eq!(content(&dir), b"new");
        }
    }

    #[test]
    fn with_a_passphrase_nothing_lies_open() {
        let world = World::new();
        world.sealed("right").write("a.key", b"secret").unwrap();
        assert!(is_sealed(&world.on_disk()));
        assert!(!world.on_disk().windows(6).any(|window| window == b"secret"));
        assert_eq!(content(&world.sealed("right")), b"secret");
        let refused = world.plain().read("a.key").unwrap_err();
        assert!(refused.to_string().contains("--passphrase-from"), "{refused}");
        let refused = KeyDir::open(world.0.path(), Some(passphrase("wrong"))).unwrap_err().to_string();
        assert!(refused.contains("passphrase is not the one") && !refused.contains("damaged"), "{refused}");
    }

    #[test]
    fn a_key_that_lay_open_is_sealed_in_its_place() {
        let world = World::new();
        world.plain().write("a.key", b"secret").unwrap();
        assert_eq!(world.on_disk(), b"secret");
        assert_eq!(content(&world.sealed("right")), b"secret");
        assert!(is_sealed(&world.on_disk()));
        assert_eq!(world.mode(), 0o600);
        assert_eq!(content(&world.sealed("right")), b"secret");
    }

    #[test]
    fn a_mistyped_passphrase_seals_nothing() {
        let world = World::new();
        world.sealed("right").write("b.key", b"other").unwrap();
        world.plain().write("a.key", b"secret").unwrap();
        assert!(KeyDir::open(world.0.path(), Some(passphrase("wrong"))).is_err());
        assert_eq!(world.on_disk(), b"secret");
        // Whatever else lies there is not asked.
        let backup = seal::seal(&passphrase("another"), "backup", b"all").unwrap();
        world.plain().write("backup.sealed", &backup).unwrap();
        assert_eq!(content(&world.sealed("right")), b"secret");
    }

    #[test]
    fn damage_is_named_with_the_file() {
        let world = World::new();
        world.sealed("right").write("a.key", b"secret").unwrap();
        let mut bytes = world.on_disk();
        *bytes.last_mut().unwrap() ^= 1;
        write_file(&world.0.path().join("a.key"), &bytes, 0o600).unwrap();
        let refused = KeyDir::open(world.0.path(), Some(passphrase("right"))).unwrap_err().to_string();
        assert!(refused.contains("/a.key") && refused.contains("damaged"), "{refused}");
    }

    #[test]
    fn keys_change_their_names_and_go() {
        let world = World::new();
        let dir = world.sealed("right");
        dir.write("a.key", b"old").unwrap();
        dir.write("b.key", b"new").unwrap();
        dir.rename("b.key", "a.key").unwrap();
        assert_eq!(content(&dir), b"new");
        assert!(dir.read("b.key").unwrap().is_none());
        assert!(dir.rename("b.key", "a.key").is_err());
        dir.remove("a.key").unwrap();
        dir.remove("a.key").unwrap();
        assert!(dir.read("a.key").unwrap().is_none());
    }

    #[test]
    fn a_passphrase_is_new_until_something_is_sealed() {
        let world = World::new();
        assert!(!holds_sealed(&world.0.path().join("missing")));
        fs::create_dir(world.0.path().join("directory")).unwrap();
        world.plain().write("a.key", b"secret").unwrap();
        assert!(!holds_sealed(world.0.path()));
        world.sealed("right").write("b.key", b"secret").unwrap();
        assert!(holds_sealed(world.0.path()));
    }
}
