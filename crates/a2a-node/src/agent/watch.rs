//! The watcher: asks the controller for its revocation list, and goes on asking.
//!
//! A question names the list that is known; the controller holds it until there is a newer one. One that answers at once
//! instead is asked every 45 to 60 s. Pauses are measured by the clock that the sweep reads, so a machine that slept asks
//! as soon as it wakes. What a list does to sessions is `upkeep`'s part.

use std::time::Duration;

use a2a_core::certificate::revocation::{MAX_REVOCATIONS, RevocationError, RevocationList, Revocations};
use a2a_core::crypto::provider::Provider;
use a2a_core::time::UnixTime;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::AgentNode;
use super::renewal::random_below;
use super::trust::TIMEOUT;
use crate::error::NodeError;
use crate::event::Event;

impl AgentNode {
    /// Watches until the node stops.
    pub(super) fn keep_watching(&self) -> JoinHandle<()> {
        let node = self.clone();
        tokio::spawn(async move {
            let mut failures = 0;
            loop {
                if node.state.identity.trust().is_none() {
                    node.state.asked.notified().await;
                    continue;
                }
                let pause = match node.ask_for_news().await {
                    Ok(pause) => {
                        failures = 0;
                        pause
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no revocation list that is any good");
                        failures += 1;
                        back_off(failures, node.state.identity.provider)
                    }
                };
                if !pause.is_zero() {
                    node.pause(pause).await;
                }
            }
        })
    }

    /// Asks once, and says how long to wait before the next time.
    async fn ask_for_news(&self) -> Result<Duration, NodeError> {
        let known = self.state.identity.revocations();
        let now = self.state.clock.now();
        let Some(known) = known.filter(|known| now < refresh_at(known) && known.check_fresh(now).is_ok())
        else {
            self.fetch_revocations(None, TIMEOUT).await?;
            // Should the clocks differ so much that this list is due for another already, that can wait.
            let is_due = self.state.identity.revocations().is_none_or(|list| now >= refresh_at(&list));
            return Ok(if is_due { SHORTEST_PAUSE } else { Duration::ZERO });
        };
        let asked = Instant::now();
        let list = tokio::select! {
            list = self.fetch_list(Some(known.number()), HELD_TIMEOUT) => list?,
            () = self.pass_until(refresh_at(&known)) => return Ok(Duration::ZERO),
        };
        let is_news = self.take_list(list).await?;
        if is_news || asked.elapsed() >= SHORT_ANSWER {
            return Ok(Duration::ZERO);
        }
        let poll = poll_pause(self.state.identity.provider);
        let until_refresh = refresh_at(&known).since(now).max(SHORTEST_PAUSE);
        Ok(poll.min(until_refresh))
    }

    /// Fetches the list and takes it; says whether it brings news.
    pub(super) async fn fetch_revocations(
        &self,
        after: Option<u64>,
        timeout: Duration,
    ) -> Result<bool, NodeError> {
        let list = self.fetch_list(after, timeout).await?;
        self.take_list(list).await
    }

    async fn fetch_list(&self, after: Option<u64>, timeout: Duration) -> Result<RevocationList, NodeError> {
        let mut url = self.state.config.controller.join("/controller/revocations");
        if let Some(number) = after {
            url = format!("{url}?after={number}");
        }
        let list = self.controller()?.get_json(&url, MAX_REVOCATIONS, timeout).await;
        list.map_err(|error| self.controller_failed(error))
    }

    /// Takes a list that verifies and is not older than the one at hand, on disk first. Once begun it runs to its end,
    /// even if nobody waits for it any more: what is on disk must reach the sessions.
    async fn take_list(&self, list: RevocationList) -> Result<bool, NodeError> {
        let node = self.clone();
        let taking = tokio::spawn(async move {
            let list = node.verify_list(list).await?;
            let is_news = node.state.identity.take_revocations(list.clone())?;
            node.on_revocations(&list);
            node.tell_if_revoked().await;
            Ok(is_news)
        });
        taking.await.map_err(|error| NodeError::Environment(format!("revocations: {error}")))?
    }

