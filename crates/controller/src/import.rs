//! Taking over the register of version 0.1, which was a file: once, at the first start, so that nobody loses an id.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_node::error::NodeError;
use a2a_node::store::read_file;
use serde::Deserialize;
use serde_json::json;

use crate::controller::{Controller, blocking};
use crate::store::{AgentRow, AgentStatus, AgentsFull, Event, IssueError, StoreError};

/// An agent as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    key_id: KeyId,
    enrolled_at: UnixTime,
    certificate: AgentCertificate,
}

/// Enters whom the file names, and gives the file another name. If that is interrupted, it is done again and changes
/// nothing.
pub(crate) async fn registry(controller: &Controller, data_dir: &Path) -> Result<(), NodeError> {
    let path = data_dir.join(FILE);
    let read = path.clone();
    let bytes = blocking(move || Ok(read_file(&read)?)).await?;
    let Some(bytes) = bytes else { return Ok(()) };
    let agents = entries(&bytes).map_err(|error| {
        let path = path.display();
        NodeError::Environment(format!(
            "{path} is damaged ({error}): restore it, or move it away to do without it"
        ))
    })?;
    let count = enter(controller, agents).await?;
    let imported = data_dir.join(format!("{FILE}.imported"));
    fs::rename(&path, &imported)
        .map_err(|error| NodeError::Environment(format!("{}: {error}", path.display())))?;
    tracing::info!(agents = count, file = %imported.display(), "the register of the former version was taken over");
    Ok(())
}

/// Reads the file.
pub(crate) fn entries(bytes: &[u8]) -> serde_json::Result<BTreeMap<AgentId, Entry>> {
    serde_json::from_slice(bytes)
}

async fn enter(controller: &Controller, agents: BTreeMap<AgentId, Entry>) -> Result<usize, StoreError> {
    let now = controller.clock.now();
    let mut change = controller.store.begin().await?;
    let mut count = 0;
    for (agent_id, Entry { key_id, enrolled_at, certificate }) in agents {
        if change.agent(&agent_id).await?.is_some() {
            continue;
        }
        let status = AgentStatus::Active;
        let row = AgentRow { agent_id, key_id, status, enrolled_at, not_before: None, certificate };
        match change.put_agent(&row, u64::MAX).await {
            Ok(()) | Err(AgentsFull::Full(_)) => {}
            Err(AgentsFull::Store(error)) => return Err(error),
        }
        match change.issue(&row.certificate).await {
            Ok(()) | Err(IssueError::SerialUsed | IssueError::NonceUsed) => {}
            Err(IssueError::Store(error)) => return Err(error),
        }
        let detail = json!({
            "key_id": key_id, "serial": row.certificate.serial, "expires_at": row.certificate.expires_at,
            "address": row.certificate.agent_card.address, "by": "import",
        });
        change.record(now, Event::Enrolled, Some(&row.agent_id), detail).await?;
        count += 1;
    }
    controller.commit(change).await?;
    Ok(count)
}

const FILE: &str = "registry.json";
