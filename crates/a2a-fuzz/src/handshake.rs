//! A handshake through a network of ill will: what is taken is what was sent, and only if nobody has touched it.

use a2a_core::crypto::kx::{InitiatorKeys, ResponderKeys};
use a2a_core::handshake::Step;
use a2a_core::handshake::initiator::{Accepted, Answer, AwaitEstablished, request};
use a2a_core::handshake::messages::{
    DecidedBy, Established, KeyExchange, KeyExchangeFinish, KeyExchangeReply, Request, Response,
};
use a2a_core::handshake::responder::{AwaitFinish, AwaitInit, PendingRequest};
use a2a_core::session::{FrameType, Opened, Session};
use a2a_core::wire::{MAX_HANDSHAKE_BODY, canonical_json, from_json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cast::{
    NOW, PATIENCE, POLICY, PROVIDER, SUITE, as_value, helper, others_messages, traveller, verifier, wish,
};
use crate::choices::Choices;
use crate::toy;

/// Plays one. It may end early: a message that was lost or spoilt ends it at the initiator.
pub(crate) fn play(bytes: &[u8]) {
    others_messages();
    toy::begin();
    let mut choices = Choices::new(bytes);
    if let Some((initiator, responder)) = set_up(&mut choices) {
        agree(initiator, responder);
    }
}

fn set_up(choices: &mut Choices<'_>) -> Option<(Session, Session)> {
    let (accepted, responder) = consent(choices)?;
    let (initiator, responder, finish) = exchange(choices, accepted, responder)?;
    let (responder, established) = confirm(choices, responder, &finish)?;
    let arrived = on_its_way(choices, 5, &established)?;
    let is_genuine = arrived == established;
    let session = initiator.establish(arrived, POLICY, NOW);
    assert_eq!(session.is_ok(), is_genuine, "M6");
    Some((session.ok()?, responder))
}

/// M1 and M2.
fn consent(choices: &mut Choices<'_>) -> Option<(Accepted, AwaitInit)> {
    let asked = request(traveller(), helper().certificate().clone(), wish(), NOW).expect("a wish");
    let pending = tries(choices, 0, &asked.message, |arrived: Request| {
        PendingRequest::verify(helper(), verifier(), arrived, NOW).ok()
    })?;
    if choices.index(16) == 15 {
        let rejected = pending.reject(DecidedBy::Operator, NOW).expect("a no");
        let arrived: Response = on_its_way(choices, 1, &rejected)?;
        let is_genuine = arrived == rejected;
        let answer = asked.next.receive(&arrived, verifier(), NOW);
        assert_eq!(answer.is_ok(), is_genuine, "a rejection");
        assert!(!matches!(answer, Ok(Answer::Accepted(_))), "a no became a yes");
        return None;
    }
    let decided = pending.accept(DecidedBy::Operator, PATIENCE, NOW).expect("a yes");
    let arrived = on_its_way(choices, 1, &decided.message)?;
    let is_genuine = arrived == decided.message;
    let answer = asked.next.receive(&arrived, verifier(), NOW);
    assert_eq!(answer.is_ok(), is_genuine, "M2");
    let Answer::Accepted(accepted) = answer.ok()? else { panic!("a yes became a no") };
    Some((*accepted, decided.next))
}

/// M3 and M4.
fn exchange(
    choices: &mut Choices<'_>,
    accepted: Accepted,
    responder: AwaitInit,
) -> Option<(AwaitEstablished, AwaitFinish, KeyExchangeFinish)> {
    let Step { next: initiator, message } =
        accepted.start(InitiatorKeys::generate(SUITE, PROVIDER).expect("keys")).expect("its suite");
    let sent = KeyExchange::Init(Box::new(message));
    let authenticated = tries(choices, 2, &sent, |arrived| match arrived {
        KeyExchange::Init(init) => responder.authenticate(&init).ok(),
        KeyExchange::Finish(_) => None,
    })?;
    let keys = ResponderKeys::generate(SUITE, PROVIDER).expect("keys");
    let replied = responder.reply(authenticated, keys).expect("an authentic M3");
    let arrived: KeyExchangeReply = on_its_way(choices, 3, &replied.message)?;
    let is_genuine = arrived == replied.message;
    let finished = initiator.finish(&arrived);
    assert_eq!(finished.is_ok(), is_genuine, "M4");
    let Step { next, message } = finished.ok()?;
    Some((next, replied.next, message))
}

/// M5. Its confirmation stands under no signature: one that was touched ends the session.
fn confirm(
    choices: &mut Choices<'_>,
    responder: AwaitFinish,
    finish: &KeyExchangeFinish,
) -> Option<(Session, Established)> {
    let sent = KeyExchange::Finish(Box::new(finish.clone()));
    for _ in 0..=TRIES {
        let Some(KeyExchange::Finish(arrived)) = on_its_way(choices, 4, &sent) else { continue };
        let unconfirmed = KeyExchangeFinish { confirm: finish.confirm.clone(), ..*arrived.clone() };
        let authenticated = responder.authenticate(&arrived);
        assert_eq!(authenticated.is_ok(), unconfirmed == *finish, "M5's signature");
        let Ok(authenticated) = authenticated else { continue };
        let is_genuine = *arrived == *finish;
        let established = responder.establish(authenticated, POLICY, NOW);
        assert_eq!(established.is_ok(), is_genuine, "M5's confirmation");
        return established.ok().map(|Step { next, message }| (next, message));
    }
    None
}

/// What a responder makes of a message, which may arrive some times spoilt and then as it is: only that is taken.
fn tries<T, R>(choices: &mut Choices<'_>, number: usize, sent: &T, take: impl Fn(T) -> Option<R>) -> Option<R>
where
    T: Serialize + DeserializeOwned + PartialEq + Clone,
{
    for _ in 0..TRIES {
        let Some(arrived) = on_its_way::<T>(choices, number, sent) else { continue };
        let is_genuine = arrived == *sent;
        let taken = take(arrived);
        assert_eq!(taken.is_some(), is_genuine, "M{}", number + 1);
        if taken.is_some() {
            return taken;
        }
    }
    let taken = take(sent.clone());
    assert!(taken.is_some(), "M{} after forgeries", number + 1);
    taken
}

/// What arrives of a message: all of it, or what somebody has made of it, or of one of another handshake.
fn on_its_way<T: Serialize + DeserializeOwned>(
    choices: &mut Choices<'_>,
    number: usize,
    sent: &T,
) -> Option<T> {
    let json = canonical_json(sent).expect("a message");
    let arrived = match choices.index(8) {
        6 => choices.edited(&json),
        5 => {
            let edited = choices.edited(&json);
            choices.edited(&edited)
        }
        4 | 3 => {
            let spliced = choices.spliced(&as_value(sent), &others_messages()[number]);
            canonical_json(&spliced).expect("a message")
        }
        // Another's M1 is as good as this one; that it came before, its receiver's caller has to remember.
        2 => canonical_json(&others_messages()[1 + choices.index(5)]).expect("a message"),
        _ => json,
    };
    from_json(&arrived, MAX_HANDSHAKE_BODY).ok()
}

/// Both have the same session, with each other.
fn agree(mut initiator: Session, mut responder: Session) {
    assert_eq!(initiator.info.session_id, responder.info.session_id);
    assert_eq!(initiator.info.safety_code, responder.info.safety_code);
    assert_eq!(initiator.info.peer.agent_id(), helper().certificate().agent_id());
    assert_eq!(responder.info.peer.agent_id(), traveller().certificate().agent_id());
    said(&mut initiator, &mut responder);
    said(&mut responder, &mut initiator);
}

fn said(from: &mut Session, to: &mut Session) {
    let frame = from.sealer.seal(FrameType::Text, b"hello".to_vec(), NOW).expect("a first frame");
    let opened = to.opener.open(frame, NOW).expect("an honest frame");
    assert!(matches!(opened, Opened::New { payload, .. } if payload == b"hello"));
    assert!(from.sealer.accept(&to.opener.acknowledge()).is_ok());
}

/// How often a spoilt message arrives before the genuine one.
const TRIES: usize = 3;
