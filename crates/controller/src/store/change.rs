//! A change: from taking the one lock to the commit. Dropped before, it leaves nothing.
//!
//! What is changed in each table stands beside the table.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use sqlx::{Any, AnyConnection, Transaction};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::audit::AuditKey;
use super::column::bigint;
use super::error::{PATIENCE_SECS, StoreError};
use super::{State, Store};

/// See the module. It ends with [`Change::commit`]; nothing that was signed for it may leave before.
pub(crate) struct Change {
    transaction: Transaction<'static, Any>,
    pub(super) state: State,
    pub(super) audit_key: Arc<AuditKey>,
    _lane: OwnedMutexGuard<()>,
}

impl Store {
    /// Takes the lock, waiting for whoever has it. Who holds a change must not begin another.
    pub(crate) async fn begin(&self) -> Result<Change, StoreError> {
        let lane = timeout(Duration::from_secs(PATIENCE_SECS), self.lane.clone().lock_owned()).await;
        let lane = lane.map_err(|_| StoreError::Busy(PATIENCE_SECS))?;
        let mut transaction = self.pool.begin_with(self.dialect.writing).await?;
        let locked = sqlx::query("UPDATE state SET version = version + 1 WHERE id = 1 RETURNING *");
        let state = State::of(&locked.fetch_one(&mut *transaction).await?)?;
        Ok(Change { transaction, state, audit_key: self.audit_key.clone(), _lane: lane })
    }
}

impl Change {
    /// As it will be when this is committed.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Gives a new store to this controller and key; refused if it is another's already.
    pub(crate) fn claim_controller(
        &mut self,
        controller_id: &AgentId,
        key_id: KeyId,
    ) -> Result<(), StoreError> {
        match (&self.state.controller_id, self.state.key_id) {
            (Some(owner), Some(owners_key)) if owner == controller_id && owners_key == key_id => Ok(()),
            (Some(owner), Some(key_id)) => Err(StoreError::Claimed { controller_id: owner.clone(), key_id }),
            _ => {
                self.state.controller_id = Some(controller_id.clone());
                self.state.key_id = Some(key_id);
                Ok(())
            }
        }
    }

    /// The number of the next revocation list: it rises, over a restore too, since it is never below the time.
    pub(crate) fn next_list_number(&mut self, now: UnixTime) -> u64 {
        self.state.list_number = (self.state.list_number + 1).max(now.as_secs());
        self.state.list_number
    }

    /// Makes all of it last. When this returns, it survives a power cut.
    pub(crate) async fn commit(mut self) -> Result<State, StoreError> {
        let State { version, controller_id, key_id, list_number, longest_life, audit_head } = &self.state;
        sqlx::query(
            "UPDATE state SET version = $1, controller_id = $2, key_id = $3, list_number = $4, longest_life = $5, \
             audit_seq = $6, audit_hash = $7 WHERE id = 1",
        )
        .bind(bigint(*version))
        .bind(controller_id.as_ref().map(AgentId::to_string))
        .bind(key_id.map(|key_id| key_id.to_string()))
        .bind(bigint(*list_number))
        .bind(bigint(*longest_life))
        .bind(bigint(audit_head.seq))
        .bind(audit_head.hash.to_string())
        .execute(&mut *self.transaction)
        .await?;
        self.transaction.commit().await?;
        Ok(self.state)
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

impl Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({})", self.state.version)
    }
}
