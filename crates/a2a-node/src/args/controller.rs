//! The controller's options, and the complete configuration they become.

use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use clap::{Args, ValueEnum};

use super::CommonArgs;
use crate::error::NodeError;
use crate::http::MetricsReach;
use crate::passphrase::Passphrase;

/// What the controller takes.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// What every program takes.
    #[command(flatten)]
    pub common: CommonArgs,

    /// The id under which the controller certifies
    #[arg(long, env = "A2A_CONTROLLER_ID", value_name = "ID", default_value = "controller_001")]
    pub controller_id: AgentId,

    /// How long a certificate lasts
    #[arg(long, env = "A2A_CERTIFICATE_LIFE", value_name = "TIME", default_value = "24h",
          value_parser = super::duration)]
    pub certificate_life: Duration,

    /// How long a revocation list may be relied on [default: a quarter of a certificate's life]
    #[arg(long, env = "A2A_REVOCATION_LIFE", value_name = "TIME", value_parser = super::duration)]
    pub revocation_life: Option<Duration>,

    /// Who is enrolled [default: open on loopback; elsewhere one has to be named, and open is refused]
    #[arg(long, env = "A2A_ENROLMENT", value_enum, value_name = "MODE")]
    pub enrolment: Option<EnrolmentMode>,

    /// Names for the controller's TLS certificate, besides those of loopback; with commas between
    #[arg(long, env = "A2A_TLS_NAME", value_name = "NAMES", value_delimiter = ',')]
    pub tls_name: Vec<String>,

    /// The database: `sqlite:PATH`, or `postgres://USER@HOST/NAME` for several controllers at once
    /// [default: controller.db in the data directory]
    #[arg(long, env = "A2A_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<DatabaseUrl>,

    /// Where the controller's keys live, if several controllers share them [default: the data directory]
    #[arg(long, env = "A2A_KEY_DIR", value_name = "DIR")]
    pub key_dir: Option<PathBuf>,

    /// How many requests may be held open until there is news; others are answered at once
    #[arg(long, env = "A2A_HELD_REQUESTS", value_name = "NUMBER", default_value_t = 1024)]
    pub held_requests: usize,

    /// Requests a second that one source is granted; five times as many at once
    #[arg(long, env = "A2A_SOURCE_RATE", value_name = "NUMBER", default_value = "20")]
    pub source_rate: NonZeroU32,
}

/// Who is enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EnrolmentMode {
    /// Whoever comes: an id belongs to the first key that claims it
    Open,
    /// Whom the operator approves, and whoever has a join token
    Approve,
    /// Whoever has a join token
    Token,
}

impl EnrolmentMode {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approve => "approve",
            Self::Token => "token",
        }
    }
}

/// Where the database is, as it was told. It may hold a password, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// As it was told, with the password: for whoever connects.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// Everything the controller is told, complete.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the database lives, if it is a file, and what is this controller's alone.
    pub data_dir: PathBuf,
    /// Seals the keys.
    pub passphrase: Option<Passphrase>,
    /// Who may read its numbers.
    pub metrics: MetricsReach,
    /// Where the TLS root is written for agents on the same machine.
    pub ca_file: PathBuf,
    /// The id under which it certifies.
    pub controller_id: AgentId,
    /// How long a certificate lasts.
    pub certificate_life: Duration,
    /// How long a revocation list may be relied on.
    pub revocation_life: Duration,
    /// Who is enrolled; `None` leaves it to where the controller listens.
    pub enrolment: Option<EnrolmentMode>,
    /// The database; `None` is a file in the data directory.
    pub database: Option<DatabaseUrl>,
    /// Where keys live.
    pub key_dir: PathBuf,
    /// How many requests may be held open.
    pub held_requests: usize,
    /// Requests a second and source.
    pub source_rate: NonZeroU32,
    /// Names for its TLS certificate besides loopback's.
    pub tls_names: Vec<String>,
}

impl AsRef<CommonArgs> for ControllerArgs {
    fn as_ref(&self) -> &CommonArgs {
        &self.common
    }
}

impl ControllerArgs {
    /// Completes what was told with the controller's defaults.
    pub fn resolve(&self) -> Result<ControllerConfig, NodeError> {
        let data_dir = self.common.data_dir("controller");
        let key_dir = self.key_dir.clone().unwrap_or_else(|| data_dir.clone());
        Ok(ControllerConfig {
            listen: self.common.listen(DEFAULT_PORT),
            passphrase: self.common.passphrase(&key_dir)?,
            data_dir,
            metrics: self.common.metrics,
            ca_file: self.common.ca_file.clone(),
            controller_id: self.controller_id.clone(),
            certificate_life: self.certificate_life,
            revocation_life: self.revocation_life.unwrap_or(quarter(self.certificate_life)),
            enrolment: self.enrolment,
            database: self.database.clone(),
            key_dir,
            held_requests: self.held_requests,
            source_rate: self.source_rate,
            tls_names: self.tls_name.clone(),
        })
    }
}

/// A quarter, in whole seconds, and at least one.
fn quarter(life: Duration) -> Duration {
    Duration::from_secs((life.as_secs() / 4).max(1))
}

const DEFAULT_PORT: u16 = 5000;
