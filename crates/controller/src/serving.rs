//! What the handlers of a controller that serves share, and what each of them does: admitted by its source, decided by
//! the [`Controller`], counted, entered in the audit if it is refused, and told to whoever watches.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::enrolment::{Challenge, ControllerInfo, EnrolmentResponse};
use a2a_core::time::UnixTime;
use a2a_node::args::{ControllerConfig, EnrolmentMode};
use a2a_node::http::{ApiError, Rate, SourceLimits};
use a2a_node::metrics::{EnrolledBy, Outcome};
use axum::body::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use crate::controller::Controller;
use crate::directory::Directory;
use crate::enrolment::{Enrolled, Entered, Petition};
use crate::held::Held;
use crate::refusal::Refusal;
use crate::revocations::Lists;
use crate::store::{ApprovalKey, Event};

/// See the module.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) controller: Arc<Controller>,
    pub(crate) mode: EnrolmentMode,
    pub(crate) held: Held,
    pub(crate) lists: Lists,
    pub(crate) started_at: UnixTime,
    pub(crate) issued: AtomicU64,
    directory: Directory,
    limits: SourceLimits,
    /// The same for whoever only reads: a guesser shall not keep the revocation list from those beside it.
    reading: SourceLimits,
    /// How often one source may put a question to the operator.
    questions: SourceLimits,
    notices: mpsc::Sender<Enrolled>,
}

/// The answer to a petition that is not refused.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The certificate.
    Certified(Box<EnrolmentResponse>),
    /// The operator has not decided yet: to be asked again.
    Pending,
}

impl Serving {
    pub(crate) fn new(
        controller: Arc<Controller>,
        config: &ControllerConfig,
        mode: EnrolmentMode,
        notices: mpsc::Sender<Enrolled>,
    ) -> Self {
        let clock = || controller.clock.clone();
        Self {
            mode,
            held: Held::new(config.held_requests),
            lists: Lists::default(),
            started_at: controller.clock.now(),
            issued: AtomicU64::new(0),
            directory: Directory::default(),
            limits: SourceLimits::new(Rate::per_second(config.source_rate), clock()),
            reading: SourceLimits::new(Rate::per_second(config.source_rate), clock()),
            questions: SourceLimits::new(QUESTIONS, clock()),
            notices,
            controller,
        }
    }

    /// Who the controller is.
    pub(crate) fn info(&self) -> ControllerInfo {
        self.controller.active().info.clone()
    }

    /// Hands out a challenge.
    pub(crate) fn challenge(&self, source: IpAddr, agent_id: &AgentId) -> Result<Challenge, ApiError> {
        self.limits.admit(source)?;
        let (now, provider) = (self.controller.clock.now(), self.controller.provider);
        let issued = self.controller.challenges.issue(agent_id, now, provider);
        let (nonce, expires_at) = issued.map_err(ApiError::internal)?;
        let certificate_life = self.controller.certificate_life.as_secs();
        Ok(Challenge { nonce, expires_at, certificate_life })
    }

