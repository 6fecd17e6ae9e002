//! Certifying: what is asked is judged, signed, and entered in one transaction with the token that it costs and the
//! entry in the audit. Nothing that was signed leaves before that is committed.
//!
//! RSA is done before the lock is taken. So what was found before is looked at again under the lock, and if somebody
//! else has changed it meanwhile, all of it is done again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::authority::Grant;
use a2a_core::certificate::card::AgentCard;
use a2a_core::certificate::enrolment::{EnrolmentRequest, EnrolmentResponse, RenewalRequest};
use a2a_core::certificate::token::JoinSecret;
use a2a_core::crypto::kdf::sha256;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_core::wire::{self, Hex};
use a2a_node::args::EnrolmentMode;
use a2a_node::error::NodeError;
use a2a_node::metrics::EnrolledBy;
use serde::Serialize;
use serde_json::{Value, json};

use crate::challenges::ChallengeFlaw;
use crate::claim::{Admission, Claim};
use crate::controller::{Active, Controller};
use crate::refusal::Refusal;
use crate::store::{AgentRow, AgentStatus, ApprovalKey, Change, Decision, Event};
use crate::tls_authority::{RequestedKey, Term, TlsAuthority};

/// What somebody asks for, whichever way. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Petition {
    request: Arc<EnrolmentRequest>,
    /// If it came as a renewal.
    renewal: Option<Arc<RenewalRequest>>,
    key_id: KeyId,
}

/// A petition that is good, with the answer to it: still to be entered.
#[derive(Debug)]
pub(crate) struct Prepared {
    petition: Petition,
    admission: Admission,
    ground: Ground,
    active: Arc<Active>,
    response: EnrolmentResponse,
    /// The most agents there may be.
    limit: u64,
    /// Whether the operator has been asked before.
    is_asked: bool,
}

/// On what ground a key gets the id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ground {
    /// It has it already.
    Known,
    /// Anybody does.
    Open,
    /// A join token, by its hash.
    Token(Hex<32>),
    /// The operator's word.
    Approval(ApprovalKey),
}

/// What came of entering.
#[derive(Debug)]
pub(crate) enum Entered {
    /// It is done.
    Certified(Box<EnrolmentResponse>, Enrolled, EnrolledBy),
    /// The operator has to say yes first.
    Waiting(ApprovalKey),
    /// Something has changed meanwhile: to be prepared again.
    Overtaken,
}

/// An agent has been certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enrolled {
    /// Who.
    pub agent_id: AgentId,
    /// Where it says that it listens.
    pub address: AgentAddress,
    /// Its key's fingerprint.
    pub key_id: KeyId,
    /// When the certificate ends.
    pub expires_at: UnixTime,
    /// Whether the id was new to the controller.
    pub first: bool,
}

impl Petition {
    /// To enrol.
    pub(crate) fn enrolment(request: EnrolmentRequest) -> Self {
        let key_id = request.agent_card.public_key.key_id();
        Self { request: request.into(), renewal: None, key_id }
    }

    /// To renew.
    pub(crate) fn renewal(request: RenewalRequest) -> Self {
        let renewal = Some(Arc::new(request.clone()));
        Self { renewal, ..Self::enrolment(request.into()) }
    }

    /// Who asks.
    pub(crate) fn agent_id(&self) -> &AgentId {
        &self.card().agent_id
    }

    pub(crate) fn is_renewal(&self) -> bool {
        self.renewal.is_some()
    }

    /// Whether a join token came with it.
    pub(crate) fn has_token(&self) -> bool {
        self.request.join_token.is_some()
    }

    pub(crate) fn card(&self) -> &AgentCard {
        &self.request.agent_card
    }

    /// What the operator approves.
    pub(crate) fn approval_key(&self) -> Result<ApprovalKey, Refusal> {
        let card = wire::canonical_json(self.card());
        let card = card.map_err(|error| NodeError::Environment(error.to_string()))?;
        let card_hash = Hex::from_bytes(sha256(&[&card]));
        Ok(ApprovalKey { agent_id: self.agent_id().clone(), key_id: self.key_id, card_hash })
    }

    /// As it is granted to whoever asks, or refused.
    fn admission(&self, claim: Claim) -> Result<Admission, Refusal> {
        if self.is_renewal() { claim.renewal() } else { claim.enrolment() }
    }
}

impl Ground {
    fn metric(&self) -> EnrolledBy {
        match self {
            Self::Known => EnrolledBy::Key,
            Self::Open => EnrolledBy::Open,
            Self::Token(_) => EnrolledBy::Token,
            Self::Approval(_) => EnrolledBy::Approval,
        }
    }
}

