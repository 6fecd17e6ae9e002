//! Time-outs: sessions that are silent, old or past the end of either side's newest certificate are closed, and keys are
//! made afresh.

use std::sync::Arc;
use std::time::Duration;

use a2a_core::handshake::Credential;
use a2a_core::session::CloseReason;
use a2a_core::time::UnixTime;

use super::AgentNode;
use super::report::CloseCause;
use super::sessions::Entry;
use crate::metrics::Queue;

impl AgentNode {
    /// Applies every time-out that is due now. Runs every second; tests call it after moving the clock.
    pub async fn sweep(&self) {
        let now = self.state.clock.now();
        self.state.requests.sweep(now);
        self.state.closed.sweep(now);
        self.tell_if_stale(now).await;
        self.renew_if_due(now);
        self.state.ticks.send_replace(());
        let own = self.state.identity.newest();
        let sessions = self.state.sessions.all();
        self.measure(&sessions);
        for entry in sessions {
            self.sweep_session(&entry, own.as_ref(), now).await;
        }
    }

    fn measure(&self, sessions: &[Arc<Entry>]) {
        let (metrics, events) = (&self.state.metrics, &self.state.events);
        let frames =
            sessions.iter().filter_map(|entry| entry.channel.get()).map(|channel| channel.outbox.len());
        metrics.live_sessions(sessions.len());
        metrics.queue(Queue::Outbox, frames.sum());
        metrics.queue(Queue::Consent, self.state.requests.waiting());
        metrics.queue(Queue::Events, events.max_capacity() - events.capacity());
    }

    async fn sweep_session(&self, entry: &Arc<Entry>, own: Option<&Credential>, now: UnixTime) {
        let Some(channel) = entry.channel.get() else {
            if now > entry.pending_until && entry.begin_to_end() {
                // A key exchange may be under way and hold it up: nobody else's time-out waits for that.
                let (node, entry) = (self.clone(), entry.clone());
                tokio::spawn(async move { node.end(&entry, CloseCause::Expired, 0).await });
            }
            return;
        };
        let config = &self.state.config;
        if let Some(own) = own {
            // Covers a session that was being made while this agent's certificate was renewed.
            channel.announce(self, entry, own).await;
            channel.outbox.retry_certificate(self, entry);
        }
        let own_end = own.map_or(UnixTime::MAX, |own| own.certificate().expires_at());
        let certificates_end = own_end.min(entry.newest_peer().expires_at());
        let due = if now.since(entry.last_active()) >= config.idle_timeout {
            Some((CloseReason::Idle, CloseCause::Idle))
        } else if now.since(entry.created_at) >= config.max_session_age
            || now > certificates_end
            || channel.keys_are_overdue(self.state.rekey_policy.exchange_age, now)
        {
            Some((CloseReason::Expired, CloseCause::Expired))
        } else {
            None
        };
        if let Some((reason, cause)) = due {
            if entry.begin_to_end() {
                // Its peer may be gone: nobody else's time-out waits for that.
                let (node, entry) = (self.clone(), entry.clone());
                tokio::spawn(async move { node.close_for(&entry, reason, cause).await });
            }
        } else if let Err(error) = channel.rekey_if_due(self, entry).await {
            tracing::warn!(%error, session = %entry.session_id, "no fresh keys");
            self.end(entry, CloseCause::Lost, 0).await;
        }
    }

    /// Sweeps until the node stops.
    pub(crate) fn keep_sweeping(&self) -> tokio::task::JoinHandle<()> {
        let node = self.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                node.sweep().await;
            }
        })
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
