//! Whether the controller can do its work: what `GET /ready` says, check by check.

use std::time::Duration;

use a2a_core::certificate::revocation::RevocationList;

use crate::serving::Serving;

/// One thing that has to be right, and what is wrong with it.
pub(crate) type Check = (&'static str, Result<(), String>);

impl Serving {
    /// Looks at everything now.
    pub(crate) async fn checks(&self) -> Vec<Check> {
        vec![
            ("database_writable", self.database_is_writable().await),
            ("key_usable", self.key_is_usable().await),
            ("list_fresh", self.list_is_fresh().await),
        ]
    }

    /// Takes the lock of all changes, and leaves everything as it is.
    async fn database_is_writable(&self) -> Result<(), String> {
        let begun = tokio::time::timeout(PATIENCE, self.controller.store.begin()).await;
        let begun = begun.map_err(|_| "another change takes too long".to_owned())?;
        begun.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Whether the key that certifies in the store is the one that was loaded.
    async fn key_is_usable(&self) -> Result<(), String> {
        let state = tokio::time::timeout(PATIENCE, self.controller.store.state()).await;
        let state = state.map_err(|_| "the database does not answer".to_owned())?;
        let active = state.map_err(|error| error.to_string())?.key_id;
        if active == Some(self.controller.active().key_id) {
            return Ok(());
        }
        // It says what is missing.
        self.controller.refresh().await.map_err(|error| error.to_string())
    }

    async fn list_is_fresh(&self) -> Result<(), String> {
        let list = tokio::time::timeout(PATIENCE, self.lists.present(&self.controller)).await;
        let json = list.map_err(|_| "it takes too long to make".to_owned())?.map_err(|error| error.to_string())?;
        let list: RevocationList = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
        let now = self.controller.clock.now();
        if now < list.next_update { Ok(()) } else { Err(format!("it ended at {}", list.next_update)) }
    }
}

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);
