//! The table `successions`: how the controller's key changed, step by step.

use a2a_core::certificate::succession::Succession;
use sqlx::AnyConnection;

use super::column::{bigint, json, text};
use super::error::StoreError;
use super::{Change, Store};

impl Store {
    /// Every step, the first one first.
    pub(crate) async fn successions(&self) -> Result<Vec<Succession>, StoreError> {
        read_all(&mut *self.pool.acquire().await?).await
    }
}

impl Change {
    /// Certifies under the step's new key from now on. Refused, as a claim is, if the step does not lead from the
    /// present key.
    pub(crate) async fn activate_key(&mut self, step: &Succession) -> Result<(), StoreError> {
        self.claim_controller(&step.controller_id, step.former_key.key_id())?;
        let number = read_all(self.connection()).await?.len() + 1;
        self.write_succession(number, step).await?;
        self.state.key_id = Some(step.key.key_id());
        Ok(())
    }

    pub(super) async fn write_succession(
        &mut self,
        number: usize,
        step: &Succession,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO successions (number, statement) VALUES ($1, $2)")
            .bind(bigint(number as u64))
            .bind(text(step)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

pub(super) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Succession>, StoreError> {
    let rows = sqlx::query("SELECT statement FROM successions ORDER BY number").fetch_all(connection).await?;
    rows.iter().map(|row| json(row, "statement")).collect()
}
