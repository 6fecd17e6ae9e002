//! Changes as a whole: claimed, committed, dropped, one after the other, and on a database of another version.

use a2a_core::certificate::succession::Succession;
use tokio::task::JoinSet;

use super::*;

on_both! {
    a_store_belongs_to_one_controller
    a_dropped_change_leaves_nothing
    a_change_is_seen_by_every_store_once_it_is_committed
    readers_do_not_wait_for_a_change
    a_begin_that_is_given_up_holds_nothing
    a_lock_that_is_not_given_in_time_is_told_of
    list_numbers_rise_with_the_clock_and_without_it
    changes_of_two_stores_follow_one_another
    many_may_open_a_new_database_at_once
    a_newer_schema_is_refused
    tables_of_somebody_else_are_refused
    keys_follow_one_another
}

async fn a_store_belongs_to_one_controller(ground: Ground) {
    let store = ground.store().await;
    let fresh = store.state().await.unwrap();
    assert_eq!((fresh.controller_id, fresh.key_id, fresh.audit_head), (None, None, AuditHead::EMPTY));
    let mut change = store.begin().await.unwrap();
    change.claim_controller(&id("controller"), key_id(1)).unwrap();
    let committed = change.commit().await.unwrap();
    assert_eq!(ground.store().await.state().await.unwrap(), committed);
    assert_eq!((committed.controller_id, committed.key_id), (Some(id("controller")), Some(key_id(1))));
    let mut change = store.begin().await.unwrap();
    change.claim_controller(&id("controller"), key_id(1)).unwrap();
    for (other, key) in [("controller", key_id(2)), ("other", key_id(1))] {
        let refused = change.claim_controller(&id(other), key).unwrap_err();
        assert!(matches!(&refused, StoreError::Claimed { .. }) && refused.to_string().contains("--database"));
    }
}

async fn a_dropped_change_leaves_nothing(ground: Ground) {
    let store = ground.store().await;
    let before = store.export().await.unwrap();
    let mut change = store.begin().await.unwrap();
    change.claim_controller(&id("controller"), key_id(1)).unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    change.next_list_number(NOW);
    drop(change);
    assert_eq!(store.export().await.unwrap(), before);
    let mut change = store.begin().await.unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    let doing = tokio::spawn(async move {
        enrol(&mut change, &agent("other", 2)).await;
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
    doing.abort();
    doing.await.unwrap_err();
    assert_eq!(ground.store().await.export().await.unwrap(), before);
    // The serial is free again, too.
    let mut change = store.begin().await.unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    change.commit().await.unwrap();
}

async fn a_change_is_seen_by_every_store_once_it_is_committed(ground: Ground) {
    let (one, two) = (ground.store().await, ground.store().await);
    let before = two.state().await.unwrap().version;
    let mut change = one.begin().await.unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    assert_eq!(two.state().await.unwrap().version, before);
    assert_eq!(two.agent(&id("agent")).await.unwrap(), None);
    let committed = change.commit().await.unwrap();
    assert_eq!(two.state().await.unwrap(), committed);
    assert!(committed.version > before);
    assert_eq!(two.agent(&id("agent")).await.unwrap().unwrap(), agent("agent", 1));
    one.close().await;
    assert_eq!(ground.store().await.state().await.unwrap(), committed);
}

async fn readers_do_not_wait_for_a_change(ground: Ground) {
    let (one, two) = (ground.store().await, ground.store().await);
    let mut change = one.begin().await.unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    let mut reading = JoinSet::new();
    for store in [one.clone(), two].into_iter().cycle().take(32) {
        reading.spawn(async move {
            store.counts(NOW).await.unwrap().agents + store.agents().await.unwrap().len() as u64
        });
    }
    // Were one of them to wait, this would never end: the change goes on only afterwards.
    assert_eq!(reading.join_all().await, [0; 32]);
    change.commit().await.unwrap();
    assert_eq!(one.counts(NOW).await.unwrap().agents, 1);
}

async fn a_begin_that_is_given_up_holds_nothing(ground: Ground) {
    let stores = [ground.store().await, ground.store().await];
    let change = stores[0].begin().await.unwrap();
    for store in &stores {
        for _ in 0..3 {
            tokio::time::timeout(Duration::from_millis(50), store.begin()).await.unwrap_err();
        }
    }
    drop(change);
    for (store, version) in stores.iter().zip(1..) {
        assert_eq!(store.begin().await.unwrap().commit().await.unwrap().version, version);
    }
}

async fn a_lock_that_is_not_given_in_time_is_told_of(ground: Ground) {
    let store = ground.store().await;
    let _change = store.begin().await.unwrap();
    let mut other = open::connect(&ground.database).await.unwrap().0;
    let impatient = match ground.database {
        Database::Sqlite(_) => "PRAGMA busy_timeout = 1",
        Database::Postgres(_) => "SET lock_timeout = 1",
    };
    other.execute(impatient).await.unwrap();
    let refused = other.execute("UPDATE state SET version = version + 1").await.unwrap_err();
    assert!(matches!(StoreError::from(refused), StoreError::Busy(_)));
}

async fn list_numbers_rise_with_the_clock_and_without_it(ground: Ground) {
    let store = ground.store().await;
    let mut numbers = Vec::new();
    for now in [NOW, NOW, after(LIFE), NOW] {
        let mut change = store.begin().await.unwrap();
        numbers.push(change.next_list_number(now));
        assert_eq!(change.commit().await.unwrap().list_number, *numbers.last().unwrap());
    }
    let (now, later) = (NOW.as_secs(), after(LIFE).as_secs());
    assert_eq!(numbers, [now, now + 1, later, later + 1]);
}

async fn changes_of_two_stores_follow_one_another(ground: Ground) {
    let stores = [ground.store().await, ground.store().await];
    let before = stores[0].state().await.unwrap().version;
    let mut changing = JoinSet::new();
    for number in 0..40u8 {
        let store = stores[usize::from(number % 2)].clone();
        changing.spawn(async move {
            let mut change = store.begin().await.unwrap();
            enrol(&mut change, &agent(&format!("agent{number}"), number)).await;
            let list_number = change.next_list_number(NOW);
            let state = change.commit().await.unwrap();
            (state.version, state.audit_head.seq, list_number)
        });
    }
    let mut done = changing.join_all().await;
    done.sort_unstable();
    let expected = (1..=40).map(|n| (before + n, n, NOW.as_secs() + n - 1));
    assert_eq!(done, expected.collect::<Vec<_>>());
    let seqs: Vec<_> =
        stores[0].audit(&AuditFilter::default()).await.unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
    assert_eq!(stores[1].verify_audit(None).await.unwrap(), AuditReport { entries: 40, flaw: None });
}

async fn many_may_open_a_new_database_at_once(ground: Ground) {
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        let database = ground.database.clone();
        opening.spawn(async move {
            Store::open(&database, AuditKey::new(Zeroizing::new([7; 32]))).await.unwrap()
        });
    }
    for store in opening.join_all().await {
        store.begin().await.unwrap().commit().await.unwrap();
    }
    assert_eq!(ground.store().await.state().await.unwrap().version, 8);
}

async fn a_newer_schema_is_refused(ground: Ground) {
    ground.store().await.close().await;
    ground
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
             SELECT 99, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations",
        )
        .await;
    let refused = ground.try_store().await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer(99)), "{refused:?}");
    assert!(refused.to_string().contains("newer controller"), "{refused}");
}