    /// Certifies, if everything is right; waits for the operator, if he has to be asked.
    pub(crate) async fn certify(&self, source: IpAddr, petition: Petition) -> Result<Answer, ApiError> {
        self.limits.admit(source)?;
        match self.decide(source, &petition).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(limited)) => {
                self.count(&petition, self.ground(&petition), Outcome::Refused);
                Err(limited)
            }
            Err(refusal) => {
                let outcome = if refusal.is_fault() { Outcome::Failed } else { Outcome::Refused };
                self.count(&petition, self.ground(&petition), outcome);
                Err(self.refuse(source, &petition, refusal).await)
            }
        }
    }

    /// The certificates that are good now, as JSON.
    pub(crate) async fn agents(&self, source: IpAddr) -> Result<Bytes, ApiError> {
        self.reading.admit(source)?;
        self.directory.present(&self.controller).await.map_err(ApiError::internal)
    }

    /// The revocation list, as JSON.
    pub(crate) async fn revocations(&self, source: IpAddr, after: Option<u64>) -> Result<Bytes, ApiError> {
        self.reading.admit(source)?;
        self.lists.fetch(&self.controller, &self.held, after).await.map_err(ApiError::internal)
    }

    /// Outside is what the controller decides, inside what there is no room for.
    async fn decide(&self, source: IpAddr, petition: &Petition) -> Result<Result<Answer, ApiError>, Refusal> {
        let mut is_counted = false;
        for _ in 0..ATTEMPTS {
            let prepared = self.controller.prepare(self.mode, petition).await?;
            if !is_counted {
                // Only now is it known that it is this agent who asks.
                if let Err(limited) = self.limits.admit_agent(petition.agent_id()) {
                    return Ok(Err(limited));
                }
                is_counted = true;
            }
            if prepared.asks_anew()
                && let Err(limited) = self.questions.admit(source)
            {
                return Ok(Err(limited));
            }
            match self.controller.enter(prepared).await? {
                Entered::Certified(response, notice, by) => {
                    self.count(petition, by, Outcome::Done);
                    self.tell(notice);
                    return Ok(Ok(Answer::Certified(response)));
                }
                Entered::Waiting(key) => {
                    let Some(decided) = self.held.until(self.decided(&key)).await else {
                        self.count(petition, EnrolledBy::Approval, Outcome::Pending);
                        return Ok(Ok(Answer::Pending));
                    };
                    decided?;
                }
                Entered::Overtaken => {}
            }
        }
        Err(Refusal::Busy)
    }

    /// Waits until the operator has decided, here or at another controller, or the time is over.
    async fn decided(&self, key: &ApprovalKey) -> Result<(), Refusal> {
        let mut progress = self.controller.progress();
        while self.controller.is_waiting(key).await? {
            // An error means that the controller is gone; then so is whoever waits.
            let _ = progress.changed().await;
        }
        Ok(())
    }

    fn count(&self, petition: &Petition, by: EnrolledBy, outcome: Outcome) {
        let metrics = &self.controller.metrics;
        if petition.is_renewal() { metrics.renewal(outcome) } else { metrics.enrolment(by, outcome) }
    }

    /// On what a petition would have rested that came to nothing.
    fn ground(&self, petition: &Petition) -> EnrolledBy {
        match self.mode {
            _ if petition.has_token() => EnrolledBy::Token,
            EnrolmentMode::Open => EnrolledBy::Open,
            EnrolmentMode::Approve => EnrolledBy::Approval,
            EnrolmentMode::Token => EnrolledBy::Token,
        }
    }

    fn tell(&self, notice: Enrolled) {
        self.issued.fetch_add(1, Ordering::Relaxed);
        let Enrolled { agent_id, key_id, first, .. } = &notice;
        tracing::info!(%agent_id, %key_id, first, "agent certified");
        // A queue that is full means that nobody reads: then nobody misses it.
        let _ = self.notices.try_send(notice);
    }

    async fn refuse(&self, source: IpAddr, petition: &Petition, refusal: Refusal) -> ApiError {
        if refusal.is_guess() {
            self.limits.penalise(source);
        }
        if !refusal.is_fault() {
            let agent_id = petition.agent_id();
            tracing::info!(%agent_id, %source, code = refusal.code(), reason = %refusal, "agent refused");
            if let Err(error) = self.audit(source, petition, refusal.code()).await {
                tracing::error!(%error, "a refusal could not be entered in the audit");
            }
        }
        refusal.into()
    }

    /// Enters a refusal in the audit, at most one a second: whoever asks is a stranger.
    async fn audit(
        &self,
        source: IpAddr,
        petition: &Petition,
        code: &'static str,
    ) -> Result<(), crate::store::StoreError> {
        let now = self.controller.clock.now();
        let Some(left_out) = self.controller.refusals.admit(now) else { return Ok(()) };
        let detail = json!({
            "code": code, "source": source.to_string(), "renewal": petition.is_renewal(), "left_out": left_out,
        });
        let mut change = self.controller.store.begin().await?;
        change.record(now, Event::Refused, Some(petition.agent_id()), detail).await?;
        self.controller.commit(change).await.map(|_| ())
    }
}

/// How often a petition is prepared anew because something has changed meanwhile.
const ATTEMPTS: usize = 16;
/// Whoever asks for more at once shall not hide the others from the operator.
const QUESTIONS: Rate = Rate {
    per_second: NonZeroU32::new(1).expect("1 is not zero"),
    burst: NonZeroU32::new(16).expect("16 is not zero"),
};
