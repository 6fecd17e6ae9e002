//! Whether the controller can do its work: what `GET /ready` says, check by check.

use std::sync::Arc;
use std::time::Duration;

use a2a_core::certificate::revocation::RevocationList;
use a2a_node::http::{Check, Readiness};

use crate::serving::Serving;

/// What the server asks when it is asked.
pub(crate) fn readiness(serving: Arc<Serving>) -> Readiness {
    Arc::new(move || {
        let serving = serving.clone();
        Box::pin(async move {
            let checks = [
                ("database", serving.database_is_writable().await),
                ("key", serving.key_is_usable().await),
                ("revocation_list", serving.list_is_fresh().await),
            ];
            checks.into_iter().map(|(name, result)| Check { name, result }).collect()
        })
    })
}

impl Serving {
    /// Takes the lock of all changes, and leaves everything as it is.
    async fn database_is_writable(&self) -> Result<(), String> {
        let begun = tokio::time::timeout(PATIENCE, self.controller.store.begin()).await;
        let begun = begun.map_err(|_| "another change takes too long".to_owned())?;
        begun.map(drop).map_err(|error| error.to_string())
    }

    /// Whether the key that certifies in the store is the one that was loaded, or can be. Looking for it says what is
    /// missing.
    async fn key_is_usable(&self) -> Result<(), String> {
        let refreshed = tokio::time::timeout(PATIENCE, self.controller.refresh()).await;
        let refreshed = refreshed.map_err(|_| "the database does not answer".to_owned())?;
        refreshed.map_err(|error| error.to_string())
    }

    async fn list_is_fresh(&self) -> Result<(), String> {
        let list = tokio::time::timeout(PATIENCE, self.lists.present(&self.controller)).await;
        let json = list.map_err(|_| "it takes too long to make".to_owned())?;
        let json = json.map_err(|error| error.to_string())?;
        let list: RevocationList = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
        let now = self.controller.clock.now();
        if now < list.next_update { Ok(()) } else { Err(format!("it ended at {}", list.next_update)) }
    }
}

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);