async fn tables_of_somebody_else_are_refused(ground: Ground) {
    ground.tamper("CREATE TABLE agents (name TEXT)").await;
    let refused = ground.try_store().await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Foreign(_)) && refused.to_string().contains("--database"),
        "{refused:?}"
    );
}

async fn keys_follow_one_another(ground: Ground) {
    let store = ground.store().await;
    let step = |former: &str, key: &str| {
        let (former, key) = (signing_key(former, PROVIDER), signing_key(key, PROVIDER));
        Succession::sign(id("controller"), &*former, &*key, NOW, after(LIFE)).unwrap()
    };
    let mut change = store.begin().await.unwrap();
    change.claim_controller(&id("controller"), public_key("one").key_id()).unwrap();
    for (former, key) in [("one", "two"), ("two", "three")] {
        change.activate_key(&step(former, key)).await.unwrap();
    }
    let refused = change.activate_key(&step("two", "four")).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Claimed { .. }),
        "a step from a key that has been succeeded: {refused:?}"
    );
    assert_eq!(change.commit().await.unwrap().key_id, Some(public_key("three").key_id()));
    let steps = ground.store().await.successions().await.unwrap();
    let keys: Vec<_> = steps.iter().map(|step| step.key.key_id()).collect();
    assert_eq!(keys, [public_key("two").key_id(), public_key("three").key_id()]);
}

/// Where the disk is full, SQLite undoes a change by itself, and the driver does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_sqlite_has_undone_leaves_no_connection_that_cannot_begin() {
    let ground = Ground::sqlite();
    let store = ground.store().await;
    let mut undone = store.begin().await.unwrap();
    undone.connection().execute("ROLLBACK").await.unwrap();
    undone.commit().await.unwrap_err();
    for _ in 0..9 {
        store.begin().await.unwrap().commit().await.unwrap();
    }
}
