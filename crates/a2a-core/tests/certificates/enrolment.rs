//! What the controller makes of a request to enrol, and an agent of the controller.

use std::time::Duration;

use a2a_core::certificate::{
    AgentCard, CertificateError, ControllerInfo, EnrolmentError, EnrolmentRequest, StructureFlaw,
};
use a2a_core::time::ValidityError;
use a2a_core::wire::{self, Hex};

use crate::world::{DAY, NOW, World, after, before, id, worlds};

#[test]
fn the_certificate_ends_with_card_or_lifetime_and_serials_differ() {
    for world in worlds() {
        let mut card = world.card();
        (card.issued_at, card.expires_at) = (after(30), after(3_630));
        let request = world.request(card);
        let issue = |lifetime| world.authority().issue(&request, Duration::from_secs(lifetime), NOW).unwrap();
        assert_eq!((issue(7_200).issued_at, issue(7_200).expires_at), (NOW, after(3_630)));
        assert_eq!(issue(3_600).expires_at, after(3_600));
        assert_ne!(issue(3_600).serial, issue(3_600).serial);
        assert_eq!(world.verify(&issue(3_600), NOW), Ok(()));
    }
}

#[test]
fn enrolment_is_refused_for_each_single_flaw() {
    type Case = (fn(&mut AgentCard), EnrolmentError);
    let cases: [Case; 9] = [
        (|c| c.protocol_version = 2, StructureFlaw::ProtocolVersion(2).into()),
        (|c| c.suites.clear(), StructureFlaw::Suites.into()),
        (|c| c.methods = vec!["m".parse().unwrap(); 33], StructureFlaw::TooManyMethods(33).into()),
        (|c| c.name = "Helper\u{202e}".parse().unwrap(), EnrolmentError::Name("Helper\\u{202e}".into())),
        (|c| c.issued_at = after(61), ValidityError::NotYetValid { issued_at: after(61), now: NOW }.into()),
        (
            |c| (c.issued_at, c.expires_at) = (before(10), NOW),
            ValidityError::Empty { issued_at: NOW, expires_at: NOW }.into(),
        ),
        (
            |c| (c.issued_at, c.expires_at) = (before(900), before(60)),
            ValidityError::Expired { expires_at: before(60), now: NOW }.into(),
        ),
        (|c| c.issued_at = before(61), EnrolmentError::Stale(61)),
        (|c| c.expires_at = after(86_401), EnrolmentError::TooLong { asked: 86_401, granted: 86_400 }),
    ];
    for world in worlds() {
        for (change, error) in &cases {
            let mut card = world.card();
            change(&mut card);
            let verdict = world.authority().issue(&world.request(card), DAY, NOW);
            assert_eq!(verdict.unwrap_err(), *error);
        }
        let world = World { agent: world.controller.clone(), ..world };
        let verdict = world.authority().issue(&world.request(world.card()), DAY, NOW);
        assert_eq!(verdict.unwrap_err(), EnrolmentError::ControllersKey);
    }
}

#[test]
fn possession_is_proved_for_this_card_and_challenge() {
    for world in worlds() {
        let good = world.request(world.card());
        assert_eq!(good.verify_possession(world.provider), Ok(()));
        let elsewhere = World { agent: world.other.clone(), ..world };
        let theirs = elsewhere.request(elsewhere.card()).agent_signature;
        let other_nonce = EnrolmentRequest { nonce: Hex::from_bytes([8; 32]), ..good.clone() };
        let other_key = EnrolmentRequest { agent_signature: theirs, ..good.clone() };
        let mut other_card = good.clone();
        other_card.agent_card.address = "https://localhost:5003".parse().unwrap();
        for bad in [other_nonce, other_key, other_card] {
            assert_eq!(bad.verify_possession(elsewhere.provider), Err(EnrolmentError::Possession));
            let issued = elsewhere.authority().issue(&bad, DAY, NOW);
            assert_eq!(issued.unwrap_err(), EnrolmentError::Possession);
        }
        let mistaken = EnrolmentRequest::new(good.agent_card, good.nonce, "csr".into(), &*elsewhere.other);
        assert_eq!(mistaken.unwrap_err(), EnrolmentError::NotTheCardsKey);
    }
}

#[test]
fn controller_info_is_signed() {
    for world in worlds() {
        let info = world.authority().info("root".into(), Vec::new()).unwrap();
        let json = serde_json::to_vec(&info).unwrap();
        let received: ControllerInfo = wire::from_json(&json, wire::MAX_HANDSHAKE_BODY).unwrap();
        assert_eq!(received.verify(world.provider), Ok(world.anchor()));
        assert_eq!(received.fingerprint(), world.controller.public_key().key_id());
        assert_eq!(received.fingerprint(), world.anchor().fingerprint());
        let forged = [
            ControllerInfo { tls_root: "other".into(), ..info.clone() },
            ControllerInfo { controller_id: id("other"), ..info.clone() },
            ControllerInfo { public_key: world.impostor.public_key().clone(), ..info.clone() },
        ];
        for bad in forged {
            assert_eq!(bad.verify(world.provider), Err(CertificateError::ControllerSignature));
        }
    }
}
