//! What a program is told: one reader of argv and environment.
//!
//! Every option is also an environment variable (`--data-dir` is `A2A_DATA_DIR`); the command line wins. What depends
//! on the program (port, ids, directory) is filled in by [`AgentArgs::resolve`] and [`ControllerArgs::resolve`], so
//! that the rest of the code sees complete values and reads neither argv nor environment.

mod accept;
mod agent;
mod controller;
mod token;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use crate::error::NodeError;
use crate::http::MetricsReach;
use crate::keys::holds_sealed;
use crate::passphrase::{Passphrase, PassphraseSource};
use crate::telemetry;

pub use accept::Accept;
pub use agent::{AgentArgs, AgentConfig};
pub use controller::{ControllerArgs, ControllerConfig, DatabaseUrl, EnrolmentMode};
pub use token::JoinTokenSource;

/// What every program takes.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// Where to listen; port 0 takes any free one [default: loopback, the program's own port]
    #[arg(long, env = "A2A_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// Where keys, certificates and logs live [default: ./data/PROGRAM]
    #[arg(long, env = "A2A_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// The controller's TLS root, which the controller writes and agents read
    #[arg(long, env = "A2A_CA_FILE", value_name = "FILE", default_value = "certs/ca.pem")]
    pub ca_file: PathBuf,

    /// Where the passphrase comes from under which keys are sealed: `prompt`, `file:PATH` or `credential:NAME`, of
    /// systemd [default: keys are not sealed]
    #[arg(long, env = "A2A_PASSPHRASE_FROM", value_name = "SOURCE")]
    pub passphrase_from: Option<PassphraseSource>,

    /// Commands to run instead of reading them from a person: 'setup; info'
    #[arg(long, env = "A2A_EXEC", value_name = "COMMANDS")]
    pub exec: Option<String>,

    /// Print results and notices as JSON, one object a line
    #[arg(long, env = "A2A_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,

    /// Serve without reading commands, until a signal ends it
    #[arg(long, env = "A2A_HEADLESS", value_parser = BoolishValueParser::new())]
    pub headless: bool,

    /// Who may read the numbers at `/metrics`
    #[arg(long, env = "A2A_METRICS", value_enum, default_value_t)]
    pub metrics: MetricsReach,

    /// How log lines are written
    #[arg(long, env = "A2A_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What is logged: a level, or a filter such as `warn,a2a_node=debug`
    #[arg(long, env = "A2A_LOG", value_name = "FILTER", default_value = "info",
          value_parser = telemetry::filter)]
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

    /// The passphrase for the keys in `key_dir`, if they are sealed or shall be. May ask a person: twice, if nothing
    /// there is sealed yet. Blocks.
    pub fn passphrase(&self, key_dir: &Path) -> Result<Option<Passphrase>, NodeError> {
        let Some(source) = &self.passphrase_from else { return Ok(None) };
        source.obtain(!holds_sealed(key_dir), credentials().as_deref()).map(Some)
    }
}

