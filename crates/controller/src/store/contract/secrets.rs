//! Where the database is, who may read it, and that its password is shown nowhere.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use a2a_test::postgres::PASSWORD;
use sqlx::Row;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_one_that_is_not_is_refused() {
    let ground = Ground::sqlite();
    let store = ground.store().await;
    store.begin().await.unwrap().commit().await.unwrap();
    for name in ["controller.db", "controller.db-wal", "controller.db-shm"] {
        let path = ground.dir.path().join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = ground.try_store().await.unwrap_err().to_string();
        assert!(refused.contains("chmod 600") && refused.contains(name), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    store.close().await;
    let left: Vec<_> =
        fs::read_dir(ground.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["controller.db"], "closed, it is in one piece");
}

#[tokio::test]
async fn a_file_that_another_has_made_meanwhile_is_kept() {
    let ground = Ground::sqlite();
    let store = ground.store().await;
    open::make_file(ground.dir.path(), &ground.dir.path().join("controller.db")).await.unwrap();
    let version = store.begin().await.unwrap().commit().await.unwrap().version;
    assert_eq!(ground.store().await.state().await.unwrap().version, version);
}

#[tokio::test]
async fn commits_of_sqlite_are_durable() {
    let ground = Ground::sqlite();
    let store = ground.store().await;
    for (pragma, value) in
        [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 10_000)]
    {
        let row = sqlx::query(pragma).fetch_one(&store.pool).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), value, "{pragma}");
    }
    let row = sqlx::query("PRAGMA journal_mode").fetch_one(&store.pool).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "wal");
}

#[tokio::test]
async fn commits_of_postgres_are_durable_whatever_the_server_prefers() {
    let Some(ground) = Ground::postgres() else { return };
    for (preferred, held) in [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        let url = match &ground.database {
            Database::Postgres(url) => {
                format!("{}?options=-c%20synchronous_commit%3D{preferred}", url.secret())
            }
            Database::Sqlite(_) => unreachable!(),
        };
        let store = open_at(&url).await.unwrap();
        let row = sqlx::query("SHOW synchronous_commit").fetch_one(&store.pool).await.unwrap();
        assert_eq!(row.get::<String, _>(0), held, "{preferred}");
    }
}

#[tokio::test]
async fn a_file_may_have_any_name_and_needs_a_directory() {
    let dir = TempDir::new().unwrap();
    for name in ["a b", "50%", "ä?#&.db", "%41"] {
        let database = Database::Sqlite(dir.path().join(name));
        let store = Store::open(&database, AuditKey::new(Zeroizing::new([7; 32]))).await.unwrap();
        assert!(dir.path().join(name).is_file(), "{name}");
        store.close().await;
    }
    let nowhere = Database::Sqlite(dir.path().join("no/where.db"));
    let refused = Store::open(&nowhere, AuditKey::new(Zeroizing::new([7; 32]))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Io { .. }), "{refused:?}");
}

#[test]
fn a_database_is_parsed_and_shown_without_what_is_secret() {
    let default = Database::resolve(None, Path::new("data")).unwrap();
    assert_eq!(default, Database::Sqlite("data/controller.db".into()));
    for url in ["sqlite:some/file.db", "sqlite://some/file.db"] {
        assert_eq!(url.parse::<Database>().unwrap(), Database::Sqlite("some/file.db".into()));
    }
    for (url, shown) in [
        ("postgres://user:hunter2@host:5433/name?sslmode=require", "postgres://host:5433/name"),
        ("postgresql://host/name?user=user&password=hunter2", "postgres://host/name"),
        ("postgres:///name?host=/run/postgresql&password=hunter2", "postgres:///run/postgresql/name"),
    ] {
        let database: Database = url.parse().unwrap();
        assert_eq!(database.to_string(), shown);
        assert_eq!(format!("{database:?}"), format!("Database({shown})"));
    }
    for bad in [
        "",
        "hunter2",
        "mysql://u:hunter2@h/n",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:x?hunter2",
        "postgres://u:hunter2@h:notaport/n",
        "postgres://u@h/n?pasword=hunter2",
    ] {
        let refused = bad.parse::<Database>().unwrap_err();
        let told = format!("{refused} {refused:?}");
        assert!(matches!(refused, StoreError::Url(_)) && !told.contains("hunter2"), "{told}");
    }
}

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

async fn open_at(url: &str) -> Result<Store, StoreError> {
    Store::open(&url.parse()?, AuditKey::new(Zeroizing::new([7; 32]))).await
}

/// On one thread, which the log belongs to.
#[tokio::test]
async fn the_password_of_postgres_is_told_to_nobody() {
    let Some(server) = Postgres::shared() else { return };
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let name = server.create_database();
    let good = open_at(&server.tcp_url(&name, PASSWORD)).await.unwrap();
    good.begin().await.unwrap().commit().await.unwrap();
    let wrong = open_at(&server.tcp_url(&name, "hunter2 hunter2")).await.unwrap_err();
    let absent = open_at(&server.tcp_url("absent", PASSWORD)).await.unwrap_err();
    let told = format!("{good:?} {wrong} {wrong:?} {absent} {absent:?}");
    tracing::info!("the log is read");
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the log is read"));
    assert!(told.contains("password authentication failed"), "{told}");
    for secret in [PASSWORD, &PASSWORD.replace(' ', "%20"), "hunter2"] {
        assert!(!told.contains(secret) && !logged.contains(secret), "{secret}: {told} {logged}");
    }
}

#[tokio::test]
async fn postgres_is_reached_over_tls_where_the_url_says_so() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.tcp_url(&server.create_database(), PASSWORD);
    let is_encrypted = async |store: &Store| -> bool {
        let asked = sqlx::query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
        asked.fetch_one(&store.pool).await.unwrap().get(0)
    };
    let known = format!("{url}?sslmode=verify-full&sslrootcert={}", server.ca_file().display());
    assert!(is_encrypted(&open_at(&known).await.unwrap()).await);
    assert!(!is_encrypted(&open_at(&format!("{url}?sslmode=disable")).await.unwrap()).await);
    let unknown = open_at(&format!("{url}?sslmode=verify-full")).await.unwrap_err();
    assert!(unknown.to_string().contains("certificate: UnknownIssuer"), "{unknown:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = open_at(&format!("postgres://a2a@127.0.0.1:{port}/a2a")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Database(sqlx::Error::Io(_))), "{refused:?}");
}