    /// A list under a key that is not known may be a successor's: then the controller's steps lead there.
    async fn verify_list(&self, list: RevocationList) -> Result<Revocations, NodeError> {
        let misbehaved = |error: RevocationError| NodeError::ControllerMisbehaved {
            what: "revocation list",
            reason: error.to_string(),
        };
        match self.try_list(list.clone()).await? {
            Err(RevocationError::WrongController { .. }) if self.follow_controller().await? => {
                self.try_list(list).await?.map_err(misbehaved)
            }
            verified => verified.map_err(misbehaved),
        }
    }

    async fn try_list(
        &self,
        list: RevocationList,
    ) -> Result<Result<Revocations, RevocationError>, NodeError> {
        let trust = self.state.identity.trust().ok_or(NodeError::NotEnrolled)?;
        let (provider, now) = (self.state.identity.provider, self.state.clock.now());
        self.state.pool.run(move || list.verify(provider, &trust.anchor, now)).await
    }

    /// Tells the person once when the list can no longer be relied on.
    pub(super) async fn tell_if_stale(&self, now: UnixTime) {
        if self.certificate().is_none() {
            return;
        }
        let Some(Err(error)) = self.state.identity.revocations().map(|list| list.check_fresh(now)) else {
            self.state.told_stale.store(false, std::sync::atomic::Ordering::Relaxed);
            return;
        };
        if !self.state.told_stale.swap(true, std::sync::atomic::Ordering::Relaxed) {
            tracing::error!(%error, "no session begins until the controller is reached");
            self.tell(Event::RevocationsStale { reason: error.to_string() }).await;
        }
    }

    /// Waits by the clock, or until somebody wants the controller asked now.
    async fn pause(&self, pause: Duration) {
        let until = self.state.clock.now().saturating_add(pause);
        tokio::select! {
            () = self.pass_until(until) => {}
            () = self.state.asked.notified() => {}
        }
    }

    /// Waits until the clock shows that time, or has been set back.
    async fn pass_until(&self, until: UnixTime) {
        let began = self.state.clock.now();
        let mut ticks = self.state.ticks.subscribe();
        loop {
            let now = self.state.clock.now();
            // The sender lives in the state.
            if now >= until || now < began || ticks.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Between two questions that are not held: 45 to 60 s.
fn poll_pause(provider: Provider) -> Duration {
    Duration::from_secs(45 + random_below(provider, 16))
}

/// After so many failures in a row: twice as long each time up to 30 s, less up to half of it by chance.
fn back_off(failures: u32, provider: Provider) -> Duration {
    let longest = 2_u64.saturating_pow(failures).min(LONGEST_BACK_OFF);
    Duration::from_secs(longest / 2 + random_below(provider, longest / 2 + 1))
}

/// When half of the time is over for which a list may be relied on.
fn refresh_at(list: &Revocations) -> UnixTime {
    let (from, until) = (list.list().this_update, list.list().next_update);
    from.saturating_add(until.since(from) / 2)
}

/// Longer than the controller holds a question.
const HELD_TIMEOUT: Duration = Duration::from_secs(29);
/// An answer that takes no longer has not been held.
const SHORT_ANSWER: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Seconds.
const LONGEST_BACK_OFF: u64 = 30;

#[cfg(test)]
mod tests {
    use a2a_core::crypto::provider::available;

    use super::*;

    #[test]
    fn polls_come_between_45_and_60_seconds_apart_and_not_all_at_once() {
        let pauses: std::collections::BTreeSet<_> =
            (0..500).map(|_| poll_pause(available()[0]).as_secs()).collect();
        assert_eq!(pauses.first().zip(pauses.last()), Some((&45, &60)));
    }

    #[test]
    fn failures_are_followed_by_longer_pauses_up_to_thirty_seconds() {
        for failures in 1..100 {
            let most = 2_u64.saturating_pow(failures).min(30);
            let pause = back_off(failures, available()[0]).as_secs();
            assert!((most / 2..=most).contains(&pause), "{failures}: {pause}");
        }
    }
}
