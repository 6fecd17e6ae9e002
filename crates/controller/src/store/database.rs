//! Which database: a file of SQLite's, or a PostgreSQL server. Parsed once, and from then on without showing the
//! password.

use std::fmt::{self, Debug, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;

use super::error::StoreError;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server and a database in it.
    Postgres(PostgresUrl),
}

/// Where a PostgreSQL server is, and as whom to talk to it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl(String);

impl Database {
    /// What `--database` says, or else the file in the data directory.
    pub(crate) fn resolve(option: Option<&str>, data_dir: &Path) -> Result<Self, StoreError> {
        option.map_or_else(|| Ok(Self::Sqlite(data_dir.join(FILE))), str::parse)
    }

    /// Whether there may be something in it. Whether there is, a server has to be asked.
    pub(crate) fn may_exist(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }
}

impl FromStr for Database {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() || path.contains([':', '?']) {
                    return Err(StoreError::Url(
                        "sqlite: takes the path of a file and nothing more".to_owned(),
                    ));
                }
                Ok(Self::Sqlite(path.into()))
            }
            Some(("postgres" | "postgresql", _)) => PostgresUrl::parse(url).map(Self::Postgres),
            // Not quoted: who knows what was pasted.
            _ => Err(StoreError::Url("neither PostgreSQL's nor SQLite's".to_owned())),
        }
    }
}

impl Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => Display::fmt(url, f),
        }
    }
}

impl Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

impl PostgresUrl {
    fn parse(url: &str) -> Result<Self, StoreError> {
        let options: AnyConnectOptions =
            url.parse().map_err(|_| StoreError::Url("the URL of PostgreSQL cannot be read".to_owned()))?;
        // The driver would pass over what it does not know, and log it with its value.
        for (key, _) in options.database_url.query_pairs() {
            if !PARAMETERS.contains(&&*key) {
                return Err(StoreError::Url(format!(
                    "the URL of PostgreSQL has a parameter that is not known: {}",
                    key.escape_debug()
                )));
            }
        }
        Ok(Self(url.to_owned()))
    }

    /// The whole URL, with the password: for the driver alone.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

/// Host and database, and nothing else.
impl Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(AnyConnectOptions { database_url: url, .. }) = self.0.parse() else {
            return f.write_str("postgres:..");
        };
        let of_query =
            |name| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let host = url.host_str().map(str::to_owned).or_else(|| of_query("host")).unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "postgres://{host}{port}{}", url.path())
    }
}

impl Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

const FILE: &str = "controller.db";
/// What the driver understands.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
