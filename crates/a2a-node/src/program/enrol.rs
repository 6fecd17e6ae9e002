//! An agent that nobody looks after enrols by itself. From then on the agent renews its certificate as every agent does.

use std::time::Duration;

use tokio::time::sleep;

use crate::agent::AgentNode;
use crate::agent::report::Progress;
use crate::error::NodeError;
use crate::repl::CommandError;

/// Enrols as soon as the controller answers. Ends without a certificate only when a person has to do something, as when
/// the controller's key has changed.
pub(super) async fn enrol_unasked(node: AgentNode, tell: impl Fn(&str) + Send + Sync) {
    if node.certificate().is_some() {
        return;
    }
    if let Err(error) = enrol(&node, &tell).await {
        tell(&CommandError::from(error).to_string());
    }
}

/// Tries until it succeeds or trying again would not help.
async fn enrol(node: &AgentNode, tell: &(impl Fn(&str) + Send + Sync)) -> Result<(), NodeError> {
    let progress = |step: Progress| {
        if let Some(line) = crate::command::setup_progress(&step) {
            tell(line);
        }
    };
    let mut pauses = Pauses::default();
    loop {
        match node.setup(None, &progress).await {
            Ok(_) => return Ok(()),
            Err(error) if may_pass(&error) => {
                tracing::warn!(%error, "not enrolled yet");
                if pauses.is_first() {
                    tell(&format!("Waiting for the controller: {error}"));
                }
                sleep(pauses.next()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether time alone may mend it: a controller that is not up yet has not written its `certs/ca.pem` either. A token
/// or an operator's no is not made better by repeating it, and looks like guessing.
fn may_pass(error: &NodeError) -> bool {
    match error {
        NodeError::ControllerRefused { code, .. } => !FINAL.contains(&code.as_str()),
        NodeError::ControllerUnreachable { .. }
        | NodeError::ControllerNotTrusted { .. }
        | NodeError::ControllerUnconfirmed { .. }
        | NodeError::ControllerNotOfRoot { .. } => true,
        _ => false,
    }
}

/// Ever longer pauses, up to a limit.
#[derive(Default)]
struct Pauses(u32);

impl Pauses {
    fn is_first(&self) -> bool {
        self.0 == 0
    }

    fn next(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.0));
        self.0 = self.0.saturating_add(1);
        pause.min(LONGEST_PAUSE)
    }
}

/// Refusals that only a person mends.
const FINAL: [&str; 9] = [
    "agent_revoked",
    "key_revoked",
    "approval_rejected",
    "token_required",
    "bad_token",
    "token_for_another_agent",
    "token_expired",
    "token_spent",
    "weak_key",
];
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut pauses = Pauses::default();
        let lengths: Vec<_> = (0..8).map(|_| pauses.next().as_millis()).collect();
        assert_eq!(lengths, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!((0..100).map(|_| pauses.next()).max(), Some(LONGEST_PAUSE));
    }

    #[test]
    fn what_only_a_person_mends_is_not_waited_for() {
        let unreachable = NodeError::ControllerUnreachable { url: String::new(), reason: String::new() };
        assert!(may_pass(&unreachable));
        assert!(!may_pass(&NodeError::Environment("disk full".into())));
        let refused = |code: &str| NodeError::ControllerRefused {
            code: code.into(),
            message: String::new(),
            next: String::new(),
        };
        assert!(may_pass(&refused("busy")) && may_pass(&refused("id_taken")));
        assert!(!may_pass(&refused("bad_token")) && !may_pass(&refused("agent_revoked")));
    }
}
