//! The directory: who is certified now. Read from the store at most once for each second and change, however many ask.

use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::enrolment::{self, MAX_DIRECTORY};
use a2a_core::time::UnixTime;
use a2a_node::error::NodeError;
use axum::body::Bytes;
use tokio::sync::Mutex;

use crate::controller::Controller;

/// The directory as it was last made.
#[derive(Debug, Default)]
pub(crate) struct Directory(Mutex<Option<Made>>);

#[derive(Debug)]
struct Made {
    version: u64,
    at: UnixTime,
    json: Bytes,
}

impl Directory {
    /// As JSON.
    pub(crate) async fn present(&self, controller: &Controller) -> Result<Bytes, NodeError> {
        let (version, now) = (controller.progress().borrow().version, controller.clock.now());
        let mut made = self.0.lock().await;
        if let Some(made) = &*made
            && (made.version, made.at) == (version, now)
        {
            return Ok(made.json.clone());
        }
        let agents = controller.store.certificates_valid_at(now).await?;
        let unwritten = |error: serde_json::Error| NodeError::Environment(error.to_string());
        let mut directory = enrolment::Directory { agents };
        let mut json = serde_json::to_vec(&directory).map_err(unwritten)?;
        if json.len() > MAX_DIRECTORY {
            let all = directory.agents.len();
            directory.agents = those_that_fit(directory.agents);
            let told = directory.agents.len();
            tracing::warn!(
                all,
                told,
                "the directory is larger than agents read: the last of it are left out"
            );
            json = serde_json::to_vec(&directory).map_err(unwritten)?;
        }
        let json = Bytes::from(json);
        *made = Some(Made { version, at: now, json: json.clone() });
        Ok(json)
    }
}

fn those_that_fit(agents: Vec<AgentCertificate>) -> Vec<AgentCertificate> {
    let mut room = MAX_DIRECTORY - FRAME;
    let fits = |agent: &AgentCertificate| {
        let len = serde_json::to_vec(agent).map_or(usize::MAX, |json| json.len() + 1);
        let left = room.checked_sub(len);
        room = left.unwrap_or(0);
        left.is_some()
    };
    agents.into_iter().take_while(fits).collect()
}

/// Bytes around the certificates.
const FRAME: usize = 64;
