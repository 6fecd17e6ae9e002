//! What a program is told: one reader of argv and environment.
//!
//! Every option is also an environment variable (`--data-dir` is `A2A_DATA_DIR`); the command line wins. What depends
//! on the program (port, ids, directory) is filled in by [`AgentArgs::resolve`] and [`ControllerArgs::resolve`], so
//! that the rest of the code sees complete values and reads neither argv nor environment.

mod accept;
mod agent;
mod controller;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

pub use accept::Accept;
pub use agent::{AgentArgs, AgentConfig};
pub use controller::{ControllerArgs, ControllerConfig};

/// What every program takes.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// Where to listen; port 0 takes any free one [default: loopback, the program's own port]
    #[arg(long, env = "A2A_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// Where keys, certificates and logs live [default: ./data/<program>]
    #[arg(long, env = "A2A_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// The controller's TLS root, which the controller writes and agents read
    #[arg(long, env = "A2A_CA_FILE", value_name = "FILE", default_value = "certs/ca.pem")]
    pub ca_file: PathBuf,

    /// Commands to run instead of reading them from a person: 'setup; info'
    #[arg(long, env = "A2A_EXEC", value_name = "COMMANDS")]
    pub exec: Option<String>,

    /// Print results and notices as JSON, one object a line
    #[arg(long, env = "A2A_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,

    /// Serve without reading commands, until a signal ends it
    #[arg(long, env = "A2A_HEADLESS", value_parser = BoolishValueParser::new())]
    pub headless: bool,

    /// How log lines are written
    #[arg(long, env = "A2A_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What is logged: a level, or a filter such as `warn,a2a_node=debug`
    #[arg(long, env = "A2A_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

impl CommonArgs {
    /// Where to listen: as told, or `port` on loopback.
    pub fn listen(&self, port: u16) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Where the program keeps its files: as told, or a directory with the program's name.
    pub fn data_dir(&self, program: &str) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from("data").join(program))
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}
