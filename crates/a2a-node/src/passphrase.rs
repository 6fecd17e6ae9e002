//! The passphrase under which keys are sealed, and where it comes from: a person, a file or a systemd credential.
//!
//! Never from argv or the environment, which other processes may read. Whether the passphrase is the right one, only
//! [`seal::open`](crate::seal::open) knows.

use std::fmt::{self, Debug};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::console::Hidden;
use crate::error::NodeError;
use crate::seal::Cost;
use crate::store::read_secret;

/// A passphrase. Cheap to clone: all clones are the same memory, wiped with the last.
#[derive(Clone)]
pub struct Passphrase {
    bytes: Arc<Zeroizing<Vec<u8>>>,
    cost: Cost,
}

impl Passphrase {
    /// Takes the bytes as they are; `None` if there are none.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self { bytes: Arc::new(bytes), cost: Cost::DEFAULT })
    }

    /// The same, for sealing at another cost; whatever it opens says its own cost.
    #[must_use]
    pub fn with_cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// What sealing shall cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Where a passphrase comes from: `prompt`, `file:PATH` or `credential:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// A person is asked on the terminal.
    Prompt,
    /// A file that only its owner may read.
    File(PathBuf),
    /// A systemd credential (`LoadCredential=`, `LoadCredentialEncrypted=`).
    Credential(String),
}

impl PassphraseSource {
    /// Obtains it. `is_new` says that something is about to be sealed under it for the first time: a person then types
    /// it twice. `credentials` is where systemd keeps credentials (`$CREDENTIALS_DIRECTORY`). Blocks.
    pub fn obtain(&self, is_new: bool, credentials: Option<&Path>) -> Result<Passphrase, NodeError> {
        let bytes = match self {
            Self::Prompt => ask(is_new)?,
            Self::File(path) => from_file(path)?,
            Self::Credential(name) => from_credential(name, credentials)?,
        };
        Passphrase::new(bytes).ok_or_else(|| environment(format!("--passphrase-from {self}: it is empty")))
    }
}

fn ask(is_new: bool) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    let mut terminal = Hidden::open().map_err(|error| {
        environment(format!(
            "there is no terminal to ask for the passphrase on ({error}): name a file with \
             --passphrase-from file:PATH, or a systemd credential with --passphrase-from credential:NAME"
        ))
    })?;
    let mut ask = |question: &str| {
        terminal.ask(question).map_err(|_| environment("no passphrase was given; start again".to_owned()))
    };
    if !is_new {
        return ask("Passphrase: ");
    }
    let first = ask("New passphrase for the keys: ")?;
    if *ask("The same again: ")? == *first {
        return Ok(first);
    }
    Err(environment("the two passphrases differ and nothing was sealed; start again".to_owned()))
}

fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    let bytes = read_secret(path)?;
    let bytes = bytes.ok_or_else(|| environment(format!("{}: there is no such file", path.display())))?;
    one_line(bytes, path)
}

/// systemd itself keeps others from the directory, so the mode of the file is its affair.
fn from_credential(name: &str, directory: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    let Some(directory) = directory else {
        return Err(environment(format!(
            "--passphrase-from credential:{name}: systemd has passed no credentials (LoadCredential={name}:PATH)"
        )));
    };
    let path = directory.join(name);
    let bytes = fs::read(&path).map_err(|error| environment(format!("{}: {error}", path.display())))?;
    one_line(Zeroizing::new(bytes), &path)
}

/// Cuts off the one line end that editors and `echo` leave.
fn one_line(mut bytes: Zeroizing<Vec<u8>>, path: &Path) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    if bytes.len() > MAX_LEN {
        return Err(environment(format!("{}: longer than {MAX_LEN} bytes", path.display())));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

impl FromStr for PassphraseSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "prompt" => Ok(Self::Prompt),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("credential", name)) if is_plain(name) => Ok(Self::Credential(name.to_owned())),
            _ => Err("neither `prompt` nor `file:PATH` nor `credential:NAME`".to_owned()),
        }
    }
}

/// A file name and no path: a credential lies in the one directory.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

impl fmt::Display for PassphraseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt => f.write_str("prompt"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

fn environment(text: String) -> NodeError {
    NodeError::Environment(text)
}

/// The longest passphrase in a file, in bytes: longer, and it is some other file.
const MAX_LEN: usize = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PassphraseSource) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, PassphraseSource::File(path))
    }

    fn from(content: &[u8], mode: u32) -> Result<Passphrase, NodeError> {
        let (_dir, source) = file(content, mode);
        source.obtain(false, None)
    }

    #[test]
    fn a_file_loses_one_line_end_and_nothing_else() {
        for (content, passphrase) in [
            (&b"two words"[..], &b"two words"[..]),
            (b"two words\n", b"two words"),
            (b" kept \n\n", b" kept \n"),
            (b"\xff\x00\n", b"\xff\x00"),
        ] {
            assert_eq!(from(content, 0o400).unwrap().as_bytes(), passphrase);
        }
    }

    #[test]
    fn an_empty_passphrase_is_none() {
        for empty in [&b""[..], b"\n"] {
            assert!(from(empty, 0o600).unwrap_err().to_string().contains("empty"));
        }
        assert!(from(&[b'x'; MAX_LEN + 1], 0o600).unwrap_err().to_string().contains("longer"));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o644] {
            assert!(from(b"known", mode).unwrap_err().to_string().contains("chmod 600"), "{mode:o}");
        }
        let missing = PassphraseSource::File("/nowhere/passphrase".into()).obtain(false, None);
        assert!(missing.unwrap_err().to_string().contains("/nowhere/passphrase"));
    }

    #[test]
    fn a_credential_lies_where_systemd_put_it() {
        let (dir, _) = file(b"from systemd\n", 0o440);
        let source = PassphraseSource::Credential("passphrase".to_owned());
        assert_eq!(source.obtain(false, Some(dir.path())).unwrap().as_bytes(), b"from systemd");
        assert!(source.obtain(false, None).unwrap_err().to_string().contains("LoadCredential=passphrase"));
        let other = PassphraseSource::Credential("other".to_owned());
        assert!(other.obtain(false, Some(dir.path())).unwrap_err().to_string().contains("other"));
    }

    #[test]
    fn sources_are_read_and_written() {
        for text in ["prompt", "file:/etc/a2a/passphrase", "file:a:b", "credential:a2a.passphrase"] {
            assert_eq!(text.parse::<PassphraseSource>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            "secret",
            "file:",
            "file",
            "prompt:x",
            "credential:",
            "credential:../x",
            "credential:..",
            "credential:a/b",
            "env:X",
        ];
        for bad in bad {
            assert!(bad.parse::<PassphraseSource>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let passphrase = from(b"secret", 0o600).unwrap();
        assert_eq!(format!("{passphrase:?}"), "Passphrase(..)");
    }
}
