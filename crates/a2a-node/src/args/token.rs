//! Where a join token comes from. It is a secret until it is spent, so it is read late and never shown.

use std::convert::Infallible;
use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::str::FromStr;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::token::JoinToken;
use zeroize::Zeroizing;

use crate::error::NodeError;
use crate::store::read_secret;

/// Where an agent's join token comes from.
#[derive(Debug, Clone)]
pub enum JoinTokenSource {
    /// It was given.
    Given(JoinToken),
    /// A file that only its owner may read. It is read when the agent enrols, and may be gone once it has.
    File(PathBuf),
}

impl JoinTokenSource {
    /// The token, which must be for this agent.
    pub fn token_for(&self, agent_id: &AgentId) -> Result<JoinToken, NodeError> {
        let token = match self {
            Self::Given(token) => token.clone(),
            Self::File(path) => {
                let unusable = |reason: &dyn fmt::Display| {
                    NodeError::Environment(format!("--join-token-from file:{}: {reason}", path.display()))
                };
                let bytes = read_secret(path)?.ok_or_else(|| unusable(&"there is no such file"))?;
                let text = std::str::from_utf8(&bytes).map_err(|_| unusable(&"not text"))?;
                text.trim().parse::<JoinToken>().map_err(|error| unusable(&error))?
            }
        };
        if token.agent_id == *agent_id {
            Ok(token)
        } else {
            Err(NodeError::TokenForAnotherAgent { token: token.agent_id, agent: agent_id.clone() })
        }
    }
}

/// A token as it was typed. What is wrong with it is said later, by words that do not quote it.
#[derive(Clone)]
pub struct TokenText(Zeroizing<String>);

impl TokenText {
    pub(super) fn source(&self, agent_id: &AgentId) -> Result<JoinTokenSource, NodeError> {
        let token = self.0.trim().parse();
        let token = token.map_err(|error| NodeError::Environment(format!("--join-token: {error}")))?;
        let source = JoinTokenSource::Given(token);
        source.token_for(agent_id)?;
        Ok(source)
    }
}

impl FromStr for TokenText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(..)")
    }
}

/// `file:PATH`.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    pub(super) fn source(&self) -> JoinTokenSource {
        JoinTokenSource::File(self.0.clone())
    }
}

impl FromStr for TokenFile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self(path.into())),
            _ => Err("not `file:PATH`"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use a2a_core::certificate::token::JoinSecret;
    use a2a_core::crypto::provider::available;
    use a2a_core::crypto::signature::KeyId;

    use super::*;

    fn token(agent: &str) -> JoinToken {
        JoinToken {
            agent_id: agent.parse().unwrap(),
            fingerprint: KeyId::from_bytes([7; 32]),
            secret: JoinSecret::random(available()[0]).unwrap(),
        }
    }

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, JoinTokenSource) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let source = format!("file:{}", path.display()).parse::<TokenFile>().unwrap().source();
        (dir, source)
    }

    #[test]
    fn a_token_in_a_file_is_read_when_it_is_needed() {
        let token = token("helper");
        let (dir, source) = file(&format!("{token}\n"), 0o600);
        let read = source.token_for(&token.agent_id).unwrap();
        assert!(read.secret == token.secret && read.fingerprint == token.fingerprint);
        drop(dir);
        assert!(source.token_for(&token.agent_id).unwrap_err().to_string().contains("no such file"));
    }

    #[test]
    fn a_token_that_others_may_read_is_refused() {
        let token = token("helper");
        let (_dir, source) = file(&token.to_string(), 0o644);
        assert!(source.token_for(&token.agent_id).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn another_agents_token_is_refused_and_no_token_is_quoted() {
        let token = token("helper");
        let text: TokenText = token.to_string().parse().unwrap();
        text.source(&token.agent_id).unwrap();
        let refused = text.source(&"worker".parse().unwrap()).unwrap_err();
        assert_eq!(refused.code(), "token_for_another_agent");
        assert!(refused.next_step().contains("--agent-id helper"));
        let broken: TokenText = token.to_string().replace("a2a-join-1", "a2a-join-2").parse().unwrap();
        let refused = broken.source(&token.agent_id).unwrap_err().to_string();
        let secret = token.to_string();
        let secret = secret.rsplit('.').next().unwrap();
        assert!(!refused.contains(&secret[44..]) && !format!("{broken:?}").contains(&secret[44..]));
    }

    #[test]
    fn only_files_are_sources() {
        for bad in ["", "file:", "token", "prompt", "credential:x"] {
            assert!(bad.parse::<TokenFile>().is_err(), "{bad:?}");
        }
    }
}
