//! Why the store does not do what it is asked. Refusals that a caller tells apart have their own types beside their
//! tables; here is what concerns the database as a whole.

use std::io;
use std::path::PathBuf;

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::signature::KeyId;
use a2a_node::error::NodeError;
use thiserror::Error;

/// The database, or what stands in it. No text holds a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// What was given as database is none.
    #[error("{0}; a database is postgres://USER@HOST/NAME or sqlite:PATH")]
    Url(String),
    /// Others may read the file.
    #[error("{} can be read by others: run `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A later version of this program has changed the tables.
    #[error(
        "the database has schema {0}, which this program does not know: run the newer controller that wrote it, or \
         restore a backup of before into an empty database"
    )]
    Newer(i64),
    /// The tables are not those that this program makes.
    #[error("the tables of the database are not this program's: {0}; choose another with --database")]
    Foreign(String),
    /// Another controller's.
    #[error(
        "the database belongs to controller {controller_id} with key {key_id}: give this controller that id and key, \
         or choose another database with --database"
    )]
    Claimed {
        /// Whose it is.
        controller_id: AgentId,
        /// With which key.
        key_id: KeyId,
    },
    /// A value that this program never writes.
    #[error("the database is damaged: {0}; restore it from a backup")]
    Damaged(String),
    /// Another change takes too long.
    #[error("the database is busy: another change has not ended within {0} s; try again")]
    Busy(u64),
    /// No connection.
    #[error("the database does not answer within {0} s: is its server running, and can it be reached?")]
    Unreachable(u64),
    /// Anything else the database says.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Unreachable(PATIENCE_SECS),
            sqlx::Error::Database(reported) if is_busy(reported.code().as_deref()) => {
                Self::Busy(PATIENCE_SECS)
            }
            _ => Self::Database(error),
        }
    }
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Environment(error.to_string())
    }
}

/// `SQLITE_BUSY` with any extension, and PostgreSQL's `lock_not_available`.
fn is_busy(code: Option<&str>) -> bool {
    code.is_some_and(|code| code == "55P03" || code.parse::<u32>().is_ok_and(|code| code & 0xff == 5))
}

/// How long a change waits for another, and a caller for a connection.
pub(super) const PATIENCE_SECS: u64 = 10;
