//! Time-outs: sessions that are silent, old or past the end of either side's newest certificate are closed, and keys are
//! made afresh. A session is looked at when something may be due, not before: with each look it is found out when that is
//! next, and whatever makes that earlier has the session looked at (`Sessions::look_at`).

use std::sync::Arc;
use std::time::Duration;

use a2a_core::handshake::Credential;
use a2a_core::session::CloseReason;
use a2a_core::time::UnixTime;

use super::AgentNode;
use super::channel::Channel;
use super::report::CloseCause;
use super::sessions::{Entry, once_past};
use crate::metrics::Queue;

impl AgentNode {
    /// Applies every time-out that is due now, and says how many sessions it has looked at for that: those alone at which
    /// something may be due. Runs every second; tests call it after moving the clock.
    pub async fn sweep(&self) -> usize {
        let now = self.state.clock.now();
        self.state.requests.sweep(now);
        self.state.closed.sweep(now);
        self.tell_if_stale(now).await;
        self.renew_if_due(now);
        self.state.ticks.send_replace(());
        self.measure();
        let own = self.state.identity.newest();
        let due = self.state.sessions.take_due(now);
        for entry in &due {
            if let Some(next) = self.look_at(entry, own.as_ref(), now).await {
                self.state.sessions.look_at(entry.session_id, next);
            }
        }
        due.len()
    }

    fn measure(&self) {
        let (metrics, events) = (&self.state.metrics, &self.state.events);
        metrics.live_sessions(self.state.sessions.count().all);
        metrics.queue(Queue::Outbox, self.state.frames_waiting.count());
        metrics.queue(Queue::Consent, self.state.requests.waiting());
        metrics.queue(Queue::Events, events.max_capacity() - events.capacity());
    }

    /// Does what is due, and says when to look again; never, if the session ends.
    async fn look_at(&self, entry: &Arc<Entry>, own: Option<&Credential>, now: UnixTime) -> Option<UnixTime> {
        let Some(channel) = entry.channel.get() else {
            if now < entry.pending_end() {
                return Some(entry.pending_end());
            }
            if entry.begin_to_end() {
                // A key exchange may be under way and hold it up: nobody else's time-out waits for that.
                let (node, entry) = (self.clone(), entry.clone());
                tokio::spawn(async move { node.end(&entry, CloseCause::Expired, 0).await });
            }
            return None;
        };
        let certificate_retry = match own {
            Some(own) => {
                // Covers a session that was being made while this agent's certificate was renewed.
                channel.announce(self, entry, own).await;
                channel.outbox.retry_certificate(self, entry)
            }
            None => None,
        };
        let (idle_end, last_end) = self.ends(entry, channel, own);
        if now >= idle_end || now >= last_end {
            let (reason, cause) = if now >= idle_end {
                (CloseReason::Idle, CloseCause::Idle)
            } else {
                (CloseReason::Expired, CloseCause::Expired)
            };
            if entry.begin_to_end() {
                // Its peer may be gone: nobody else's time-out waits for that.
                let (node, entry) = (self.clone(), entry.clone());
                tokio::spawn(async move { node.close_for(&entry, reason, cause).await });
            }
            return None;
        }
        match channel.rekey_if_due(self, entry).await {
            Ok(rekey_due) => {
                [certificate_retry, rekey_due, Some(idle_end), Some(last_end)].into_iter().flatten().min()
            }
            Err(error) => {
                tracing::warn!(%error, session = %entry.session_id, "no fresh keys");
                self.end(entry, CloseCause::Lost, 0).await;
                None
            }
        }
    }

    /// When a session ends if nothing is said any more, and when in any case.
    fn ends(&self, entry: &Entry, channel: &Channel, own: Option<&Credential>) -> (UnixTime, UnixTime) {
        let config = &self.state.config;
        let idle_end = entry.last_active().saturating_add(config.idle_timeout);
        let own_end = own.map_or(UnixTime::MAX, |own| own.certificate().expires_at());
        let certificates_end = own_end.min(entry.newest_peer().expires_at());
        let last_end = entry
            .created_at
            .saturating_add(config.max_session_age)
            .min(once_past(certificates_end))
            .min(channel.keys_end(self.state.rekey_policy.exchange_age));
        (idle_end, last_end)
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
