//! The agents: entered, replaced, listed, bounded.

use super::*;

on_both! {
    an_agent_comes_back_as_it_was_put
    agents_stand_in_the_order_of_their_ids
    the_number_of_agents_is_bounded_and_those_inside_still_renew
    the_directory_holds_what_is_good_now
    a_certificate_belongs_to_an_agent_that_is_there
}

async fn an_agent_comes_back_as_it_was_put(ground: Ground) {
    let store = ground.store().await;
    for status in AgentStatus::ALL {
        for not_before in [None, Some(after(LIFE))] {
            let mut row = agent("agent", 1);
            (row.status, row.not_before, row.key_id) = (*status, not_before, key_id(3));
            let mut change = store.begin().await.unwrap();
            change.put_agent(&row, 1).await.unwrap();
            assert_eq!(change.agent(&row.agent_id).await.unwrap().unwrap(), row);
            change.commit().await.unwrap();
            assert_eq!(store.agent(&row.agent_id).await.unwrap().unwrap(), row);
        }
    }
    assert_eq!(store.agents().await.unwrap().len(), 1);
}

async fn agents_stand_in_the_order_of_their_ids(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    for (number, name) in (1..).zip(["b", "a_b", "a1", "a-c", "ab", "a"]) {
        enrol(&mut change, &agent(name, number)).await;
    }
    change.commit().await.unwrap();
    let expected = ["a", "a-c", "a1", "a_b", "ab", "b"];
    assert_eq!(
        store.agents().await.unwrap().iter().map(|a| a.agent_id.as_str()).collect::<Vec<_>>(),
        expected
    );
    let listed = store.certificates_valid_at(NOW).await.unwrap();
    assert_eq!(listed.iter().map(|c| c.agent_card.agent_id.as_str()).collect::<Vec<_>>(), expected);
}

async fn the_number_of_agents_is_bounded_and_those_inside_still_renew(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    change.put_agent(&agent("one", 1), 2).await.unwrap();
    change.put_agent(&agent("two", 2), 2).await.unwrap();
    let refused = change.put_agent(&agent("three", 3), 2).await;
    assert!(matches!(refused, Err(AgentsFull::Full(2))), "{refused:?}");
    change.put_agent(&agent("one", 4), 2).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(store.counts(NOW).await.unwrap().agents, 2);
}

async fn the_directory_holds_what_is_good_now(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    let mut superseded = agent("superseded", 2);
    superseded.not_before = Some(after(Duration::from_secs(1)));
    let mut as_new = agent("as-new", 3);
    as_new.not_before = Some(NOW);
    let mut short = agent("short", 4);
    short.certificate.agent_card.expires_at = after(LIFE / 2);
    for row in [agent("good", 1), superseded, as_new, short] {
        enrol(&mut change, &row).await;
    }
    for (number, status) in (5..).zip([AgentStatus::Revoked, AgentStatus::Banned, AgentStatus::Held]) {
        enrol(&mut change, &AgentRow { status, ..agent(status.as_str(), number) }).await;
    }
    change.commit().await.unwrap();
    for (now, expected) in
        [(NOW, &["as-new", "good", "short"][..]), (after(LIFE / 2), &["as-new", "good"]), (after(LIFE), &[])]
    {
        let listed = store.certificates_valid_at(now).await.unwrap();
        assert_eq!(listed.iter().map(|c| c.agent_card.agent_id.as_str()).collect::<Vec<_>>(), expected);
        let counts = store.counts(now).await.unwrap();
        assert_eq!((counts.agents, counts.valid, counts.revoked), (7, expected.len() as u64, 3));
    }
}

async fn a_certificate_belongs_to_an_agent_that_is_there(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    // In either order, but both.
    change.issue(&certificate("agent", 1)).await.unwrap();
    change.put_agent(&agent("agent", 1), 1).await.unwrap();
    change.commit().await.unwrap();
    let mut change = store.begin().await.unwrap();
    change.issue(&certificate("nobody", 2)).await.unwrap();
    change.commit().await.unwrap_err();
    assert_eq!(store.export().await.unwrap().certificates.len(), 1);
}