impl Prepared {
    /// Whether it would put a question to the operator.
    pub(crate) fn asks_anew(&self) -> bool {
        matches!(self.ground, Ground::Approval(_)) && !self.is_asked
    }
}

impl Controller {
    /// Judges a petition and signs the answer.
    pub(crate) async fn prepare(
        &self,
        mode: EnrolmentMode,
        petition: &Petition,
    ) -> Result<Prepared, Refusal> {
        let (now, agent_id) = (self.clock.now(), petition.agent_id());
        let approval = self.check_challenge(petition, now).await?;
        if *agent_id == self.id {
            return Err(Refusal::IdTaken(agent_id.clone()));
        }
        let claim = Claim::read(&self.store, agent_id, petition.key_id).await?;
        let token = petition.request.join_token.as_ref().map(JoinSecret::hash);
        let admission = match (petition.admission(claim), &token) {
            // Whoever comes late with a token wants to know what has become of the token.
            (Err(taken @ Refusal::IdTaken(_)), Some(token)) => {
                self.store.check_token(token, agent_id, now).await?;
                return Err(taken);
            }
            (admission, _) => admission?,
        };
        let ground = match (&admission, token) {
            (Admission::Again(_) | Admission::Rekey(_), _) => Ground::Known,
            (Admission::New(_), Some(token)) => {
                self.store.check_token(&token, agent_id, now).await?;
                Ground::Token(token)
            }
            (Admission::New(_), None) => match mode {
                EnrolmentMode::Open => Ground::Open,
                EnrolmentMode::Token => return Err(Refusal::TokenRequired),
                EnrolmentMode::Approve => Ground::Approval(petition.approval_key()?),
            },
        };
        let active = self.active();
        let earliest = admission.not_before(now).unwrap_or(now);
        let grant = Grant { life: self.certificate_life, not_before: earliest.max(now) };
        let asked_at = approval.unwrap_or(now);
        let response = self.sign(&active, petition, &admission, grant, asked_at).await?;
        let limit = if mode == EnrolmentMode::Open { MAX_OPEN_AGENTS } else { MAX_AGENTS };
        let (petition, is_asked) = (petition.clone(), approval.is_some());
        Ok(Prepared { petition, admission, ground, active, response, limit, is_asked })
    }

    /// Enters what was prepared. When it says that it is done, it is on disk.
    pub(crate) async fn enter(&self, prepared: Prepared) -> Result<Entered, Refusal> {
        let (now, began) = (self.clock.now(), Instant::now());
        let Prepared { petition, admission, ground, active, response, limit, .. } = prepared;
        let mut change = self.store.begin().await?;
        if change.state().key_id != Some(active.key_id) {
            drop(change);
            self.refresh().await?;
            return Ok(Entered::Overtaken);
        }
        let claim = Claim::read_in(&mut change, petition.agent_id(), petition.key_id).await?;
        // If it would be refused now, preparing it again says why.
        if petition.admission(claim).ok() != Some(admission.clone()) {
            return Ok(Entered::Overtaken);
        }
        let certificate = &response.certificate;
        match &ground {
            Ground::Token(hash) => {
                change.spend_token(hash, petition.agent_id(), &certificate.serial, now).await?;
            }
            Ground::Approval(key) => match change.approval(key, now).await?.map(|row| row.decision) {
                Some(Decision::Approved) => change.drop_approval(key).await?,
                Some(Decision::Rejected) => return Err(Refusal::Rejected),
                Some(Decision::Pending) => return Ok(Entered::Waiting(key.clone())),
                None => return self.ask(change, &petition, key, now).await,
            },
            Ground::Known | Ground::Open => {}
        }
        change.issue(certificate).await?;
        let agent = AgentRow {
            agent_id: petition.agent_id().clone(),
            key_id: petition.key_id,
            status: AgentStatus::Active,
            enrolled_at: admission.agent().map_or(now, |agent| agent.enrolled_at),
            // What was signed lies not before it.
            not_before: match &admission {
                Admission::Rekey(_) => Some(certificate.issued_at),
                _ => admission.not_before(now),
            },
            certificate: certificate.clone(),
        };
        change.put_agent(&agent, limit).await?;
        if matches!(admission, Admission::Rekey(_)) {
            change.next_list_number(now);
        }
        record(&mut change, &admission, &ground, &agent, now).await?;
        self.commit(change).await?;
        self.metrics.database(began.elapsed());
        Ok(Entered::Certified(response.into(), notice(&agent, &admission), ground.metric()))
    }

