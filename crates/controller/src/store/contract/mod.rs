//! What the store promises, on each database: every test runs on SQLite and on PostgreSQL. Where there is no PostgreSQL,
//! its half says so and is left out, unless `A2A_REQUIRE_POSTGRES` is set.

#![allow(clippy::unwrap_used)]

mod agents;
mod approvals;
mod audit;
mod certificates;
mod export;
mod secrets;
mod tokens;
mod whole;

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::{AgentCard, AgentCertificate};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::aws_lc::PROVIDER;
use a2a_core::crypto::signature::{KeyId, PublicKey, Signature};
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;
use a2a_test::keys::signing_key;
use a2a_test::postgres::Postgres;
use sqlx::Executor;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::chain::AuditReport;
use super::*;

/// Makes a test on each database of every function named.
macro_rules! on_both {
    ($($name:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::store::contract::Ground::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(ground) = crate::store::contract::Ground::postgres() {
                    super::$name(ground).await;
                }
            })+
        }
    };
}
use on_both;

/// A database of the test's own.
struct Ground {
    database: Database,
    dir: TempDir,
}

impl Ground {
    fn sqlite() -> Self {
        let dir = TempDir::new().unwrap();
        Self { database: Database::resolve(None, dir.path()).unwrap(), dir }
    }

    fn postgres() -> Option<Self> {
        let server = Postgres::shared()?;
        let database = server.url(&server.create_database()).parse().unwrap();
        Some(Self { database, dir: TempDir::new().unwrap() })
    }

    /// Another store on the same database, as another controller has it.
    async fn store(&self) -> Store {
        self.try_store().await.unwrap()
    }

    async fn try_store(&self) -> Result<Store, StoreError> {
        Store::open(&self.database, AuditKey::new(Zeroizing::new([7; 32]))).await
    }

    /// Does what somebody does who can write to the database, and has no key.
    async fn tamper(&self, sql: &'static str) {
        let mut connection = open::connect(&self.database).await.unwrap().0;
        connection.execute(sql).await.unwrap();
    }
}

fn id(name: &str) -> AgentId {
    name.parse().unwrap()
}

fn key_id(number: u8) -> KeyId {
    Hex::from_bytes([number; 32])
}

fn public_key(name: &str) -> PublicKey {
    signing_key(name, PROVIDER).public_key().clone()
}

/// A certificate that nobody signed: the store does not verify. `number` becomes serial and nonce.
fn certificate(agent_id: &str, number: u8) -> AgentCertificate {
    let agent_card = AgentCard {
        agent_id: id(agent_id),
        name: "Agent".parse().unwrap(),
        public_key: public_key("agent"),
        methods: Vec::new(),
        address: "https://localhost:5001".parse().unwrap(),
        tls_spki_sha256: Hex::from_bytes([9; 32]),
        suites: Suite::ALL.to_vec(),
        issued_at: NOW,
        expires_at: after(LIFE),
        protocol_version: a2a_core::PROTOCOL_VERSION,
    };
    AgentCertificate {
        agent_card,
        agent_signature: Signature(Vec::new().into()),
        controller_id: id("controller"),
        controller_key_id: key_id(1),
        issued_at: NOW,
        expires_at: after(LIFE),
        nonce: Hex::from_bytes([number; 32]),
        serial: Hex::from_bytes([number; 16]),
        controller_signature: Signature(Vec::new().into()),
    }
}

fn agent(agent_id: &str, number: u8) -> AgentRow {
    let certificate = certificate(agent_id, number);
    let key_id = certificate.agent_card.public_key.key_id();
    let (agent_id, status) = (id(agent_id), AgentStatus::Active);
    AgentRow { agent_id, key_id, status, enrolled_at: NOW, not_before: None, certificate }
}

/// Enrols an agent as the controller does it.
async fn enrol(change: &mut Change, agent: &AgentRow) {
    change.put_agent(agent, 100).await.unwrap();
    change.issue(&agent.certificate).await.unwrap();
    let detail = serde_json::json!({ "serial": agent.certificate.serial });
    change.record(NOW, Event::Enrolled, Some(&agent.agent_id), detail).await.unwrap();
}

fn after(duration: Duration) -> UnixTime {
    NOW.saturating_add(duration)
}

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LIFE: Duration = Duration::from_hours(1);
