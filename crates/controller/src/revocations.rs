//! The signed list of what is revoked: made from the store, and made anew when its number rises or after some seconds,
//! so that it is always fresh and asking for it costs next to nothing.

use std::time::Duration;

use a2a_core::certificate::revocation::RevocationList;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_node::error::NodeError;
use axum::body::Bytes;
use tokio::sync::Mutex;

use crate::controller::{Controller, blocking};
use crate::held::Held;

/// The list as it was last made.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<Option<Made>>);

#[derive(Debug, Clone)]
struct Made {
    number: u64,
    key_id: KeyId,
    at: UnixTime,
    json: Bytes,
}

impl Lists {
    /// The present list as JSON. Who knows one already is told only when there is a later one, or after a while.
    pub(crate) async fn fetch(
        &self,
        controller: &Controller,
        held: &Held,
        after: Option<u64>,
    ) -> Result<Bytes, NodeError> {
        let mut progress = controller.progress();
        let known = after.filter(|after| progress.borrow_and_update().list_number <= *after);
        if let Some(known) = known {
            // An error means that the controller is gone; then so is whoever asks.
            held.until(progress.wait_for(|state| state.list_number > known)).await;
        }
        self.present(controller).await
    }

    /// The present list, made now or some seconds ago.
    pub(crate) async fn present(&self, controller: &Controller) -> Result<Bytes, NodeError> {
        let number = controller.progress().borrow().list_number;
        let (now, active) = (controller.clock.now(), controller.active());
        // Whoever comes while it is made waits for it, rather than making it, too.
        let mut made = self.0.lock().await;
        if let Some(made) = &*made
            && made.number >= number
            && made.key_id == active.key_id
            && made.at <= now
            && now.since(made.at) < KEPT
        {
            return Ok(made.json.clone());
        }
        let content = controller.store.revoked_content(now).await?;
        let (number, key_id, life) = (content.number, active.key_id, controller.revocation_life);
        let json = blocking(move || {
            let unsigned = |error: &dyn std::fmt::Display| {
                NodeError::Environment(format!("the revocation list cannot be made: {error}"))
            };
            let list: RevocationList =
                active.authority.revocations(content, life, now).map_err(|error| unsigned(&error))?;
            serde_json::to_vec(&list).map(Bytes::from).map_err(|error| unsigned(&error))
        })
        .await?;
        *made = Some(Made { number, key_id, at: now, json: json.clone() });
        Ok(json)
    }
}

/// How long a list is given out before it is dated anew.
const KEPT: Duration = Duration::from_secs(10);