    /// A challenge has to be good when a petition first comes, and no longer once the operator has been asked, who may
    /// take his time: then the answer is when that was.
    async fn check_challenge(&self, petition: &Petition, now: UnixTime) -> Result<Option<UnixTime>, Refusal> {
        let checked = self.challenges.check(petition.agent_id(), &petition.request.nonce, now);
        if checked != Err(ChallengeFlaw::Forged) && !petition.is_renewal() {
            let approval = self.store.approval(&petition.approval_key()?, now).await?;
            if let Some(approval) = approval {
                return Ok(Some(approval.asked_at));
            }
        }
        Ok(checked.map(|()| None)?)
    }

    async fn sign(
        &self,
        active: &Arc<Active>,
        petition: &Petition,
        admission: &Admission,
        grant: Grant,
        asked_at: UnixTime,
    ) -> Result<EnrolmentResponse, Refusal> {
        let (active, petition, admission) = (active.clone(), petition.clone(), admission.clone());
        let (tls, provider) = (self.tls.clone(), self.provider);
        let work = move || {
            if let (Some(renewal), Some(agent)) = (&petition.renewal, admission.agent()) {
                let known = &agent.certificate.agent_card.public_key;
                renewal.verify_continuity(provider, known).map_err(Refusal::Request)?;
            }
            sign(&active, &tls, &petition, grant, asked_at)
        };
        let signed = tokio::task::spawn_blocking(work).await;
        signed.map_err(|error| NodeError::Environment(error.to_string()))?
    }
}

fn sign(
    active: &Active,
    tls: &TlsAuthority,
    petition: &Petition,
    grant: Grant,
    asked_at: UnixTime,
) -> Result<EnrolmentResponse, Refusal> {
    let card = petition.card();
    if active.info.successions.iter().any(|step| step.former_key == card.public_key) {
        return Err(Refusal::ControllersKey);
    }
    let tls_key = RequestedKey::from_csr(&petition.request.tls_csr).map_err(|error| {
        let text = "the TLS request cannot be read, or its signature does not verify";
        Refusal::BadCsr(format!("{text}: {error}"))
    })?;
    if tls_key.spki_sha256() != card.tls_spki_sha256 {
        return Err(Refusal::BadCsr("the TLS request is for another key than the card names".to_owned()));
    }
    let certificate = active.authority.issue(&petition.request, grant, asked_at).map_err(Refusal::Request)?;
    let (issued_at, expires_at, serial) = (certificate.issued_at, certificate.expires_at, certificate.serial);
    let term = Term { issued_at, expires_at, serial };
    let chain = tls.issue_for_agent(&tls_key, &card.agent_id, &card.address, term);
    let tls_chain = chain.map_err(|error| NodeError::Environment(error.to_string()))?;
    Ok(EnrolmentResponse { certificate, tls_chain })
}

/// One entry for the decision, and one for the token that it cost.
async fn record(
    change: &mut Change,
    admission: &Admission,
    ground: &Ground,
    agent: &AgentRow,
    now: UnixTime,
) -> Result<(), Refusal> {
    let (agent_id, certificate) = (Some(&agent.agent_id), &agent.certificate);
    if let Ground::Token(hash) = ground {
        let detail = json!({ "token": token_name(hash), "serial": certificate.serial });
        change.record(now, Event::TokenSpent, agent_id, detail).await?;
    }
    let mut detail = json!({
        "key_id": agent.key_id, "serial": certificate.serial, "address": certificate.agent_card.address,
        "expires_at": certificate.expires_at,
    });
    let event = match admission {
        Admission::New(_) => {
            detail["by"] = Value::from(ground.metric().as_str());
            Event::Enrolled
        }
        Admission::Again(_) => Event::Renewed,
        Admission::Rekey(former) => {
            detail["former_key_id"] = json!(former.key_id);
            Event::Rekeyed
        }
    };
    change.record(now, event, agent_id, detail).await?;
    Ok(())
}

fn notice(agent: &AgentRow, admission: &Admission) -> Enrolled {
    Enrolled {
        agent_id: agent.agent_id.clone(),
        address: agent.certificate.agent_card.address.clone(),
        key_id: agent.key_id,
        expires_at: agent.certificate.expires_at,
        first: matches!(admission, Admission::New(None)),
    }
}

/// What a token is called where it must not be shown: the beginning of its hash.
pub(crate) fn token_name(hash: &Hex<32>) -> String {
    hash.to_string()[..16].to_owned()
}

/// How long an enrolment waits for the operator.
pub(crate) const APPROVAL_LIFE: Duration = Duration::from_mins(10);
/// In open mode anybody can fill the table. At 16 KiB a certificate, the directory stays within
/// [`MAX_DIRECTORY`](a2a_core::certificate::enrolment::MAX_DIRECTORY).
const MAX_OPEN_AGENTS: u64 = 1024;
/// Otherwise an operator has let each of them in.
const MAX_AGENTS: u64 = 100_000;
