//! A planned change of the controller's key: the old key names the new one, and from the commit on the new one certifies,
//! at every controller that has it.

use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_node::error::NodeError;
use a2a_node::repl::CommandError;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

use super::fault;
use crate::controller::{Controller, blocking};
use crate::store::Event;

/// What a rotation has led to.
#[derive(Debug, Serialize)]
pub(crate) struct RotationReport {
    /// The key that certified until now.
    pub(crate) former_key_id: KeyId,
    /// The key that certifies from now on.
    pub(crate) fingerprint: KeyId,
    /// Until when certificates under the former one are good.
    pub(crate) former_until: UnixTime,
}

impl Controller {
    /// Makes the next key and goes by it. If that fails half-way, the old key goes on, and the new one's file is left over.
    pub(crate) async fn rotate(&self) -> Result<RotationReport, CommandError> {
        let (former, now) = (self.active(), self.clock.now());
        let longest = self.store.state().await.map_err(fault)?.longest_life;
        let longest = Duration::from_secs(longest).max(self.certificate_life);
        // Certificates are signed a moment before they are entered, and what is entered was signed by then.
        let former_until = now.saturating_add(longest).saturating_add(MARGIN);
        let keys = self.keys.clone();
        let signing = former.clone();
        let step = blocking(move || {
            let successor = keys.make_successor()?;
            let step = signing.authority.succession(&*successor, former_until, now);
            step.map_err(|error| NodeError::Environment(format!("the controller cannot sign: {error}")))
        });
        let step = step.await.map_err(fault)?;
        let fingerprint = step.key.key_id();
        let mut change = self.store.begin().await.map_err(fault)?;
        change.activate_key(&step).await.map_err(fault)?;
        let list_number = change.next_list_number(now);
        let detail = json!({
            "former_key_id": former.key_id, "key_id": fingerprint, "former_until": former_until,
            "list_number": list_number,
        });
        change.record(now, Event::KeyRotated, None, detail).await.map_err(fault)?;
        // Not let known yet: until the key is loaded, this process would sign under the former one.
        change.commit().await.map_err(fault)?;
        self.refresh().await.map_err(fault)?;
        Ok(RotationReport { former_key_id: former.key_id, fingerprint, former_until })
    }
}

/// For clocks of two controllers that differ, and a rise of the life granted meanwhile.
const MARGIN: Duration = Duration::from_mins(1);
