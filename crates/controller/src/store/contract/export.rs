//! Backups: everything, and the same whichever database gives or takes it.

use a2a_core::certificate::succession::Succession;
use serde_json::json;
use sqlx::Row;

use super::*;

on_both! {
    everything_comes_back_on_another_database
    an_import_replaces_everything_and_nothing_falls
}

/// A row at least in every table.
async fn fill(store: &Store) {
    let mut change = store.begin().await.unwrap();
    change.claim_controller(&id("controller"), public_key("one").key_id()).unwrap();
    enrol(&mut change, &AgentRow { not_before: Some(NOW), status: AgentStatus::Held, ..agent("one", 1) })
        .await;
    enrol(&mut change, &agent("two", 2)).await;
    change.revoke_certificates(&id("two")).await.unwrap();
    let (key_id, agent_id) = (key_id(3), id("one"));
    change
        .revoke_key(&RevokedKey { key_id, agent_id: Some(agent_id.clone()), revoked_at: NOW })
        .await
        .unwrap();
    let open = TokenRow {
        hash: key_id,
        agent_id: agent_id.clone(),
        created_at: NOW,
        expires_at: after(LIFE),
        spent_at: None,
        serial: None,
    };
    change.add_token(&open).await.unwrap();
    let serial = Hex::from_bytes([1; 16]);
    change.add_token(&TokenRow { hash: Hex::from_bytes([4; 32]), ..open }).await.unwrap();
    change.spend_token(&key_id, &agent_id, &serial, NOW).await.unwrap();
    let approval = ApprovalRow {
        key: ApprovalKey { agent_id, key_id, card_hash: key_id },
        name: "name".to_owned(),
        address: "address".to_owned(),
        asked_at: NOW,
        expires_at: after(LIFE),
        decision: Decision::Pending,
    };
    change.put_approval(&approval).await.unwrap();
    let (former, key) = (signing_key("one", PROVIDER), signing_key("two", PROVIDER));
    let step = Succession::sign(id("controller"), &*former, &*key, NOW, after(LIFE)).unwrap();
    change.activate_key(&step).await.unwrap();
    change.next_list_number(NOW);
    change.commit().await.unwrap();
}

/// What stays, whatever else is imported: the version goes on.
fn without_version(export: &Export) -> Export {
    Export { state: State { version: 0, ..export.state.clone() }, ..export.clone() }
}

async fn everything_comes_back_on_another_database(ground: Ground) {
    let store = ground.store().await;
    fill(&store).await;
    assert_eq!(tables(&ground).await, TABLES, "a new table belongs into the export");
    let export = store.export().await.unwrap();
    let json = serde_json::to_string(&export).unwrap();
    let members: serde_json::Value = serde_json::from_str(&json).unwrap();
    for table in TABLES {
        let filled =
            members[table].as_array().is_none_or(|rows| !rows.is_empty()) && !members[table].is_null();
        assert!(filled, "{table}");
    }
    let parsed: Export = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed, export);
    let other = Ground::sqlite();
    let target = other.store().await;
    let mut change = target.begin().await.unwrap();
    change.import(&parsed).await.unwrap();
    let state = change.commit().await.unwrap();
    let back = target.export().await.unwrap();
    assert_eq!(without_version(&back), without_version(&export));
    assert_eq!(back.state, state);
    assert_eq!(target.verify_audit(Some(export.state.audit_head)).await.unwrap().flaw, None);
    // And from there to where it came from.
    let mut change = store.begin().await.unwrap();
    change.import(&back).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(without_version(&store.export().await.unwrap()), without_version(&export));
}

async fn an_import_replaces_everything_and_nothing_falls(ground: Ground) {
    let store = ground.store().await;
    fill(&store).await;
    let early = store.export().await.unwrap();
    let mut change = store.begin().await.unwrap();
    let mut long = agent("late", 9);
    long.certificate.expires_at = after(LIFE * 2);
    enrol(&mut change, &long).await;
    let number = change.next_list_number(after(LIFE));
    let before = change.commit().await.unwrap();
    let mut change = store.begin().await.unwrap();
    change.import(&early).await.unwrap();
    change.record(after(LIFE), Event::Restored, None, json!({})).await.unwrap();
    let state = change.commit().await.unwrap();
    assert!(state.version > before.version);
    assert_eq!((state.list_number, state.longest_life), (number, (LIFE * 2).as_secs()));
    assert_eq!(state.audit_head.seq, early.state.audit_head.seq + 1);
    let restored = store.export().await.unwrap();
    assert_eq!(restored.agents, early.agents);
    assert_eq!(restored.certificates, early.certificates);
    assert_eq!(store.verify_audit(None).await.unwrap().flaw, None);
}

async fn tables(ground: &Ground) -> Vec<String> {
    let mut connection = open::connect(&ground.database).await.unwrap().0;
    let rows = sqlx::query(match ground.database {
        Database::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table'",
        Database::Postgres(_) => {
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables WHERE table_schema = 'public'"
        }
    });
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    let mut names: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    names.retain(|name| name != "_sqlx_migrations");
    names.sort();
    names
}

const TABLES: [&str; 8] =
    ["agents", "approvals", "audit", "certificates", "revoked_keys", "state", "successions", "tokens"];
