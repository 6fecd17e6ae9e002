//! Renewal: a certificate is replaced at half of its life, and a key when somebody asks for it.
//!
//! There is no timer. Every second the sweep compares the clock with what is planned, so a machine that slept and a clock
//! that was set are nothing special.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::certificate::enrolment::{EnrolmentResponse, RenewalRequest};
use a2a_core::certificate::revocation::Standing;
use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::SigningKey;
use a2a_core::time::{CLOCK_SKEW, UnixTime};
use a2a_core::wire::MAX_HANDSHAKE_BODY;
use tokio::task::JoinHandle;

use super::AgentNode;
use super::enrol::Application;
use super::report::{RenewalFailure, RenewalReport};
use super::trust::TIMEOUT;
use crate::error::NodeError;
use crate::event::Event;
use crate::metrics::Outcome;

impl AgentNode {
    /// Has the certificate renewed now; with `new_key`, for a key that is made for it and takes the present one's place.
    pub async fn renew(&self, new_key: bool) -> Result<RenewalReport, NodeError> {
        let _one = self.state.enrolling.lock().await;
        let former = self.state.identity.key().public_key().key_id();
        let (response, key) = self.apply_for_renewal(new_key).await?;
        let certificate = self.take_issued(response, key).await?;
        let (serial, key_id) = (certificate.certificate().serial, certificate.key_id());
        tracing::info!(%serial, %key_id, "certificate renewed");
        Ok(RenewalReport {
            serial: serial.to_string(),
            key_id,
            new_key: key_id != former,
            expires_at: certificate.expires_at(),
            renews_at: self.state.renewal.next_attempt().unwrap_or(certificate.expires_at()),
        })
    }

    /// What the controller answers to a request for another certificate, and for which key that is. A change of keys that
    /// has been begun is completed, whether or not the controller has heard of it: it takes the new key either way.
    pub(super) async fn apply_for_renewal(
        &self,
        new_key: bool,
    ) -> Result<(EnrolmentResponse, Arc<dyn SigningKey>), NodeError> {
        let controller = self.controller()?;
        let identity = &self.state.identity;
        let (node, present) = (self.clone(), identity.key());
        let next = if new_key || identity.next_key().is_some() {
            Some(self.state.pool.run(move || node.state.identity.begin_rekey()).await??)
        } else {
            None
        };
        let former = next.is_some().then_some(&present);
        let key = next.as_ref().unwrap_or(&present);
        let Application { card, challenge, tls_csr } = self.application(&controller, key.as_ref()).await?;
        let former = former.map(|former| former.as_ref() as _);
        let request = RenewalRequest::new(card, challenge.nonce, tls_csr, key.as_ref(), former)
            .map_err(|error| NodeError::Environment(error.to_string()))?;
        let url = self.state.config.controller.join("/controller/renew");
        let answer = controller.post_json(&url, &request, MAX_HANDSHAKE_BODY, TIMEOUT).await;
        match answer.map_err(|error| self.controller_failed(error)) {
            Ok(response) => Ok((response, key.clone())),
            Err(error) => {
                self.take_refusal(&error, next.is_some()).await?;
                Err(error)
            }
        }
    }

    /// Draws the consequences of a refusal that time alone does not mend.
    pub(super) async fn take_refusal(&self, error: &NodeError, is_rekey: bool) -> Result<(), NodeError> {
        let NodeError::ControllerRefused { code, .. } = error else { return Ok(()) };
        let identity = &self.state.identity;
        if code == "weak_key" && is_rekey {
            identity.abandon_rekey()?;
        }
        if FINAL.contains(&code.as_str()) {
            self.state.renewal.refuse_under(identity.list_number());
            self.tell_if_revoked().await;
        }
        Ok(())
    }

    /// Tells the person once that this agent is revoked, and once more when it is revoked again.
    pub(super) async fn tell_if_revoked(&self) {
        let is_revoked = self.is_revoked();
        if self.state.renewal.set_told(is_revoked) && is_revoked {
            tracing::error!(agent = %self.agent_id(), "the controller has revoked this agent");
            self.tell(Event::Revoked).await;
        }
    }

