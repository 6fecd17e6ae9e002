//! What a process costs, and the programs beside this one: started, asked, ended with it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::failure::{Failure, OrFail};

/// The processor time that this process has taken so far, on all cores, in user and system mode.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// What a receiving end has counted, and what that has cost.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Texts that were what and where they should be.
    pub(crate) texts: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// What was wrong with others.
    pub(crate) faults: Vec<String>,
    /// Processor time so far, in microseconds.
    pub(crate) cpu_us: u64,
    /// Resident memory, in KiB.
    pub(crate) resident_kib: u64,
}

impl Account {
    /// Fails if anything was wrong, or if not exactly so many texts have come.
    pub(crate) fn check(&self, texts: u64) -> Result<(), Failure> {
        if let Some(fault) = self.faults.first() {
            return Err(Failure::new(format!("wrongly delivered: {fault}")));
        }
        if self.texts != texts {
            return Err(Failure::new(format!("{texts} texts were sent, {} have arrived", self.texts)));
        }
        Ok(())
    }
}

/// A program that answers each line with a line of JSON. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    _child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts it; what its first line says.
    pub(crate) async fn start<T: DeserializeOwned>(
        program: &Path,
        arguments: &[&str],
    ) -> Result<(Self, T), Failure> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .or_fail(|| format!("{} cannot be started", program.display()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdin = stdin.ok_or_else(|| Failure::new("the program has no input".into()))?;
        let stdout = stdout.ok_or_else(|| Failure::new("the program has no output".into()))?;
        let mut process = Self { _child: child, stdin, stdout: BufReader::new(stdout).lines() };
        let first = process.line().await?;
        Ok((process, first))
    }

    /// Asks a receiving end for its account, once so many texts have arrived (or after a time).
    pub(crate) async fn account(&mut self, texts: u64) -> Result<Account, Failure> {
        let line = format!("{texts}\n");
        self.stdin.write_all(line.as_bytes()).await.or_fail(|| "a program beside this one is gone".into())?;
        self.line().await
    }

    async fn line<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let line = self.stdout.next_line().await.or_fail(|| "a program beside this one is gone".into())?;
        let line = line.ok_or_else(|| Failure::new("a program beside this one has ended".into()))?;
        serde_json::from_str(&line).or_fail(|| format!("a program beside this one said `{line}`"))
    }
}

/// Resident memory of a process, in KiB; 0 where the system does not tell.
pub(crate) fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// A program that is built beside this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().or_fail(|| "this program cannot be found".into())?;
    let program = own.with_file_name(name);
    if program.exists() {
        return Ok(program);
    }
    Err(Failure::new(format!("{} is not there: build it with the same profile", program.display())))
}

/// Answers each number on the input with the account, as soon as so many texts are there, until the input ends.
pub(crate) async fn answer_with(account: impl Fn() -> Account) -> Result<(), Failure> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.or_fail(|| "the input".into())? {
        let texts: u64 = line.trim().parse().or_fail(|| format!("`{line}` is no number"))?;
        let asked = tokio::time::Instant::now();
        let mut now = account();
        while now.texts < texts && now.faults.is_empty() && asked.elapsed() < PATIENCE {
            tokio::time::sleep(BREATH).await;
            now = account();
        }
        say(&now).await?;
    }
    Ok(())
}

/// Prints a line of JSON.
pub(crate) async fn say(what: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(what).or_fail(|| "a line of JSON".into())? + "\n";
    let mut stdout = tokio::io::stdout();
    stdout.write_all(line.as_bytes()).await.or_fail(|| "the output".into())?;
    stdout.flush().await.or_fail(|| "the output".into())
}

/// How long texts that are under way may take.
const PATIENCE: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(1);
