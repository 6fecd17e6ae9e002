//! A PostgreSQL server of the machine's own: on a temporary directory, a Unix socket in it and a free port, once a
//! process, with a fresh database for whoever asks.
//!
//! It ends with the process, however that ends: a shell holds it, and lets go when our end of its input closes. It
//! keeps nothing: what it is told need not survive a power cut.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    dir: PathBuf,
    port: u16,
    /// Closing it ends the server.
    _leash: ChildStdin,
}

/// The account that may do everything.
pub const USER: &str = "a2a";
/// Its password, which is asked for over TCP alone.
pub const PASSWORD: &str = "never to be shown";

impl Postgres {
    /// The server of this process. `None`, after saying so, where no server can be had; a panic instead if
    /// `A2A_REQUIRE_POSTGRES` is set.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<Postgres>> = LazyLock::new(|| match Postgres::start() {
            Ok(server) => Some(server),
            Err(reason) if env::var_os("A2A_REQUIRE_POSTGRES").is_some() => panic!("{reason}"),
            Err(reason) => {
                // Not by a macro, whose words the test harness keeps to itself.
                let _ = writeln!(io::stderr(), "SKIPPED: what needs PostgreSQL: {reason}");
                None
            }
        });
        SHARED.as_ref()
    }

    /// Makes a database with nothing in it, and gives back its name.
    pub fn create_database(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("a2a_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(self.programs.join("createdb"))
            .arg("--host")
            .arg(&self.dir)
            .args(["--port", &self.port.to_string(), "--username", USER, &name])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        name
    }

    /// A database's URL over the socket, without password or TLS.
    pub fn url(&self, database: &str) -> String {
        let dir = self.dir.to_str().unwrap().replace('/', "%2F");
        format!("postgres://{USER}@{dir}:{}/{database}", self.port)
    }

    /// A database's URL over TCP; the server speaks TLS, too.
    pub fn tcp_url(&self, database: &str, password: &str) -> String {
        let password = password.replace(' ', "%20");
        format!("postgres://{USER}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The certificate of the server's TLS, which certifies itself.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("server.crt")
    }

    fn start() -> Result<Self, String> {
        let programs = programs()?;
        let dir = tempfile::Builder::new().prefix("a2a-pg-").tempdir().map_err(|error| error.to_string())?;
        let mut shell = Command::new("sh");
        if let Some((uid, gid)) = other_account(dir.path())? {
            chown(dir.path(), Some(uid), Some(gid)).map_err(|error| error.to_string())?;
            shell.uid(uid).gid(gid);
        }
        // The shell removes it: it may be another account's now, and outlive this process by a moment.
        let dir = dir.keep();
        let port = free_port();
        certify(&dir);
        let log = fs::File::create(dir.join("start.log")).unwrap();
        let mut child = shell
            .args(["-c", SCRIPT, "sh"])
            .args([programs.as_path(), &dir])
            .args([&port.to_string(), USER, PASSWORD])
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let leash = child.stdin.take().unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        if said != "ready\n" {
            return Err(format!("the server does not start: {said}"));
        }
        Ok(Self { programs, dir, port, _leash: leash })
    }
}

/// Where `initdb`, `pg_ctl` and `postgres` are.
fn programs() -> Result<PathBuf, String> {
    let mut places: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    if let Ok(told) = Command::new("pg_config").arg("--bindir").output() {
        places.push(String::from_utf8_lossy(&told.stdout).trim().into());
    }
    let mut versions: Vec<PathBuf> = fs::read_dir(DEBIANS)
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort_by_key(|place| {
        place.parent().and_then(|version| version.file_name()?.to_str()?.parse::<u32>().ok())
    });
    places.extend(versions.into_iter().rev());
    // A link leads to the place where the others are, too.
    let real = |place: PathBuf| Some(place.join("postgres").canonicalize().ok()?.parent()?.to_owned());
    let all = |place: &PathBuf| {
        ["initdb", "pg_ctl", "postgres", "createdb"].iter().all(|name| place.join(name).exists())
    };
    places.into_iter().filter_map(real).find(all).ok_or_else(|| {
        "there is no server here: install PostgreSQL's (sudo apt-get install postgresql), or put its programs on the PATH"
            .to_owned()
    })
}

/// The server refuses to run as root: then it runs as somebody else.
fn other_account(dir: &Path) -> Result<Option<(u32, u32)>, String> {
    let ours = fs::metadata(dir).map_err(|error| error.to_string())?.uid();
    if ours != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let ids = |name: &str| {
        let mut fields = accounts
            .lines()
            .map(|line| line.split(':'))
            .find(|fields| fields.clone().next() == Some(name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    found.map(Some).ok_or_else(|| "it refuses root, and there is no account postgres or nobody".to_owned())
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A key and a certificate for the server's TLS.
fn certify(dir: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let owner = fs::metadata(dir).unwrap();
    for (name, pem) in [("server.key", key.serialize_pem()), ("server.crt", certificate.pem())] {
        let path = dir.join(name);
        fs::write(&path, pem).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

/// Starts the server, says `ready` or why not, waits until its input closes, and leaves nothing. Signals to the
/// terminal's programs do not concern it.
const SCRIPT: &str = r#"
programs=$1 dir=$2 port=$3 user=$4 password=$5
trap '' INT TERM HUP
echo "$password" >password
{
    "$programs/initdb" --pgdata=data --username="$user" --pwfile=password --auth-local=trust \
        --auth-host=scram-sha-256 --encoding=UTF8 --no-sync &&
    "$programs/pg_ctl" --pgdata=data --log=server.log --wait start --options="-p $port -k '$dir' -h 127.0.0.1 -N 200 \
        -c fsync=off -c full_page_writes=off -c ssl=on \
        -c ssl_cert_file='$dir/server.crt' -c ssl_key_file='$dir/server.key'"
} >&2 </dev/null
result=$?
if [ $result = 0 ]; then echo ready; else cat start.log server.log 2>/dev/null; fi
exec >/dev/null
[ $result = 0 ] && cat
"$programs/pg_ctl" --pgdata=data --mode=immediate --wait stop 2>/dev/null
cd / && rm -rf "$dir"
"#;
/// Where Debian puts the programs, a folder for each version.
const DEBIANS: &str = "/usr/lib/postgresql";
