//! Publishing the TLS root where agents on the same machine look for it.

use std::fs;
use std::io;
use std::path::Path;

use a2a_node::error::NodeError;
use a2a_node::store::write_file;

/// Writes the root to `path`, if nothing stands there.
///
/// Another root that stands there is left alone, and the controller does not start: agents believe whoever holds the
/// root in this file, so replacing it would be to change, without a word, whom they trust.
pub(crate) fn publish(path: &Path, root_pem: &str) -> Result<(), NodeError> {
    match fs::read_to_string(path) {
        Ok(standing) if standing.trim() == root_pem.trim() => Ok(()),
        Ok(_) => Err(NodeError::Environment(format!(
            "{} holds the root of another controller: if that one is gone for good, remove the file; else give this \
             one a file of its own with --ca-file",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)
                    .map_err(|error| NodeError::Environment(format!("{}: {error}", dir.display())))?;
            }
            Ok(write_file(path, root_pem.as_bytes(), 0o644)?)
        }
        Err(error) => Err(NodeError::Environment(format!("{}: {error}", path.display()))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_root_is_written_once_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("certs/ca.pem");
        publish(&path, "root\n").unwrap();
        publish(&path, "root\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(publish(&path, "other\n").unwrap_err().to_string().contains("--ca-file"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "root\n");
    }
}
