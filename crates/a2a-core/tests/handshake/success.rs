//! What goes well: every suite, every pair of providers, both ways round.

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::handshake::initiator::Answer;
use a2a_core::handshake::key_schedule::Role;
use a2a_core::handshake::messages::{DecidedBy, Decision, KeyExchange, Response};
use a2a_core::session::{FrameType, Session};
use a2a_core::wire::{canonical_json, from_json};

use crate::world::*;

#[test]
fn every_suite_and_pair_of_providers_gives_one_session() {
    for (one, other) in pairs() {
        for suite in Suite::ALL {
            let pair = Pair::new(traveller().credential(one), helper().credential(other), suite);
            let (mut initiator, mut responder) = pair.established();
            assert_eq!((initiator.info.role, responder.info.role), (Role::Initiator, Role::Responder));
            assert_eq!(initiator.info.session_id, responder.info.session_id);
            assert_eq!((initiator.info.suite, responder.info.suite), (suite, suite));
            assert_eq!(initiator.info.peer.agent_id(), &id("helper_agent_001"));
            assert_eq!(responder.info.peer.agent_id(), &id("traveller_agent_001"));
            assert_safety_code(&initiator, &responder);
            for round in 0..3 {
                deliver(&mut initiator, &mut responder, &format!("there {round}"));
                deliver(&mut responder, &mut initiator, &format!("and back {round}"));
            }
        }
    }
}

fn assert_safety_code(initiator: &Session, responder: &Session) {
    let code = &initiator.info.safety_code;
    assert_eq!(code, &responder.info.safety_code);
    let base32 = |part: &str| part.len() == 4 && part.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
    assert!(code.split('-').all(base32) && code.len() == 9, "{code}");
}

#[test]
fn two_handshakes_of_the_same_agents_have_nothing_in_common() {
    for suite in Suite::ALL {
        let (mut one, _) = pair(suite).established();
        let (mut two, _) = pair(suite).established();
        assert_ne!(one.info.session_id, two.info.session_id);
        assert_ne!(one.info.safety_code, two.info.safety_code);
        let [one, two] = [&mut one, &mut two]
            .map(|session| session.sealer.seal(FrameType::Text, vec![0; 64], NOW).unwrap().ciphertext);
        assert_ne!(one, two);
    }
}

#[test]
fn the_best_common_suite_is_taken_whatever_the_order_of_the_offer() {
    use Suite::{Modp2048, Modp2048MlKem768, X25519MlKem768};
    for (offer, supported, best) in [
        (vec![Modp2048, X25519MlKem768, Modp2048MlKem768], Suite::ALL.to_vec(), Modp2048MlKem768),
        (vec![Modp2048, X25519MlKem768], Suite::ALL.to_vec(), X25519MlKem768),
        (Suite::ALL.to_vec(), vec![Modp2048, X25519MlKem768], X25519MlKem768),
        (Suite::ALL.to_vec(), vec![Modp2048], Modp2048),
    ] {
        let provider = available()[0];
        let responder = Draft { suites: supported, ..helper() }.credential(provider);
        let pair = Pair { offer, ..Pair::new(traveller().credential(provider), responder, best) };
        let (initiator, responder) = pair.established();
        assert_eq!((initiator.info.suite, responder.info.suite), (best, best));
    }
}

#[test]
fn a_certificate_renewed_between_m1_and_m2_is_accepted() {
    let pair = pair(Suite::X25519MlKem768);
    let asked = pair.asked();
    let renewed = Pair { responder: helper().credential(available()[0]), ..pair.clone() };
    assert_ne!(
        renewed.responder.certificate().certificate().serial,
        pair.responder.certificate().certificate().serial
    );
    let pending = renewed.verify(&asked.message).unwrap();
    let response = pending.accept(DecidedBy::PolicyList, PATIENCE, NOW).unwrap().message;
    let accepted = accept(asked.next, &response).unwrap();
    assert_eq!(accepted.peer().certificate(), renewed.responder.certificate().certificate());
}

#[test]
fn a_rejection_names_who_decided_and_when() {
    for (one, other) in pairs() {
        let (one, other) = (traveller().credential(one), helper().credential(other));
        let pair = Pair::new(one, other, Suite::Modp2048);
        let asked = pair.asked();
        let response =
            pair.verify(&asked.message).unwrap().reject(DecidedBy::PolicyTimeout, after(5)).unwrap();
        let answer = asked.next.receive(&sent(&response), verifier(), after(6)).unwrap();
        let Answer::Rejected(decision) = answer else { panic!("accepted") };
        assert_eq!(decision, Decision { by: DecidedBy::PolicyTimeout, at: after(5) });
    }
}

#[test]
fn what_the_responder_is_asked_is_what_m1_says() {
    let pair = pair(Suite::Modp2048);
    let request = pair.asked().message;
    let pending = pair.verify(&request).unwrap();
    assert_eq!(pending.request(), &request);
    assert_eq!(pending.peer().key_id(), pair.initiator.certificate().key_id());
}

#[test]
fn the_key_exchange_endpoint_tells_m3_and_m5_apart() {
    let pair = pair(Suite::Modp2048MlKem768);
    let init = pair.begun().message;
    let finish = pair.finished().message;
    let read = |json: &[u8]| from_json::<KeyExchange>(json, 65_536).unwrap();
    assert_eq!(read(&canonical_json(&init).unwrap()), KeyExchange::Init(Box::new(init)));
    assert_eq!(read(&canonical_json(&finish).unwrap()), KeyExchange::Finish(Box::new(finish)));
}

#[test]
fn consent_is_awaited_as_long_as_it_was_said() {
    let decided = pair(Suite::Modp2048).decided();
    assert_eq!(decided.responder.expires(), NOW.saturating_add(PATIENCE));
    let Response::Accepted(acceptance) = &decided.message else { panic!("rejected") };
    assert_eq!(acceptance.expires, NOW.saturating_add(PATIENCE));
    assert_eq!(acceptance.decision, Decision { by: DecidedBy::Operator, at: NOW });
    assert_eq!(accept(decided.initiator, &decided.message).unwrap().expires(), acceptance.expires);
}
