//! Deciding on a request to enrol: everything that needs the controller's state. What the request itself tells,
//! `a2a_core` judges.

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::authority::Authority;
use a2a_core::certificate::enrolment::{EnrolmentError, EnrolmentRequest, EnrolmentResponse};
use a2a_core::time::UnixTime;
use a2a_node::http::ApiError;
use axum::http::StatusCode;

use crate::registry::{Enrolled, Registry, RegistryError};
use crate::tls_authority::{RequestedKey, Term, TlsAuthority};

/// Whoever certifies, and what it needs for that.
#[derive(Debug)]
pub(crate) struct Enroller {
    pub(crate) controller_id: AgentId,
    pub(crate) authority: Authority,
    pub(crate) tls: TlsAuthority,
    pub(crate) registry: Registry,
    pub(crate) certificate_life: Duration,
}

impl Enroller {
    /// Certifies and enters an agent whose challenge has been found good. Does RSA and waits for the disk: not for an
    /// async worker.
    pub(crate) fn enrol(
        &self,
        request: &EnrolmentRequest,
        now: UnixTime,
    ) -> Result<(EnrolmentResponse, Enrolled), ApiError> {
        let card = &request.agent_card;
        if card.agent_id == self.controller_id {
            return Err(id_taken(&card.agent_id));
        }
        // Before the costly part; once more, decisively, when it is entered.
        let claim = self.registry.check_claim(&card.agent_id, card.public_key.key_id());
        claim.map_err(|error| registry_error(&error, &card.agent_id))?;
        let tls_key = RequestedKey::from_csr(&request.tls_csr).map_err(|error| {
            bad_csr(format!("the TLS request cannot be read, or its signature does not verify: {error}"))
        })?;
        if tls_key.spki_sha256() != card.tls_spki_sha256 {
            return Err(bad_csr("the TLS request is for another key than the card names".into()));
        }
        let certificate = self.authority.issue(request, self.certificate_life, now).map_err(refused)?;
        let term = Term { issued_at: now, expires_at: certificate.expires_at, serial: certificate.serial };
        let tls_chain = self
            .tls
            .issue_for_agent(&tls_key, &card.agent_id, &card.address, term)
            .map_err(ApiError::internal)?;
        let enrolled = self
            .registry
            .record(&certificate, now)
            .map_err(|error| registry_error(&error, &card.agent_id))?;
        Ok((EnrolmentResponse { certificate, tls_chain }, enrolled))
    }
}

fn refused(error: EnrolmentError) -> ApiError {
    let (code, message) = match &error {
        EnrolmentError::Card(_) => ("bad_card", "mend the card; docs/PROTOCOL.md describes it"),
        EnrolmentError::Name(_) => ("bad_name", "choose a name of plain characters with --name"),
        EnrolmentError::Validity(_) | EnrolmentError::Stale(_) => {
            ("bad_validity", "set the clocks of agent and controller, then run setup again")
        }
        EnrolmentError::TooLong { .. } => ("life_too_long", "ask for a shorter life"),
        EnrolmentError::ControllersKey => ("key_taken", "make a key for the agent alone"),
        EnrolmentError::Possession => {
            ("bad_possession", "sign the card and a fresh challenge with the card's key")
        }
        _ => return ApiError::internal(error),
    };
    ApiError::new(StatusCode::BAD_REQUEST, code, error.to_string(), message)
}

fn registry_error(error: &RegistryError, agent_id: &AgentId) -> ApiError {
    match error {
        RegistryError::Taken => id_taken(agent_id),
        RegistryError::Full => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "registry_full",
            error.to_string(),
            "ask whoever runs the controller to clear out its register",
        ),
        RegistryError::Store(error) => ApiError::internal(error),
    }
}

fn id_taken(agent_id: &AgentId) -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "id_taken",
        format!("{agent_id} belongs to another key"),
        "choose another id with --agent-id, or restore the data directory of the agent that had this one",
    )
}

fn bad_csr(error: String) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "bad_csr",
        error,
        "send a PKCS#10 request signed by the card's TLS key",
    )
}
