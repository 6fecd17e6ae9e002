//! Verifying the audit chain: every entry against the one before it, the last against the state row, and both against
//! the head that the controller itself last saw. The first flaw is named.
//!
//! Whoever can write to the database and has neither the key nor the anchor is found out. Whoever holds the key can
//! write history anew up to the anchor's entry; nothing here can tell that from truth.

use a2a_core::wire::{self, Hex};
use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use thiserror::Error;

use super::audit::{AuditKey, Link};
use super::error::StoreError;
use super::{AuditHead, State, Store};

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AuditReport {
    /// How many entries were walked through, up to the flaw if there is one.
    pub(crate) entries: u64,
    /// What is wrong first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flaw: Option<Flaw>,
}

/// What is wrong with a chain, and at which entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "snake_case", tag = "flaw", content = "seq")]
pub(crate) enum Flaw {
    /// The entry is not what was written, or does not follow from the one before it.
    #[error("entry {0} was edited, moved or forged")]
    Edited(u64),
    /// There is no such entry, but there are later ones.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// There is no such entry, nor any later one, but there was.
    #[error("entry {0} and all after it are missing: the log was truncated")]
    Truncated(u64),
    /// The state row knows of no such entry.
    #[error("entry {0} stands beyond the recorded end: it was added by hand, or the end was set back")]
    Appended(u64),
    /// The state row has another hash for it.
    #[error("the recorded end, entry {0}, has another hash than that entry")]
    End(u64),
    /// This controller has seen another entry of that number.
    #[error(
        "entry {0} is not the one that this controller has seen: the log was written anew, or is another's"
    )]
    Rewritten(u64),
}

impl Store {
    /// Walks the whole chain. `anchor` is the head that this controller last saw, if it has seen one.
    pub(crate) async fn verify_audit(&self, anchor: Option<AuditHead>) -> Result<AuditReport, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let recorded = State::read(&mut snapshot).await?.audit_head;
        let mut walk = Walk { key: &self.audit_key, recorded, anchor, at: AuditHead::EMPTY };
        let outcome = walk.through(&mut snapshot).await?;
        let flaw = outcome.err();
        Ok(AuditReport { entries: walk.at.seq, flaw })
    }
}

struct Walk<'a> {
    key: &'a AuditKey,
    recorded: AuditHead,
    anchor: Option<AuditHead>,
    /// The last entry that was found good.
    at: AuditHead,
}

impl Walk<'_> {
    async fn through(&mut self, connection: &mut AnyConnection) -> Result<Result<(), Flaw>, StoreError> {
        // Below the first number, so that entries are found that somebody put before it.
        let mut after = i64::MIN;
        loop {
            let page = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2");
            let rows = page.bind(after).bind(PAGE).fetch_all(&mut *connection).await?;
            for row in &rows {
                if let Err(flaw) = self.step(row)? {
                    return Ok(Err(flaw));
                }
            }
            if rows.is_empty() {
                return Ok(self.end());
            }
            after = i64::try_from(self.at.seq).unwrap_or(i64::MAX);
        }
    }

    fn step(&mut self, row: &AnyRow) -> Result<Result<(), Flaw>, StoreError> {
        let seq = self.at.seq + 1;
        let Some(entry) = Stored::of(row) else { return Ok(Err(Flaw::Edited(seq))) };
        if entry.seq > seq {
            return Ok(Err(if seq > self.recorded.seq {
                Flaw::Appended(entry.seq)
            } else {
                Flaw::Missing(seq)
            }));
        }
        if seq > self.recorded.seq {
            return Ok(Err(Flaw::Appended(seq)));
        }
        if entry.seq < seq || entry.hash != self.key.chain(&self.at.hash, &entry.link())? {
            return Ok(Err(Flaw::Edited(entry.seq)));
        }
        self.at = AuditHead { seq, hash: entry.hash };
        if self.anchor.is_some_and(|anchor| anchor.seq == seq && anchor.hash != entry.hash) {
            return Ok(Err(Flaw::Rewritten(seq)));
        }
        Ok(Ok(()))
    }

    fn end(&self) -> Result<(), Flaw> {
        let known = self.anchor.map_or(0, |anchor| anchor.seq).max(self.recorded.seq);
        if self.at.seq < known {
            return Err(Flaw::Truncated(self.at.seq + 1));
        }
        if self.at != self.recorded {
            return Err(Flaw::End(self.recorded.seq));
        }
        Ok(())
    }
}

/// An entry as it stands there, which need not be as this program writes it.
struct Stored {
    seq: u64,
    at: u64,
    event: String,
    agent_id: Option<String>,
    detail: Value,
    hash: Hex<32>,
}

impl Stored {
    fn of(row: &AnyRow) -> Option<Self> {
        let number = |column| u64::try_from(row.try_get::<i64, _>(column).ok()?).ok();
        let text: &str = row.try_get("detail").ok()?;
        let detail: Value = serde_json::from_str(text).ok()?;
        // Written in another way, it means the same; but this program did not write it.
        if wire::canonical_json(&detail).ok()? != text.as_bytes() {
            return None;
        }
        Some(Self {
            seq: number("seq")?,
            at: number("at")?,
            event: row.try_get("event").ok()?,
            agent_id: row.try_get("agent_id").ok()?,
            detail,
            hash: row.try_get::<&str, _>("hash").ok()?.parse().ok()?,
        })
    }

    fn link(&self) -> Link<'_> {
        let Self { seq, at, event, agent_id, detail, .. } = self;
        Link { seq: *seq, at: *at, event, agent_id: agent_id.as_deref(), detail }
    }
}

/// How many entries are read at once.
const PAGE: i64 = 1_000;
