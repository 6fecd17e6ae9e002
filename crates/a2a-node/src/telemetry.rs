//! Logging: where lines go and what they look like. What is logged, each module decides; secrets and bodies never are.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::{CommonArgs, LogFormat};
use crate::error::NodeError;
use crate::store::make_private_dir;

/// Starts logging for the whole process; call it once, first.
pub fn init(args: &CommonArgs, program: &str) -> Result<(), NodeError> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| environment(error.to_string()))?;
    match LogSink::choose(args, program) {
        LogSink::Stderr => install(args.log_format, filter, io::stderr),
        LogSink::File(path) => install(args.log_format, filter, Mutex::new(open(&path)?)),
    }
}

/// A level or a filter, as `--log` takes it.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map_err(|error| format!("no level and no filter: {error}"))?;
    Ok(text.to_owned())
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSink {
    /// Nobody is typing: beside the results.
    Stderr,
    /// A person has the screen: into a file.
    File(PathBuf),
}

impl LogSink {
    /// A file when a person sits in front of the program, else stderr.
    pub fn choose(args: &CommonArgs, program: &str) -> Self {
        let interactive = !args.headless && !args.json && args.exec.is_none() && io::stdin().is_terminal();
        if interactive {
            Self::File(args.data_dir(program).join(format!("{program}.log")))
        } else {
            Self::Stderr
        }
    }
}

fn install<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Result<(), NodeError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|error| environment(format!("logging cannot start: {error}")))
}

fn open(path: &Path) -> Result<File, NodeError> {
    let cannot =
        |error: io::Error| environment(format!("the log {} cannot be opened: {error}", path.display()));
    if let Some(dir) = path.parent() {
        make_private_dir(dir).map_err(cannot)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(cannot)
}

fn environment(text: String) -> NodeError {
    NodeError::Environment(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_log_file_is_for_its_owner_alone_and_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/agent.log");
        for line in ["one\n", "two\n"] {
            io::Write::write_all(&mut open(&path).unwrap(), line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
