//! Opening a database: the file made and checked, the tables brought up to date, the connections set up alike. What
//! differs between SQLite and PostgreSQL stands here and in [`super::database`], and nowhere else.

use std::fmt::Write;
use std::fs::{self, File};
use std::future::ready;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection, Executor, SqlSafeStr};

use super::database::Database;
use super::error::{PATIENCE_SECS, StoreError};

/// What the two databases do not say alike.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Said first on each connection.
    session: &'static str,
    /// Begins a change of the tables, where the driver takes no lock for it by itself.
    migrating: Option<&'static str>,
    /// Begins a change.
    pub(super) writing: &'static str,
    /// Begins a series of reads that all see the same moment.
    pub(super) reading: &'static str,
}

const SQLITE: Dialect = Dialect {
    session: "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
    migrating: Some("BEGIN IMMEDIATE"),
    writing: "BEGIN IMMEDIATE",
    reading: "BEGIN",
};
const POSTGRES: Dialect = Dialect {
    // A controller that is stopped in the middle of a change must not hold up the others for good. What is committed is
    // on the disk, and where the server asks for more than its own disk, that stays.
    session: "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s'; \
              SET client_min_messages = warning; \
              SELECT set_config('synchronous_commit', 'on', false) \
              WHERE current_setting('synchronous_commit') = 'off'",
    migrating: None,
    writing: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    reading: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
};

/// Connects, and brings the tables up to date.
pub(super) async fn open(database: &Database) -> Result<(AnyPool, &'static Dialect), StoreError> {
    // Not from the pool, which would take a refused connection for one that is only late.
    let (mut first, options, dialect) = connect(database).await?;
    migrate(&mut first, dialect).await?;
    first.close().await?;
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(PATIENCE_SECS))
        .after_connect(|connection, _| {
            Box::pin(async { connection.execute(dialect.session).await.map(|_| ()) })
        })
        // Where the disk is full, SQLite has ended the change by itself: such a connection can begin no other.
        .before_acquire(|connection, _| Box::pin(ready(Ok(!connection.is_in_transaction()))))
        .connect_lazy_with(options);
    Ok((pool, dialect))
}

/// One connection, and what it takes to make more.
pub(super) async fn connect(
    database: &Database,
) -> Result<(AnyConnection, AnyConnectOptions, &'static Dialect), StoreError> {
    sqlx::any::install_default_drivers();
    let (options, dialect) = match database {
        Database::Sqlite(path) => (sqlite_file(path).await?, &SQLITE),
        Database::Postgres(url) => (connect_options(url.secret())?, &POSTGRES),
    };
    let mut connection = options.connect().await?;
    connection.execute(dialect.session).await?;
    Ok((connection, options, dialect))
}

async fn migrate(connection: &mut AnyConnection, dialect: &Dialect) -> Result<(), StoreError> {
    let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    let Some(begin) = dialect.migrating else {
        return migrator.run_direct(None, connection, false).await.map_err(migration_error);
    };
    let mut lock = connection.begin_with(begin).await?;
    migrator.run_direct(None, &mut *lock, false).await.map_err(migration_error)?;
    Ok(lock.commit().await?)
}

fn migration_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => error.into(),
        MigrateError::VersionMissing(version) => StoreError::Newer(version),
        other => StoreError::Foreign(other.to_string()),
    }
}

/// Makes the file if need be, for its owner alone, and refuses one that others may read.
async fn sqlite_file(path: &Path) -> Result<AnyConnectOptions, StoreError> {
    let (dir, name) = match (path.parent(), path.file_name()) {
        (Some(dir), Some(name)) if dir.as_os_str().is_empty() => (Path::new("."), name),
        (Some(dir), Some(name)) => (dir, name),
        _ => return Err(StoreError::Url(format!("{} is not a file", path.display()))),
    };
    let dir = dir.canonicalize().map_err(at(dir))?;
    let path = dir.join(name);
    if !path.try_exists().map_err(at(&path))? {
        make_file(&dir, &path).await?;
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(suffix);
        check_closed(file.into())?;
    }
    sqlite_options(&path)
}

/// An empty database that writes ahead, under its name at once: made elsewhere, since two programs that switch the mode
/// of one file fail at it, and closed before anybody can have it open, since closing drops the locks of the process.
pub(super) async fn make_file(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir).map_err(at(dir))?.into_temp_path();
    let mut connection = sqlite_options(&file)?.connect().await?;
    connection.execute("PRAGMA journal_mode = WAL").await?;
    connection.close().await?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(at(path)(error.error)),
        _ => File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir)),
    }
}

/// By the path: to open and close the file here would drop the locks that this process may have on it.
fn check_closed(path: PathBuf) -> Result<(), StoreError> {
    match fs::metadata(&path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => Err(StoreError::Exposed { path }),
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::Io { path, source }),
        _ => Ok(()),
    }
}

fn sqlite_options(path: &Path) -> Result<AnyConnectOptions, StoreError> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let mut url = "sqlite:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if plain(byte) {
            url.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    connect_options(&url)
}

fn connect_options(url: &str) -> Result<AnyConnectOptions, StoreError> {
    let options: AnyConnectOptions =
        url.parse().map_err(|_| StoreError::Url("it cannot be read".to_owned()))?;
    Ok(options.disable_statement_logging())
}

fn at(path: &Path) -> impl Fn(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path: path.clone(), source }
}

/// Of which one at most is writing.
const CONNECTIONS: u32 = 8;
/// Number, name and statements; what has been released never changes.
const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "first", include_str!("migrations/0001_first.sql"))];
