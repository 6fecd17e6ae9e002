//! The audit chain: what fits a filter, and that nobody without the key changes it unseen.

use serde_json::json;

use super::*;

on_both! {
    entries_come_back_as_a_filter_asks
    a_log_may_grow_while_it_is_verified
    an_edited_entry_is_found
    a_deleted_entry_is_found
    a_truncated_log_is_found
    a_log_set_back_with_its_end_is_found_by_the_anchor
    reordered_entries_are_found
    a_forged_entry_is_found
    a_log_under_another_key_is_found
    a_log_that_goes_on_after_it_was_set_back_is_found
    an_entry_of_another_history_is_found
}

/// Five entries, the chain found good, and the anchor of then.
async fn five(ground: &Ground) -> (Store, AuditHead) {
    let store = ground.store().await;
    for number in 1..=5u8 {
        let mut change = store.begin().await.unwrap();
        let (event, about) = match number {
            1 => (Event::KeyMade, None),
            2 | 4 => (Event::Enrolled, Some(id("one"))),
            _ => (Event::Revoked, Some(id("two"))),
        };
        let at = after(Duration::from_secs(number.into()));
        change
            .record(at, event, about.as_ref(), json!({ "number": number, "why": "\u{0}\"é\u{1F600}" }))
            .await
            .unwrap();
        change.commit().await.unwrap();
    }
    let head = store.state().await.unwrap().audit_head;
    assert_eq!(head.seq, 5);
    for anchor in [None, Some(head)] {
        assert_eq!(store.verify_audit(anchor).await.unwrap(), AuditReport { entries: 5, flaw: None });
    }
    (store, head)
}

/// The flaw that is found with the anchor, and the one without.
async fn flaws(store: &Store, anchor: AuditHead) -> [Option<Flaw>; 2] {
    let (with, without) =
        (store.verify_audit(Some(anchor)).await.unwrap(), store.verify_audit(None).await.unwrap());
    [with.flaw, without.flaw]
}

async fn entries_come_back_as_a_filter_asks(ground: Ground) {
    let (store, _) = five(&ground).await;
    let seqs = async |filter: AuditFilter| -> Vec<u64> {
        store.audit(&filter).await.unwrap().iter().map(|entry| entry.seq).collect()
    };
    let all = AuditFilter::default;
    assert_eq!(seqs(all()).await, [1, 2, 3, 4, 5]);
    assert_eq!(seqs(AuditFilter { agent_id: Some(id("one")), ..all() }).await, [2, 4]);
    assert_eq!(seqs(AuditFilter { event: Some(Event::Revoked), ..all() }).await, [3, 5]);
    assert_eq!(seqs(AuditFilter { since: Some(after(Duration::from_secs(4))), ..all() }).await, [4, 5]);
    assert_eq!(seqs(AuditFilter { last: Some(2), ..all() }).await, [4, 5]);
    let one = AuditFilter { agent_id: Some(id("two")), event: Some(Event::Revoked), last: Some(1), ..all() };
    let entries = store.audit(&one).await.unwrap();
    assert_eq!((entries.len(), entries[0].seq), (1, 5));
    assert_eq!(entries[0].detail, json!({ "number": 5, "why": "\u{0}\"é\u{1F600}" }));
    assert_eq!((entries[0].event, &entries[0].agent_id), (Event::Revoked, &Some(id("two"))));
}

async fn a_log_may_grow_while_it_is_verified(ground: Ground) {
    let (reader, writer) = (ground.store().await, ground.store().await);
    let writing = tokio::spawn(async move {
        for _ in 0..100 {
            let mut change = writer.begin().await.unwrap();
            change.record(NOW, Event::Refused, None, json!({})).await.unwrap();
            change.commit().await.unwrap();
        }
    });
    while !writing.is_finished() {
        assert_eq!(reader.verify_audit(None).await.unwrap().flaw, None);
    }
    writing.await.unwrap();
    assert_eq!(reader.verify_audit(None).await.unwrap(), AuditReport { entries: 100, flaw: None });
}

async fn an_edited_entry_is_found(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    let edits = [
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", "UPDATE audit SET at = at - 1 WHERE seq = 3"),
        (
            "UPDATE audit SET event = 'banned' WHERE seq = 3",
            "UPDATE audit SET event = 'revoked' WHERE seq = 3",
        ),
        (
            "UPDATE audit SET event = 'nothing' WHERE seq = 3",
            "UPDATE audit SET event = 'revoked' WHERE seq = 3",
        ),
        ("UPDATE audit SET agent_id = NULL WHERE seq = 3", "UPDATE audit SET agent_id = 'two' WHERE seq = 3"),
        (
            "UPDATE audit SET agent_id = 'one' WHERE seq = 3",
            "UPDATE audit SET agent_id = 'two' WHERE seq = 3",
        ),
        (
            "UPDATE audit SET detail = ' ' || detail WHERE seq = 3",
            "UPDATE audit SET detail = LTRIM(detail) WHERE seq = 3",
        ),
        (
            "UPDATE audit SET detail = REPLACE(detail, '3', '4') WHERE seq = 3",
            "UPDATE audit SET detail = REPLACE(detail, '4', '3') WHERE seq = 3",
        ),
        (
            "UPDATE audit SET hash = UPPER(hash) WHERE seq = 3",
            "UPDATE audit SET hash = LOWER(hash) WHERE seq = 3",
        ),
    ];
    for (edit, undo) in edits {
        ground.tamper(edit).await;
        assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Edited(3)); 2], "{edit}");
        ground.tamper(undo).await;
        assert_eq!(flaws(&store, anchor).await, [None; 2], "{undo}");
    }
    ground.tamper("UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 1) WHERE seq = 5").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Edited(5)); 2]);
    ground.tamper("UPDATE state SET audit_hash = (SELECT hash FROM audit WHERE seq = 1)").await;
    ground.tamper("DELETE FROM audit WHERE seq > 4").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Truncated(5)); 2]);
    ground.tamper("UPDATE state SET audit_seq = 4").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Truncated(5)), Some(Flaw::End(4))]);
}

