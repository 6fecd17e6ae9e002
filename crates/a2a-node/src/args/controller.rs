//! The controller's options, and the complete configuration they become.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use clap::Args;

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

    /// Names for the controller's TLS certificate, besides those of loopback; with commas between
    #[arg(long, env = "A2A_TLS_NAME", value_name = "NAMES", value_delimiter = ',')]
    pub tls_name: Vec<String>,
}

/// Everything the controller is told, complete.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where keys and the registry live.
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
        Ok(ControllerConfig {
            listen: self.common.listen(DEFAULT_PORT),
            passphrase: self.common.passphrase(&data_dir)?,
            data_dir,
            metrics: self.common.metrics,
            ca_file: self.common.ca_file.clone(),
            controller_id: self.controller_id.clone(),
            certificate_life: self.certificate_life,
            tls_names: self.tls_name.clone(),
        })
    }
}

const DEFAULT_PORT: u16 = 5000;
