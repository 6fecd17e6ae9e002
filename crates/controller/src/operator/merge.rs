//! What a restored store holds: pure decisions on the backup, the store that is there and a revocation list.
//!
//! The store that is there knows better than an older backup, so its rows win; of a backup's rows that it does not know,
//! nobody can tell what became of them meanwhile, unless a later list says it. Then their agents are held.

use std::collections::{BTreeMap, BTreeSet};

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::revocation::RevocationList;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use thiserror::Error;

use crate::store::{AgentRow, AgentStatus, Export, RevokedKey};

/// What came of merging, besides the rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// Agents that nobody could vouch for.
    pub(super) held: Vec<AgentId>,
    /// Agents that were revoked after the backup.
    pub(super) revoked: Vec<AgentId>,
}

/// Why they cannot be merged.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum MergeError {
    /// The store has seen other things than the backup.
    #[error("the store that is there has a history of its own, which does not go on from the backup's")]
    OtherHistory,
    /// The list says nothing of the time after the backup.
    #[error("list {found} is older than the backup, which knows list {known}")]
    OldList {
        /// What the backup knows.
        known: u64,
        /// What was given.
        found: u64,
    },
}

/// Puts together what the backup and `present` know, and what the verified `list` says of the time after both.
pub(super) fn merge(
    backup: Export,
    present: Export,
    list: Option<&RevocationList>,
    now: UnixTime,
) -> Result<(Export, Merged), MergeError> {
    check_history(&backup, &present)?;
    if let Some(list) = list
        && list.number < backup.state.list_number
    {
        return Err(MergeError::OldList { known: backup.state.list_number, found: list.number });
    }
    let mut merged = Merged::default();
    let known: BTreeSet<AgentId> = present.agents.iter().map(|agent| agent.agent_id.clone()).collect();
    let mut store = join(backup, present);
    // Whoever was given free has no key that could be held.
    let void: BTreeSet<KeyId> = store.revoked_keys.iter().map(|key| key.key_id).collect();
    for agent in &mut store.agents {
        let is_known = known.contains(&agent.agent_id);
        let is_free = agent.status == AgentStatus::Active && void.contains(&agent.key_id);
        match list {
            None if is_known || is_free || agent.status != AgentStatus::Active => {}
            None => {
                agent.status = AgentStatus::Held;
                merged.held.push(agent.agent_id.clone());
            }
            // The store has gone on after the list: it knows better.
            Some(list) if is_known && list.number < store.state.list_number => {}
            Some(list) => {
                if revoke_by(list, agent, is_free) {
                    merged.revoked.push(agent.agent_id.clone());
                }
            }
        }
    }
    let stopped = merged.held.iter().chain(&merged.revoked).cloned().collect();
    void_what_is_stopped(&mut store, &stopped, now);
    if let Some(list) = list {
        add_strangers(&mut store, list, now);
        store.state.list_number = store.state.list_number.max(list.number);
    }
    for token in &mut store.tokens {
        token.spent_at.get_or_insert(now);
    }
    store.approvals.clear();
    Ok((store, merged))
}

/// A store that is empty goes on from anything; another must have every entry of the backup's audit.
fn check_history(backup: &Export, present: &Export) -> Result<(), MergeError> {
    let head = backup.state.audit_head;
    let is_empty = present.state.key_id.is_none() && present.agents.is_empty() && present.audit.is_empty();
    let goes_on = present.audit.iter().any(|entry| entry.seq == head.seq && entry.hash == head.hash);
    if is_empty || goes_on { Ok(()) } else { Err(MergeError::OtherHistory) }
}

/// The rows of both; of two with one name, the present one.
fn join(backup: Export, present: Export) -> Export {
    fn union<T, K: Ord>(backup: Vec<T>, present: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
        let rows: BTreeMap<K, T> = backup.into_iter().chain(present).map(|row| (key(&row), row)).collect();
        rows.into_values().collect()
    }
    let goes_on = !present.audit.is_empty();
    // What the present store no longer lists, an operator has reinstated.
    let mut revoked_keys = backup.revoked_keys;
    revoked_keys.retain(|key| {
        !present.agents.iter().any(|row| row.key_id == key.key_id && row.status == AgentStatus::Active)
    });
    let revoked_keys = union(revoked_keys, present.revoked_keys, |key| key.key_id);
    let mut state = if goes_on { present.state.clone() } else { backup.state.clone() };
    state.list_number = backup.state.list_number.max(present.state.list_number);
    state.longest_life = backup.state.longest_life.max(present.state.longest_life);
    Export {
        state,
        agents: union(backup.agents, present.agents, |row| row.agent_id.clone()),
        certificates: union(backup.certificates, present.certificates, |row| row.serial),
        revoked_keys,
        tokens: union(backup.tokens, present.tokens, |row| row.hash),
        approvals: Vec::new(),
        successions: if goes_on { present.successions } else { backup.successions },
        audit: if goes_on { present.audit } else { backup.audit },
    }
}

/// Lets the list speak; whether it stops an agent that was not stopped.
fn revoke_by(list: &RevocationList, agent: &mut AgentRow, is_free: bool) -> bool {
    if let Some(earliest) = list.not_before.get(&agent.agent_id) {
        agent.not_before = agent.not_before.max(Some(*earliest));
    }
    let is_listed = list.key_ids.contains(&agent.key_id) || list.serials.contains(&agent.certificate.serial);
    let stops = is_listed && agent.status == AgentStatus::Active && !is_free;
    if stops {
        agent.status = AgentStatus::Revoked;
    }
    stops
}

fn void_what_is_stopped(store: &mut Export, stopped: &BTreeSet<AgentId>, now: UnixTime) {
    for certificate in &mut store.certificates {
        certificate.revoked |= stopped.contains(&certificate.agent_id);
    }
    let void: BTreeSet<KeyId> = store.revoked_keys.iter().map(|key| key.key_id).collect();
    for agent in &store.agents {
        if stopped.contains(&agent.agent_id) && !void.contains(&agent.key_id) {
            let agent_id = Some(agent.agent_id.clone());
            store.revoked_keys.push(RevokedKey { key_id: agent.key_id, agent_id, revoked_at: now });
        }
    }
}

/// Keys on the list that belong to nobody whom the store knows: of agents that came after the backup, or that have
/// changed their key since.
fn add_strangers(store: &mut Export, list: &RevocationList, now: UnixTime) {
    let known: BTreeSet<KeyId> = store
        .revoked_keys
        .iter()
        .map(|key| key.key_id)
        .chain(store.agents.iter().map(|agent| agent.key_id))
        .collect();
    let strangers = list.key_ids.iter().filter(|key_id| !known.contains(key_id));
    store.revoked_keys.extend(strangers.map(|key_id| RevokedKey {
        key_id: *key_id,
        agent_id: None,
        revoked_at: now,
    }));
}
