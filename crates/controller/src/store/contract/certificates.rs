//! Certificates: each serial and nonce once, forgotten in the end, revoked as a list says it.

use super::*;

on_both! {
    serials_and_nonces_are_used_once
    certificates_are_forgotten_a_day_after_their_end
    what_is_revoked_is_told_while_it_matters
    a_key_is_revoked_until_it_is_reinstated
    superseded_certificates_are_told_of_while_they_could_hold
}

async fn serials_and_nonces_are_used_once(ground: Ground) {
    let (one, two) = (ground.store().await, ground.store().await);
    let mut change = one.begin().await.unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    change.commit().await.unwrap();
    let mut change = two.begin().await.unwrap();
    let (mut same_serial, mut same_nonce) = (certificate("agent", 2), certificate("agent", 3));
    same_serial.serial = certificate("agent", 1).serial;
    same_nonce.nonce = certificate("agent", 1).nonce;
    let refused = change.issue(&same_serial).await;
    assert!(matches!(refused, Err(IssueError::SerialUsed)), "{refused:?}");
    let refused = change.issue(&same_nonce).await;
    assert!(matches!(refused, Err(IssueError::NonceUsed)), "{refused:?}");
    // A refusal is not the end of the change.
    change.issue(&certificate("agent", 4)).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(one.export().await.unwrap().certificates.len(), 2);
}

async fn certificates_are_forgotten_a_day_after_their_end(ground: Ground) {
    let store = ground.store().await;
    let day = Duration::from_hours(24);
    let mut change = store.begin().await.unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    for (number, issued_at, left) in
        [(2, after(LIFE + day), 2), (3, after(LIFE + day + Duration::from_secs(1)), 2)]
    {
        let mut later = certificate("agent", number);
        (later.issued_at, later.expires_at) = (issued_at, issued_at.saturating_add(LIFE));
        change.issue(&later).await.unwrap();
        assert_eq!(change.export().await.unwrap().certificates.len(), left, "{number}");
    }
}

async fn what_is_revoked_is_told_while_it_matters(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    for (number, name) in [(3, "bad"), (1, "bad"), (2, "good")] {
        enrol(&mut change, &agent(name, number)).await;
    }
    change.revoke_certificates(&id("bad")).await.unwrap();
    enrol(&mut change, &agent("bad", 4)).await;
    let number = change.next_list_number(NOW);
    change.commit().await.unwrap();
    let content = store.revoked_content(NOW).await.unwrap();
    assert_eq!(content.serials, [Hex::from_bytes([1; 16]), Hex::from_bytes([3; 16])]);
    assert_eq!((content.number, content.key_ids.len(), content.not_before.len()), (number, 0, 0));
    // Agents' clocks may be late by the skew.
    let end = after(LIFE).saturating_add(a2a_core::time::CLOCK_SKEW);
    let just_before = end.saturating_sub(Duration::from_secs(1));
    assert_eq!(store.revoked_content(just_before).await.unwrap().serials.len(), 2);
    assert!(store.revoked_content(end).await.unwrap().serials.is_empty());
}

async fn a_key_is_revoked_until_it_is_reinstated(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    enrol(&mut change, &agent("agent", 1)).await;
    let key = |number| RevokedKey { key_id: key_id(number), agent_id: Some(id("agent")), revoked_at: NOW };
    for number in [6, 5, 6] {
        change.revoke_key(&key(number)).await.unwrap();
    }
    change.commit().await.unwrap();
    let years_later = after(Duration::from_hours(100_000));
    assert_eq!(store.revoked_content(years_later).await.unwrap().key_ids, [key_id(5), key_id(6)]);
    let mut change = store.begin().await.unwrap();
    assert_eq!(change.revoked_key(key_id(5)).await.unwrap(), Some(key(5)));
    change.reinstate_key(key_id(5)).await.unwrap();
    assert_eq!(change.revoked_key(key_id(5)).await.unwrap(), None);
    change.commit().await.unwrap();
    assert_eq!(store.revoked_content(NOW).await.unwrap().key_ids, [key_id(6)]);
}

async fn superseded_certificates_are_told_of_while_they_could_hold(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    let not_before = after(Duration::from_secs(10));
    enrol(&mut change, &AgentRow { not_before: Some(not_before), ..agent("rekeyed", 1) }).await;
    enrol(&mut change, &agent("other", 2)).await;
    // A shorter life of later does not end what was given before.
    let mut short = certificate("other", 3);
    short.expires_at = after(Duration::from_secs(1));
    change.issue(&short).await.unwrap();
    change.commit().await.unwrap();
    let end = not_before.saturating_add(LIFE + a2a_core::time::CLOCK_SKEW);
    let told = store.revoked_content(end.saturating_sub(Duration::from_secs(1))).await.unwrap().not_before;
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [(id("rekeyed"), not_before)]);
    assert!(store.revoked_content(end).await.unwrap().not_before.is_empty());
}
