//! An agent that nobody looks after: it enrols by itself, and renews its certificate in good time.

use std::time::Duration;

use tokio::time::sleep;

use crate::agent::AgentNode;
use crate::agent::report::Progress;
use crate::clock::Clock;
use crate::error::NodeError;

/// Enrols as soon as the controller answers, and again when half of the certificate's remaining life is over.
/// Ends only when a person has to decide, as when the controller's key has changed.
pub(super) async fn stay_enrolled(node: AgentNode, tell: impl Fn(&str) + Send + Sync) {
    loop {
        if let Some(left) = life_left(&node) {
            sleep(left / 2).await;
        }
        if let Err(error) = enrol(&node, &tell).await {
            tell(&format!("✗ {error}\n  → {}", error.next_step()));
            return;
        }
    }
}

/// Tries until it succeeds or trying again would not help.
async fn enrol(node: &AgentNode, tell: &(impl Fn(&str) + Send + Sync)) -> Result<(), NodeError> {
    let is_renewal = life_left(node).is_some();
    let progress = |step: Progress| match crate::command::setup_progress(&step) {
        Some(line) if !is_renewal => tell(line),
        _ => {}
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

/// Whether time alone may mend it: a controller that is not up yet has not written its `certs/ca.pem` either.
fn may_pass(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::ControllerUnreachable { .. }
            | NodeError::ControllerRefused { .. }
            | NodeError::ControllerUnconfirmed { .. }
            | NodeError::ControllerNotOfRoot { .. }
    )
}

fn life_left(node: &AgentNode) -> Option<Duration> {
    let left = node.certificate()?.expires_at.since(Clock::System.now());
    (left > Duration::ZERO).then_some(left)
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
    fn a_changed_controller_is_not_waited_for() {
        let unreachable = NodeError::ControllerUnreachable { url: String::new(), reason: String::new() };
        assert!(may_pass(&unreachable));
        assert!(!may_pass(&NodeError::Environment("disk full".into())));
    }
}