/// Where systemd has put credentials, if it has.
pub fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// A span of time as people write it, `10m`; at least a second, since the protocol counts whole ones.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(duration) }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use a2a_core::certificate::token::{JoinSecret, JoinToken};
    use a2a_core::crypto::kx::Suite;
    use a2a_core::crypto::provider::available;
    use a2a_core::crypto::signature::KeyId;
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::agent::{Agent, Profile};

    #[derive(Debug, Parser)]
    struct AgentCommand {
        #[command(flatten)]
        args: AgentArgs,
    }

    #[derive(Debug, Parser)]
    struct ControllerCommand {
        #[command(flatten)]
        args: ControllerArgs,
    }

    struct Testing {
        unattended: bool,
    }

    impl Agent for Testing {
        fn profile(&self) -> Profile {
            Profile {
                program: "testing",
                agent_id: "testing_agent_001",
                name: "Testing Agent",
                prompt: "testing_1",
                port: 5009,
                methods: &["test"],
            }
        }

        fn unattended(&self) -> bool {
            self.unattended
        }
    }

    fn resolved(arguments: &[&str], unattended: bool) -> AgentConfig {
        let arguments = std::iter::once("testing").chain(arguments.iter().copied());
        AgentCommand::try_parse_from(arguments).unwrap().args.resolve(&Testing { unattended }).unwrap()
    }

    #[test]
    fn every_option_is_an_environment_variable_too() {
        for command in [AgentCommand::command(), ControllerCommand::command()] {
            for argument in command.get_arguments() {
                let long = argument.get_long().unwrap();
                let variable = format!("A2A_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(argument.get_env().unwrap(), variable.as_str());
            }
        }
        AgentCommand::command().debug_assert();
        ControllerCommand::command().debug_assert();
    }

    #[test]
    fn defaults_come_from_the_program() {
        let config = resolved(&[], false);
        assert_eq!(config.listen.to_string(), "127.0.0.1:5009");
        assert_eq!(config.data_dir, PathBuf::from("data/testing"));
        assert_eq!(config.ca_file, PathBuf::from("certs/ca.pem"));
        assert_eq!(config.controller.as_str(), "https://localhost:5000");
        assert_eq!(config.agent_id.as_str(), "testing_agent_001");
        assert_eq!(config.name.as_str(), "Testing Agent");
        assert_eq!((config.accept, config.address), (Accept::Ask, None));
        assert_eq!(config.suites, Suite::ALL);
        let times = [config.idle_timeout, config.max_session_age, config.consent_timeout];
        assert_eq!(times, [600, 43_200, 120].map(Duration::from_secs));
        assert_eq!(resolved(&[], true).accept, Accept::All);
    }

    #[test]
    fn what_is_told_wins() {
        let config = resolved(
            &[
                "--listen=127.0.0.1:0",
                "--data-dir=/d",
                "--agent-id=other",
                "--accept=a,b",
                "--suites=A2A-MODP2048,A2A-X25519-MLKEM768,A2A-MODP2048",
                "--idle-timeout=90s",
                "--address=https://host.example:7000",
            ],
            true,
        );
        assert_eq!((config.listen.port(), config.data_dir), (0, PathBuf::from("/d")));
        assert_eq!((config.agent_id.as_str(), config.accept.to_string().as_str()), ("other", "a,b"));
        assert_eq!(config.suites, [Suite::X25519MlKem768, Suite::Modp2048]);
        assert_eq!(config.idle_timeout, Duration::from_secs(90));
        assert_eq!(config.address.unwrap().as_str(), "https://host.example:7000");
    }

    #[test]
    fn a_fingerprint_is_given_in_digits_or_in_words() {
        let words = format!("{}art", "abandon ".repeat(23));
        for text in
            ["0".repeat(64), words.clone(), format!("  {}\n", words.to_uppercase().replace(' ', "  "))]
        {
            let config = resolved(&[&format!("--controller-fingerprint={text}")], false);
            assert_eq!(config.controller_fingerprint, Some(KeyId::from_bytes([0; 32])), "{text}");
        }
        let wrong = format!("--controller-fingerprint={}", words.replace("art", "zoo"));
        assert!(AgentCommand::try_parse_from(["testing", &wrong]).is_err());
    }

    #[test]
    fn a_join_token_is_for_one_agent_comes_from_one_place_and_shows_nowhere() {
        let secret = JoinSecret::random(available()[0]).unwrap();
        let (agent_id, fingerprint) = ("testing_agent_001".parse().unwrap(), KeyId::from_bytes([0; 32]));
        let token = JoinToken { agent_id, fingerprint, secret }.to_string();
        let config = resolved(&[&format!("--join-token={token}")], false);
        assert!(config.join_token().unwrap().unwrap().to_string() == token);
        assert!(!format!("{config:?}").contains(token.rsplit('.').next().unwrap()));
        let given = format!("--join-token={token}");
        let both = AgentCommand::try_parse_from(["testing", &given, "--join-token-from=file:/token"]);
        assert!(both.is_err());
        let args = AgentCommand::try_parse_from(["testing", "--agent-id=other", &given]).unwrap().args;
        let refused = args.resolve(&Testing { unattended: false }).unwrap_err();
        assert_eq!(refused.code(), "token_for_another_agent");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "--listen=5001",
            "--controller=http://localhost:5000",
            "--controller-fingerprint=1234",
            "--join-token-from=/token",
            "--agent-id=No Spaces",
            "--accept=everyone!",
            "--suites=AES",
            "--idle-timeout=soon",
            "--idle-timeout=0s",
            "--log-format=xml",
            "--passphrase-from=secret",
            "--metrics=some",
            "--log=a2a_node=loud",
            "--unknown",
        ] {
            assert!(AgentCommand::try_parse_from(["testing", bad]).is_err(), "{bad}");
        }
        let long = format!("--name={}", "x".repeat(65));
        let args = AgentCommand::try_parse_from(["testing", &long]).unwrap().args;
        assert!(args.resolve(&Testing { unattended: false }).unwrap_err().to_string().contains("--name"));
    }

    #[test]
    fn the_controllers_defaults() {
        let config = ControllerCommand::try_parse_from(["controller"]).unwrap().args.resolve().unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
        assert_eq!(config.data_dir, PathBuf::from("data/controller"));
        assert_eq!(config.controller_id.as_str(), "controller_001");
        assert_eq!(config.certificate_life, Duration::from_hours(24));
        assert!(config.tls_names.is_empty() && config.enrolment.is_none() && config.database.is_none());
        assert_eq!((config.revocation_life, config.key_dir), (Duration::from_hours(6), config.data_dir));
        assert_eq!((config.held_requests, config.source_rate.get()), (1024, 20));
    }

    #[test]
    fn the_password_of_a_database_shows_nowhere() {
        let url = "--database=postgres://a:canary@host/db";
        let args = ControllerCommand::try_parse_from(["controller", url]).unwrap().args;
        assert_eq!(args.database.as_ref().unwrap().secret(), "postgres://a:canary@host/db");
        assert!(!format!("{args:?} {:?}", args.resolve().unwrap()).contains("canary"));
    }
}
