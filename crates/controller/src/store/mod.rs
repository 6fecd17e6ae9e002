//! What the controller remembers: SQLite in the data directory, or PostgreSQL for several controllers at once.
//!
//! All changes are serialised by one row: each begins by raising `state.version`, so that tokens, serials, approvals,
//! list numbers and the audit chain are free of races, whoever else writes. What is read outside a change is what was
//! last committed. Nothing is decided here but what must be decided under that lock.
//!
//! Reading order: which database (`database`, `open`), how it is changed (`change`), then a file a table, what is read
//! and what is changed beside each other, and the audit chain (`audit`, `chain`, `anchor`). `export` is all of it at
//! once.

mod database;
mod error;
mod open;

mod change;
mod state;

mod agents;
mod approvals;
mod certificates;
mod successions;
mod tokens;

mod anchor;
mod audit;
mod chain;

mod export;

mod column;
mod words;

#[cfg(test)]
mod contract;

use std::fmt::{self, Debug};
use std::sync::Arc;

use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::Mutex;

pub(crate) use agents::{AgentRow, AgentStatus, AgentsFull};
pub(crate) use anchor::{Anchor, Kept};
pub(crate) use approvals::{ApprovalError, ApprovalKey, ApprovalRow, Decision};
pub(crate) use audit::{AuditEntry, AuditFilter, AuditKey, Event, Refusals};
pub(crate) use certificates::{IssueError, RevokedKey};
pub(crate) use chain::Flaw;
pub(crate) use change::Change;
pub(crate) use database::Database;
pub(crate) use error::StoreError;
pub(crate) use export::Export;
pub(crate) use state::{AuditHead, State};
pub(crate) use tokens::{TokenError, TokenRow};

/// An open store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
    pool: AnyPool,
    dialect: &'static open::Dialect,
    audit_key: Arc<AuditKey>,
    /// Held by the change under way, so that this process asks the database for its lock once at a time, in order.
    lane: Arc<Mutex<()>>,
}

impl Store {
    /// Connects, makes what is missing and brings the tables up to date. `audit_key` chains the audit; every controller
    /// of one store has the same.
    pub(crate) async fn open(database: &Database, audit_key: AuditKey) -> Result<Self, StoreError> {
        let (pool, dialect) = open::open(database).await?;
        let (database, audit_key) = (database.clone(), Arc::new(audit_key));
        Ok(Self { database, pool, dialect, audit_key, lane: Arc::default() })
    }

    /// Ends all connections; a file of SQLite's is then in one piece.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Reads that all see the same moment.
    async fn snapshot(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(self.pool.begin_with(self.dialect.reading).await?)
    }
}

impl Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.database)
    }
}
