//! Join tokens: spent once, whoever races, and every loser told why.

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::*;

on_both! {
    a_token_is_spent_once_by_its_agent_in_time
    of_64_that_race_on_two_stores_one_spends_it
    a_token_is_not_spent_if_the_change_is_dropped
    open_tokens_are_bounded
    tokens_are_forgotten_a_day_after_their_end
}

fn token(number: u8) -> TokenRow {
    TokenRow {
        hash: Hex::from_bytes([number; 32]),
        agent_id: id("agent"),
        created_at: NOW,
        expires_at: after(LIFE),
        spent_at: None,
        serial: None,
    }
}

const SERIAL: Hex<16> = Hex::from_bytes([1; 16]);

async fn a_token_is_spent_once_by_its_agent_in_time(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    change.add_token(&token(1)).await.unwrap();
    change.add_token(&token(2)).await.unwrap();
    let hash = token(1).hash;
    let unknown = change.spend_token(&token(9).hash, &id("agent"), &SERIAL, NOW).await;
    assert!(matches!(unknown, Err(TokenError::Unknown)), "{unknown:?}");
    let other = change.spend_token(&hash, &id("other"), &SERIAL, NOW).await;
    assert!(matches!(other, Err(TokenError::WrongAgent)), "{other:?}");
    let late = change.spend_token(&hash, &id("agent"), &SERIAL, after(LIFE)).await;
    assert!(matches!(late, Err(TokenError::Expired)), "{late:?}");
    let in_time = after(LIFE).saturating_sub(Duration::from_secs(1));
    change.spend_token(&hash, &id("agent"), &SERIAL, in_time).await.unwrap();
    for now in [in_time, after(LIFE)] {
        let again = change.spend_token(&hash, &id("agent"), &SERIAL, now).await;
        assert!(matches!(again, Err(TokenError::Spent)), "{again:?}");
    }
    change.commit().await.unwrap();
    // The same answers without a change.
    let check =
        async |number, agent_id, now| store.check_token(&token(number).hash, &id(agent_id), now).await;
    check(2, "agent", in_time).await.unwrap();
    assert!(matches!(check(9, "agent", NOW).await, Err(TokenError::Unknown)));
    assert!(matches!(check(2, "other", NOW).await, Err(TokenError::WrongAgent)));
    assert!(matches!(check(1, "agent", NOW).await, Err(TokenError::Spent)));
    assert!(matches!(check(2, "agent", after(LIFE)).await, Err(TokenError::Expired)));
    let spent = TokenRow { spent_at: Some(in_time), serial: Some(SERIAL), ..token(1) };
    assert_eq!(ground.store().await.tokens().await.unwrap(), [spent, token(2)]);
    assert_eq!(store.counts(NOW).await.unwrap().tokens, 1);
}

async fn of_64_that_race_on_two_stores_one_spends_it(ground: Ground) {
    let stores = [ground.store().await, ground.store().await];
    let mut change = stores[0].begin().await.unwrap();
    change.add_token(&token(1)).await.unwrap();
    change.commit().await.unwrap();
    let start = std::sync::Arc::new(Barrier::new(64));
    let mut racing = JoinSet::new();
    for number in 0..64u8 {
        let (store, start) = (stores[usize::from(number % 2)].clone(), start.clone());
        racing.spawn(async move {
            start.wait().await;
            let mut change = store.begin().await.unwrap();
            let serial = certificate("agent", number).serial;
            change.spend_token(&token(1).hash, &id("agent"), &serial, NOW).await?;
            enrol(&mut change, &agent("agent", number)).await;
            change.commit().await.map(|_| serial).map_err(TokenError::from)
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) = racing.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 63));
    assert!(lost.iter().all(|outcome| matches!(outcome, Err(TokenError::Spent))), "{lost:?}");
    let serial = won.into_iter().next().unwrap().unwrap();
    assert_eq!(stores[1].tokens().await.unwrap()[0].serial, Some(serial));
    let everything = stores[0].export().await.unwrap();
    assert_eq!(everything.certificates.iter().map(|row| row.serial).collect::<Vec<_>>(), [serial]);
    assert_eq!(everything.state.audit_head.seq, 1);
}

async fn a_token_is_not_spent_if_the_change_is_dropped(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    change.add_token(&token(1)).await.unwrap();
    change.commit().await.unwrap();
    for _ in 0..2 {
        let mut change = store.begin().await.unwrap();
        change.spend_token(&token(1).hash, &id("agent"), &SERIAL, NOW).await.unwrap();
    }
    assert_eq!(store.tokens().await.unwrap(), [token(1)]);
}

async fn open_tokens_are_bounded(ground: Ground) {
    let store = ground.store().await;
    ground
        .tamper(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
             INSERT INTO tokens (hash, agent_id, created_at, expires_at) \
             SELECT CAST(i AS TEXT), 'agent', 1800000000, 1800003600 FROM n",
        )
        .await;
    let mut change = store.begin().await.unwrap();
    let refused = change.add_token(&token(1)).await;
    assert!(matches!(refused, Err(TokenError::Full(10_000))), "{refused:?}");
    // One that is spent makes room for one.
    let spent = sqlx::query("UPDATE tokens SET spent_at = 1 WHERE hash = '1'");
    spent.execute(change.connection()).await.unwrap();
    change.add_token(&token(1)).await.unwrap();
    assert!(matches!(change.add_token(&token(2)).await, Err(TokenError::Full(10_000))));
}

async fn tokens_are_forgotten_a_day_after_their_end(ground: Ground) {
    let store = ground.store().await;
    let mut change = store.begin().await.unwrap();
    change.add_token(&token(1)).await.unwrap();
    change.spend_token(&token(1).hash, &id("agent"), &SERIAL, NOW).await.unwrap();
    let day = Duration::from_hours(24);
    for (number, created_at, left) in
        [(2, after(LIFE + day), 2), (3, after(LIFE + day + Duration::from_secs(1)), 2)]
    {
        let expires_at = created_at.saturating_add(LIFE);
        change.add_token(&TokenRow { created_at, expires_at, ..token(number) }).await.unwrap();
        assert_eq!(change.export().await.unwrap().tokens.len(), left, "{number}");
    }
}
