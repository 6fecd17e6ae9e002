//! An agent's options, and the complete configuration they become.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::fingerprint;
use a2a_core::certificate::token::JoinToken;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::signature::KeyId;
use a2a_core::text::FreeText;
use clap::Args;

use super::token::{JoinTokenSource, TokenFile, TokenText};
use super::{Accept, CommonArgs};
use crate::agent::Agent;
use crate::error::NodeError;
use crate::http::MetricsReach;
use crate::passphrase::Passphrase;

/// What an agent takes.
#[derive(Debug, Clone, Args)]
pub struct AgentArgs {
    /// What every program takes.
    #[command(flatten)]
    pub common: CommonArgs,

    /// The controller's address
    #[arg(long, env = "A2A_CONTROLLER", value_name = "URL", default_value = "https://localhost:5000")]
    pub controller: AgentAddress,

    /// The controller's fingerprint, for first contact: 64 hexadecimal digits, or 24 words
    #[arg(long, env = "A2A_CONTROLLER_FINGERPRINT", value_name = "FINGERPRINT", value_parser = fingerprint)]
    pub controller_fingerprint: Option<KeyId>,

    /// A join token from the controller, for first contact; other users of this machine may see it, so better a file
    #[arg(
        long,
        env = "A2A_JOIN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        conflicts_with = "join_token_from"
    )]
    pub join_token: Option<TokenText>,

    /// Where the join token is: `file:PATH`
    #[arg(long, env = "A2A_JOIN_TOKEN_FROM", value_name = "SOURCE")]
    pub join_token_from: Option<TokenFile>,

    /// This agent's id [default: the program's own]
    #[arg(long, env = "A2A_AGENT_ID", value_name = "ID")]
    pub agent_id: Option<AgentId>,

    /// This agent's name, as others see it
    #[arg(long, env = "A2A_NAME", value_name = "TEXT")]
    pub name: Option<String>,

    /// Where others reach this agent; certified by the controller [default: localhost and the port]
    #[arg(long, env = "A2A_ADDRESS", value_name = "URL")]
    pub address: Option<AgentAddress>,

    /// Who may open a session: ask, all, none, or agent ids with commas between [default: ask; worker: all]
    #[arg(long, env = "A2A_ACCEPT", value_name = "WHO")]
    pub accept: Option<Accept>,

    /// Suites that this agent takes part in, with commas between [default: all]
    #[arg(long, env = "A2A_SUITES", value_name = "SUITES", value_delimiter = ',')]
    pub suites: Vec<Suite>,

    /// How long a session may be silent
    #[arg(long, env = "A2A_IDLE_TIMEOUT", value_name = "TIME", default_value = "10m",
          value_parser = super::duration)]
    pub idle_timeout: Duration,

    /// How long a session may last
    #[arg(long, env = "A2A_MAX_SESSION_AGE", value_name = "TIME", default_value = "12h",
          value_parser = super::duration)]
    pub max_session_age: Duration,

    /// How long a request waits for a person before it counts as refused
    #[arg(long, env = "A2A_CONSENT_TIMEOUT", value_name = "TIME", default_value = "120s",
          value_parser = super::duration)]
    pub consent_timeout: Duration,
}

/// Everything an agent is told, complete.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where keys and certificates live.
    pub data_dir: PathBuf,
    /// Seals the keys.
    pub passphrase: Option<Passphrase>,
    /// Who may read its numbers.
    pub metrics: MetricsReach,
    /// Where the controller's TLS root may stand.
    pub ca_file: PathBuf,
    /// The controller's address.
    pub controller: AgentAddress,
    /// The controller's fingerprint, if it was given.
    pub controller_fingerprint: Option<KeyId>,
    /// Where the join token comes from, if there is one.
    pub join_token: Option<JoinTokenSource>,
    /// This agent's id.
    pub agent_id: AgentId,
    /// This agent's name.
    pub name: FreeText<64>,
    /// What the card says; if none was given, `https://localhost:<bound port>`.
    pub address: Option<AgentAddress>,
    /// Who may open a session.
    pub accept: Accept,
    /// The suites this agent takes part in, the preferred one first; never empty.
    pub suites: Vec<Suite>,
    /// How long a session may be silent.
    pub idle_timeout: Duration,
    /// How long a session may last.
    pub max_session_age: Duration,
    /// How long a request waits for a person.
    pub consent_timeout: Duration,
}

impl AsRef<CommonArgs> for AgentArgs {
    fn as_ref(&self) -> &CommonArgs {
        &self.common
    }
}

impl AgentArgs {
    /// Completes what was told with what `agent` brings. Suites are put into the protocol's order of preference.
    pub fn resolve(&self, agent: &dyn Agent) -> Result<AgentConfig, NodeError> {
        let profile = agent.profile();
        let mut suites = if self.suites.is_empty() { Suite::ALL.to_vec() } else { self.suites.clone() };
        suites.sort();
        suites.dedup();
        let unasked = if agent.unattended() { Accept::All } else { Accept::Ask };
        let data_dir = self.common.data_dir(profile.program);
        let agent_id = match &self.agent_id {
            Some(id) => id.clone(),
            None => parsed("--agent-id", profile.agent_id)?,
        };
        Ok(AgentConfig {
            listen: self.common.listen(profile.port),
            passphrase: self.common.passphrase(&data_dir)?,
            data_dir,
            metrics: self.common.metrics,
            ca_file: self.common.ca_file.clone(),
            controller: self.controller.clone(),
            controller_fingerprint: self.controller_fingerprint,
            join_token: match (&self.join_token, &self.join_token_from) {
                (Some(token), _) => Some(token.source(&agent_id)?),
                (None, from) => from.as_ref().map(TokenFile::source),
            },
            agent_id,
            name: parsed("--name", self.name.as_deref().unwrap_or(profile.name))?,
            address: self.address.clone(),
            accept: self.accept.clone().unwrap_or(unasked),
            suites,
            idle_timeout: self.idle_timeout,
            max_session_age: self.max_session_age,
            consent_timeout: self.consent_timeout,
        })
    }
}

impl AgentConfig {
    /// The join token, if there is one; it must be for this agent.
    pub(crate) fn join_token(&self) -> Result<Option<JoinToken>, NodeError> {
        self.join_token.as_ref().map(|source| source.token_for(&self.agent_id)).transpose()
    }
}

/// Digits or words: whatever the controller shows.
fn fingerprint(text: &str) -> Result<KeyId, String> {
    if text.trim().contains(char::is_whitespace) {
        fingerprint::from_words(text).map_err(|error| error.to_string())
    } else {
        text.trim().parse().map_err(|error: <KeyId as FromStr>::Err| error.to_string())
    }
}

fn parsed<T: FromStr<Err: Display>>(option: &str, text: &str) -> Result<T, NodeError> {
    text.parse().map_err(|error| NodeError::Environment(format!("{option} does not fit: {error}")))
}