async fn a_deleted_entry_is_found(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    ground.tamper("DELETE FROM audit WHERE seq = 3").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Missing(3)); 2]);
    // And with the gap closed.
    ground.tamper("UPDATE audit SET seq = 3 WHERE seq = 4").await;
    ground.tamper("UPDATE audit SET seq = 4 WHERE seq = 5").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Edited(3)); 2]);
    ground.tamper("DELETE FROM audit WHERE seq = 1").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Missing(1)); 2]);
}

async fn a_truncated_log_is_found(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    ground.tamper("DELETE FROM audit WHERE seq > 3").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Truncated(4)); 2]);
    ground.tamper("DELETE FROM audit").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Truncated(1)); 2]);
}

async fn a_log_set_back_with_its_end_is_found_by_the_anchor(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    ground.tamper("DELETE FROM audit WHERE seq > 3").await;
    ground
        .tamper("UPDATE state SET audit_seq = 3, audit_hash = (SELECT hash FROM audit WHERE seq = 3)")
        .await;
    // The database contradicts itself nowhere: only the anchor tells.
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Truncated(4)), None]);
}

async fn reordered_entries_are_found(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    ground.tamper("UPDATE audit SET seq = 99 WHERE seq = 2").await;
    ground.tamper("UPDATE audit SET seq = 2 WHERE seq = 4").await;
    ground.tamper("UPDATE audit SET seq = 4 WHERE seq = 99").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Edited(2)); 2]);
}

async fn a_forged_entry_is_found(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    ground
        .tamper("INSERT INTO audit SELECT 6, at, event, agent_id, detail, hash FROM audit WHERE seq = 5")
        .await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Appended(6)); 2]);
    ground.tamper("UPDATE state SET audit_seq = 6").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Edited(6)); 2]);
    ground.tamper("DELETE FROM audit WHERE seq = 6").await;
    ground.tamper("UPDATE state SET audit_seq = 5").await;
    assert_eq!(flaws(&store, anchor).await, [None; 2]);
    // Before the first, where nobody looks.
    ground
        .tamper("INSERT INTO audit SELECT 0, at, event, agent_id, detail, hash FROM audit WHERE seq = 1")
        .await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Edited(0)); 2]);
}

async fn a_log_under_another_key_is_found(ground: Ground) {
    let (_, anchor) = five(&ground).await;
    let other = Store::open(&ground.database, AuditKey::new(Zeroizing::new([8; 32]))).await.unwrap();
    assert_eq!(flaws(&other, anchor).await, [Some(Flaw::Edited(1)); 2]);
}

/// Takes the log back to its third entry, and lets it go on to another sixth.
async fn go_on_from_the_third(ground: &Ground, store: &Store) {
    ground.tamper("DELETE FROM audit WHERE seq > 3").await;
    ground
        .tamper("UPDATE state SET audit_seq = 3, audit_hash = (SELECT hash FROM audit WHERE seq = 3)")
        .await;
    for _ in 4..=6 {
        let mut change = store.begin().await.unwrap();
        change.record(NOW, Event::Refused, None, json!({})).await.unwrap();
        change.commit().await.unwrap();
    }
}

async fn a_log_that_goes_on_after_it_was_set_back_is_found(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    go_on_from_the_third(&ground, &store).await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Rewritten(5)), None]);
}

async fn an_entry_of_another_history_is_found(ground: Ground) {
    let (store, anchor) = five(&ground).await;
    ground.tamper("CREATE TABLE kept AS SELECT * FROM audit WHERE seq = 4").await;
    go_on_from_the_third(&ground, &store).await;
    // Its number is right, and so is its own hash; but the one after it does not follow from it.
    ground.tamper("DELETE FROM audit WHERE seq = 4").await;
    ground.tamper("INSERT INTO audit SELECT * FROM kept").await;
    assert_eq!(flaws(&store, anchor).await, [Some(Flaw::Edited(5)); 2]);
}

#[test]
fn one_refusal_a_second_is_entered_and_the_others_are_counted() {
    let refusals = Refusals::default();
    let admitted: Vec<_> =
        [0, 0, 0, 1, 5, 5, 6].map(|secs| refusals.admit(after(Duration::from_secs(secs)))).into();
    assert_eq!(admitted, [Some(0), None, None, Some(2), Some(0), None, Some(1)]);
}

#[test]
fn the_anchor_keeps_the_latest_head() {
    let dir = TempDir::new().unwrap();
    let anchor = Anchor::new(dir.path());
    let head = |seq, hash| AuditHead { seq, hash: key_id(hash) };
    assert_eq!(anchor.read().unwrap(), None);
    for later in [head(1, 1), head(5, 5), head(5, 5)] {
        assert_eq!(anchor.keep(later).unwrap(), Kept::Yes);
    }
    for behind in [head(4, 4), head(5, 6)] {
        assert_eq!(anchor.keep(behind).unwrap(), Kept::Behind(head(5, 5)));
    }
    assert_eq!(anchor.read().unwrap(), Some(head(5, 5)));
    anchor.replace(head(2, 2)).unwrap();
    assert_eq!(Anchor::new(dir.path()).read().unwrap(), Some(head(2, 2)));
    std::fs::write(dir.path().join("audit.head"), "{}").unwrap();
    assert!(anchor.read().unwrap_err().to_string().contains("audit.head"));
}
