//! Everything at once, as one value that both databases give and take: for backups. It is neither sealed nor merged with
//! anything here.

use a2a_core::certificate::succession::Succession;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::agents::AgentRow;
use super::approvals::ApprovalRow;
use super::audit::AuditEntry;
use super::certificates::{CertificateRow, RevokedKey};
use super::error::StoreError;
use super::tokens::TokenRow;
use super::{Change, State, Store, successions};

/// Every row of every table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// The one row.
    pub(crate) state: State,
    /// By id.
    pub(crate) agents: Vec<AgentRow>,
    /// By serial.
    pub(crate) certificates: Vec<CertificateRow>,
    /// By key id.
    pub(crate) revoked_keys: Vec<RevokedKey>,
    /// The oldest first.
    pub(crate) tokens: Vec<TokenRow>,
    /// The oldest first.
    pub(crate) approvals: Vec<ApprovalRow>,
    /// In their order.
    pub(crate) successions: Vec<Succession>,
    /// In their order.
    pub(crate) audit: Vec<AuditEntry>,
}

impl Export {
    async fn read(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        Ok(Self {
            state: State::read(connection).await?,
            agents: AgentRow::read_all(connection).await?,
            certificates: CertificateRow::read_all(connection).await?,
            revoked_keys: RevokedKey::read_all(connection).await?,
            tokens: TokenRow::read_all(connection).await?,
            approvals: ApprovalRow::read_all(connection).await?,
            successions: successions::read_all(connection).await?,
            audit: AuditEntry::read_all(connection).await?,
        })
    }
}

impl Store {
    /// All of it, of one moment.
    pub(crate) async fn export(&self) -> Result<Export, StoreError> {
        Export::read(&mut *self.snapshot().await?).await
    }
}

impl Change {
    /// All of it, as this change found it: what is merged with it and imported again is then lost to nobody.
    pub(crate) async fn export(&mut self) -> Result<Export, StoreError> {
        Export::read(self.connection()).await
    }

    /// Puts all of it in the place of everything that is there. Only the version goes on, and what must never fall
    /// stays if it is higher.
    pub(crate) async fn import(&mut self, export: &Export) -> Result<(), StoreError> {
        for table in CLEAR {
            sqlx::query(table).execute(self.connection()).await?;
        }
        for agent in &export.agents {
            self.write_agent(agent).await?;
        }
        for certificate in &export.certificates {
            self.write_certificate(certificate).await?;
        }
        for key in &export.revoked_keys {
            self.revoke_key(key).await?;
        }
        for token in &export.tokens {
            self.write_token(token).await?;
        }
        for approval in &export.approvals {
            self.write_approval(approval).await?;
        }
        for (index, step) in export.successions.iter().enumerate() {
            self.write_succession(index + 1, step).await?;
        }
        for entry in &export.audit {
            self.write_entry(entry).await?;
        }
        self.state = State {
            version: self.state.version.max(export.state.version + 1),
            list_number: self.state.list_number.max(export.state.list_number),
            longest_life: self.state.longest_life.max(export.state.longest_life),
            ..export.state.clone()
        };
        Ok(())
    }
}

const CLEAR: [&str; 7] = [
    "DELETE FROM certificates",
    "DELETE FROM revoked_keys",
    "DELETE FROM agents",
    "DELETE FROM tokens",
    "DELETE FROM approvals",
    "DELETE FROM successions",
    "DELETE FROM audit",
];