    /// Whether the controller has revoked this agent, as far as is known here.
    pub(super) fn is_revoked(&self) -> bool {
        let identity = &self.state.identity;
        identity.standing() == Some(Standing::Revoked)
            || identity.key_is_void()
            || self.state.renewal.is_refused_under(identity.list_number())
    }

    /// Begins to renew, if it is time and nothing speaks against it.
    pub(super) fn renew_if_due(&self, now: UnixTime) {
        let (identity, renewal) = (&self.state.identity, &self.state.renewal);
        let Some(certificate) = identity.certificate() else { return };
        // A void key is not certified again; another list may say otherwise.
        if identity.key_is_void() || renewal.is_refused_under(identity.list_number()) {
            return;
        }
        let of_no_use = identity.standing().is_some_and(|standing| standing != Standing::Good)
            || now.saturating_add(CLOCK_SKEW) < certificate.issued_at;
        let at_once = of_no_use || identity.next_key().is_some();
        let node = self.clone();
        renewal.begin(now, at_once, || tokio::spawn(async move { node.renew_unasked().await }));
    }

    async fn renew_unasked(self) {
        match self.renew(false).await {
            Ok(report) => {
                self.state.metrics.renewal(Outcome::Done);
                self.tell(Event::Renewed(report)).await;
            }
            Err(error) => {
                self.state.metrics.renewal(Outcome::Failed);
                tracing::warn!(%error, "the certificate is not renewed yet");
                let life = self.state.identity.certificate().map_or(Duration::ZERO, |certificate| {
                    certificate.expires_at.since(certificate.issued_at)
                });
                let (now, provider) = (self.state.clock.now(), self.state.identity.provider);
                self.state.renewal.fail(&error, life, now, provider);
            }
        }
    }
}

/// When the certificate is renewed, and what has come of it so far.
#[derive(Debug, Default)]
pub(crate) struct Renewal(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    due: Option<UnixTime>,
    failures: u32,
    failure: Option<RenewalFailure>,
    /// No attempt from the first until the second. Before the first, the clock has been set back.
    pause: Option<(UnixTime, UnixTime)>,
    /// The number of the list at hand when the controller called this agent revoked: with a higher one that may be over.
    refused_under: Option<u64>,
    told: bool,
    under_way: Option<JoinHandle<()>>,
}

impl Renewal {
    /// Plans for a certificate that has just been taken or read: at half of its life, give or take a tenth of that, so
    /// that agents which enrolled together do not come together.
    pub(super) fn plan_for(&self, certificate: &VerifiedCertificate, provider: Provider) {
        let issued_at = certificate.certificate().issued_at;
        let life = certificate.expires_at().since(issued_at).as_secs();
        let after = life * 45 / 100 + random_below(provider, life / 10 + 1);
        let mut plan = self.lock();
        plan.due = Some(issued_at.saturating_add(Duration::from_secs(after)));
        (plan.failures, plan.failure, plan.pause) = (0, None, None);
        (plan.refused_under, plan.told) = (None, false);
    }

    /// When the next attempt is made, unless something speaks against it.
    pub(super) fn next_attempt(&self) -> Option<UnixTime> {
        let plan = self.lock();
        let until = plan.pause.map_or(UnixTime::from_secs(0), |(_, until)| until);
        Some(plan.due?.max(until))
    }

    /// Why the last attempt failed, if it did.
    pub(super) fn failure(&self) -> Option<RenewalFailure> {
        self.lock().failure.clone()
    }

    /// Ends an attempt that is under way; what it has taken, it has taken as a whole.
    pub(super) async fn stop(&self) {
        let under_way = self.lock().under_way.take();
        if let Some(task) = under_way {
            task.abort();
            let _ = task.await;
        }
    }

    fn begin(&self, now: UnixTime, at_once: bool, spawn: impl FnOnce() -> JoinHandle<()>) {
        let mut plan = self.lock();
        let is_due = at_once || plan.due.is_some_and(|due| now >= due);
        let pauses = plan.pause.is_some_and(|(since, until)| (since..until).contains(&now));
        if is_due && !pauses && plan.under_way.as_ref().is_none_or(JoinHandle::is_finished) {
            plan.under_way = Some(spawn());
        }
    }

