//! An agent as the store keeps it, for unit tests. Its key is real, and made once a process.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use a2a_core::certificate::authority::Authority;
use a2a_core::certificate::card::AgentCard;
use a2a_core::certificate::enrolment::EnrolmentRequest;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::aws_lc::PROVIDER;
use a2a_core::crypto::signature::SigningKey;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;

use crate::store::{AgentRow, AgentStatus};

/// An active agent, certified at `now` for an hour.
pub(crate) fn agent(agent_id: &str, now: UnixTime) -> AgentRow {
    let [agents_key, controllers_key] = &*KEYS;
    let card = AgentCard {
        agent_id: agent_id.parse().unwrap(),
        name: "Agent".parse().unwrap(),
        public_key: agents_key.public_key().clone(),
        methods: Vec::new(),
        address: "https://localhost:5001".parse().unwrap(),
        tls_spki_sha256: Hex::from_bytes([1; 32]),
        suites: Suite::ALL.to_vec(),
        issued_at: now,
        expires_at: now.saturating_add(LIFE),
        protocol_version: a2a_core::PROTOCOL_VERSION,
    };
    let nonce = Hex::random(PROVIDER).unwrap();
    let request = EnrolmentRequest::new(card, nonce, String::new(), &**agents_key).unwrap();
    let authority = Authority::new("controller".parse().unwrap(), controllers_key.clone(), PROVIDER);
    AgentRow {
        agent_id: agent_id.parse().unwrap(),
        key_id: agents_key.public_key().key_id(),
        status: AgentStatus::Active,
        enrolled_at: now,
        not_before: None,
        certificate: authority.issue(&request, LIFE, now).unwrap(),
    }
}

static KEYS: LazyLock<[Arc<dyn SigningKey>; 2]> =
    LazyLock::new(|| std::array::from_fn(|_| PROVIDER.generate_signing_key().unwrap().into()));
const LIFE: Duration = Duration::from_hours(1);
