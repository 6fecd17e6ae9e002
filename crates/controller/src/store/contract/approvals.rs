//! Enrolments that wait for the operator.

use super::*;

on_both! {
    an_approval_is_decided_once
    an_approval_is_for_one_card_of_one_key
    an_approval_ends
    approvals_are_bounded
}

fn approval(number: u8) -> ApprovalRow {
    ApprovalRow {
        key: ApprovalKey {
            agent_id: id("agent"),
            key_id: key_id(number),
            card_hash: Hex::from_bytes([8; 32]),
        },
        name: "An \"Agent\"".to_owned(),
        address: "https://localhost:5001".to_owned(),
        asked_at: NOW,
        expires_at: after(LIFE),
        decision: Decision::Pending,
    }
}

async fn an_approval_is_decided_once(ground: Ground) {
    let (one, two) = (ground.store().await, ground.store().await);
    for (number, decision) in [(1, Decision::Approved), (2, Decision::Rejected)] {
        let (row, key) = (approval(number), approval(number).key);
        let mut change = one.begin().await.unwrap();
        assert_eq!(change.put_approval(&row).await.unwrap(), row);
        change.commit().await.unwrap();
        assert_eq!(two.counts(NOW).await.unwrap().approvals, 1);
        let mut change = two.begin().await.unwrap();
        change.decide_approval(&key, decision, NOW).await.unwrap();
        change.commit().await.unwrap();
        let decided = ApprovalRow { decision, ..row.clone() };
        assert_eq!(one.approval(&key, NOW).await.unwrap(), Some(decided.clone()));
        let mut change = one.begin().await.unwrap();
        let again = change.decide_approval(&key, Decision::Approved, NOW).await;
        assert!(matches!(again, Err(ApprovalError::Decided(was)) if was == decision), "{again:?}");
        assert_eq!(change.put_approval(&row).await.unwrap(), decided, "asking again changes nothing");
    }
    assert_eq!(one.approvals(NOW).await.unwrap().len(), 2);
}

async fn an_approval_is_for_one_card_of_one_key(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    change.put_approval(&approval(1)).await.unwrap();
    let right = approval(1).key;
    for other in [
        ApprovalKey { agent_id: id("other"), ..right.clone() },
        ApprovalKey { key_id: key_id(2), ..right.clone() },
        ApprovalKey { card_hash: Hex::from_bytes([9; 32]), ..right.clone() },
    ] {
        let refused = change.decide_approval(&other, Decision::Approved, NOW).await;
        assert!(matches!(refused, Err(ApprovalError::Unknown)), "{refused:?}");
        change.drop_approval(&other).await.unwrap();
    }
    change.decide_approval(&right, Decision::Approved, NOW).await.unwrap();
    change.drop_approval(&right).await.unwrap();
    assert_eq!(change.approval(&right, NOW).await.unwrap(), None, "used");
}

async fn an_approval_ends(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    change.put_approval(&approval(1)).await.unwrap();
    change.decide_approval(&approval(1).key, Decision::Approved, NOW).await.unwrap();
    change.put_approval(&approval(2)).await.unwrap();
    let late = change.decide_approval(&approval(2).key, Decision::Approved, after(LIFE)).await;
    assert!(matches!(late, Err(ApprovalError::Unknown)), "{late:?}");
    assert_eq!(change.approval(&approval(1).key, after(LIFE)).await.unwrap(), None);
    change.commit().await.unwrap();
    assert_eq!(store.approval(&approval(1).key, after(LIFE)).await.unwrap(), None);
    assert!(store.approvals(after(LIFE)).await.unwrap().is_empty());
    // Asked again, it waits again.
    let mut change = store.begin().await.unwrap();
    let again = ApprovalRow { asked_at: after(LIFE), expires_at: after(LIFE * 2), ..approval(1) };
    assert_eq!(change.put_approval(&again).await.unwrap(), again);
    assert_eq!(change.export().await.unwrap().approvals, [again], "the other is forgotten");
}

async fn approvals_are_bounded(ground: Ground) {
    let store = ground.store().await;
    ground
        .tamper(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
             INSERT INTO approvals (agent_id, key_id, card_hash, name, address, asked_at, expires_at, decision) \
             SELECT CAST(i AS TEXT), 'k', 'c', 'n', 'a', 1800000000, 1800003600, 'pending' FROM n",
        )
        .await;
    let mut change = store.begin().await.unwrap();
    let refused = change.put_approval(&approval(1)).await;
    assert!(matches!(refused, Err(ApprovalError::Full(1_000))), "{refused:?}");
    let later = ApprovalRow { asked_at: after(LIFE), expires_at: after(LIFE * 2), ..approval(1) };
    change.put_approval(&later).await.unwrap();
}