    /// Twice the pause of the last time, at most a twentieth of the certificate's `life`, less up to half of it by chance.
    fn fail(&self, error: &NodeError, life: Duration, now: UnixTime, provider: Provider) {
        let mut plan = self.lock();
        let longest = (life.as_secs() / 20).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let pause = 2_u64.saturating_pow(plan.failures).min(longest);
        let pause = (pause / 2 + random_below(provider, pause / 2 + 1)).max(SHORTEST_PAUSE);
        plan.failures = plan.failures.saturating_add(1);
        plan.failure = Some(RenewalFailure { at: now, code: error.code().into(), error: error.to_string() });
        plan.pause = Some((now, now.saturating_add(Duration::from_secs(pause))));
    }

    fn refuse_under(&self, number: u64) {
        self.lock().refused_under = Some(number);
    }

    fn is_refused_under(&self, number: u64) -> bool {
        self.lock().refused_under == Some(number)
    }

    /// Says whether that is a change.
    fn set_told(&self, told: bool) -> bool {
        std::mem::replace(&mut self.lock().told, told) != told
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number below `bound`, which is small; for spreading load, where the bias of a remainder does not matter.
pub(super) fn random_below(provider: Provider, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    match provider.fill_random(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes) % bound.max(1),
        Err(_) => 0,
    }
}

/// Refusals that only the controller's operator mends, whereupon there is another list: trying again would look like
/// guessing.
const FINAL: [&str; 3] = ["agent_revoked", "key_revoked", "bad_continuity"];
/// Seconds.
const SHORTEST_PAUSE: u64 = 1;
const LONGEST_PAUSE: u64 = 600;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use a2a_core::crypto::provider::available;

    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    fn failed(renewal: &Renewal, life: u64, now: u64) -> u64 {
        let error = NodeError::ControllerUnreachable { url: "u".into(), reason: "r".into() };
        renewal.fail(&error, Duration::from_secs(life), at(now), available()[0]);
        renewal.lock().pause.unwrap().1.as_secs() - now
    }

    #[test]
    fn pauses_double_with_jitter_up_to_a_twentieth_of_the_life() {
        for (life, longest) in [(20, 1), (2000, 100), (86_400, 600), (0, 1)] {
            let renewal = Renewal::default();
            for failures in 0..20_u32 {
                let most = 2_u64.pow(failures).min(longest);
                let pause = failed(&renewal, life, 1000);
                assert!(
                    (most.div_ceil(2)..=most).contains(&pause) || pause == 1,
                    "{life}: {pause} of {most}"
                );
            }
        }
    }

    #[test]
    fn chance_spreads_the_pauses() {
        let pauses: std::collections::BTreeSet<_> = (0..50)
            .map(|_| {
                let renewal = Renewal::default();
                renewal.lock().failures = 30;
                failed(&renewal, 86_400, 0)
            })
            .collect();
        assert!(pauses.len() > 5, "{pauses:?}");
    }

    #[tokio::test]
    async fn an_attempt_waits_for_its_time_and_its_pause_and_is_the_only_one() {
        let renewal = Renewal::default();
        let begun = |now: u64, at_once| {
            let mut begun = false;
            renewal.begin(at(now), at_once, || {
                begun = true;
                tokio::spawn(std::future::pending())
            });
            begun
        };
        assert!(!begun(u64::MAX, false), "nothing is planned");
        renewal.lock().due = Some(at(500));
        assert!(!begun(499, false));
        assert!(begun(500, false));
        assert!(!begun(501, true), "one is under way");
        renewal.stop().await;
        renewal.lock().pause = Some((at(600), at(610)));
        assert!(!begun(600, true) && !begun(609, false));
        assert!(begun(610, false));
        renewal.stop().await;
        // The clock has been set back: what was planned for later does not hold it up.
        assert!(begun(599, false));
        renewal.stop().await;
    }

    #[test]
    fn a_refusal_holds_until_another_list() {
        let renewal = Renewal::default();
        assert!(!renewal.is_refused_under(7));
        renewal.refuse_under(7);
        assert!(renewal.is_refused_under(7) && !renewal.is_refused_under(8));
    }
}
