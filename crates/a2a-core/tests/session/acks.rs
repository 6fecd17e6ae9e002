//! "Delivered" cannot be forged, replayed or taken from elsewhere.

use a2a_core::session::{Ack, Session, SessionError};
use a2a_core::wire::Base64;
use proptest::prelude::*;

use crate::world::*;

fn refused(session: &mut Session, ack: &Ack) {
    let before = session.sealer.acknowledged();
    let error = session.sealer.accept(&sent(ack)).unwrap_err();
    assert!(error == SessionError::BadAck && !error.is_fatal());
    assert_eq!(session.sealer.acknowledged(), before);
}

/// Three frames sent, two of them received.
fn two_of_three() -> (Session, Session) {
    let (mut initiator, mut responder) = sessions();
    let frames = seal_many(&mut initiator.sealer, 3);
    for frame in &frames[..2] {
        open(&mut responder.opener, frame).unwrap();
    }
    (initiator, responder)
}

#[test]
fn an_acknowledgement_says_how_far() {
    let (mut initiator, responder) = two_of_three();
    assert_eq!(initiator.sealer.acknowledged(), 0);
    assert_eq!(initiator.sealer.accept(&sent(&responder.opener.acknowledge())).unwrap(), 2);
    assert_eq!(initiator.sealer.acknowledged(), 2);
}

#[test]
fn a_forged_acknowledgement_is_refused() {
    let (mut initiator, responder) = two_of_three();
    let good = responder.opener.acknowledge();
    for received in [0, 1, 3, 4, (1 << 53) - 1] {
        refused(&mut initiator, &Ack { received, ..good.clone() });
    }
    let mac = good.mac.as_bytes();
    for byte in 0..mac.len() {
        let mut mac = mac.to_vec();
        mac[byte] ^= 1;
        refused(&mut initiator, &Ack { mac: mac.into(), ..good.clone() });
    }
    for mac in [&mac[..0], &mac[..31], &[mac, &[0]].concat()] {
        refused(&mut initiator, &Ack { mac: Base64::from(mac.to_vec()), ..good.clone() });
    }
    assert_eq!(initiator.sealer.accept(&good).unwrap(), 2);
}

#[test]
fn an_older_acknowledgement_takes_nothing_back() {
    let (mut initiator, mut responder) = sessions();
    let mut acks = vec![responder.opener.acknowledge()];
    for frame in seal_many(&mut initiator.sealer, 3) {
        open(&mut responder.opener, &frame).unwrap();
        acks.push(responder.opener.acknowledge());
    }
    assert_eq!(initiator.sealer.accept(&acks[3]).unwrap(), 3);
    for ack in &acks {
        assert_eq!(initiator.sealer.accept(ack).unwrap(), 3);
    }
}

/// The keys of the two directions differ, and the direction is under the code.
#[test]
fn an_acknowledgement_of_the_other_direction_is_refused() {
    let (mut initiator, mut responder) = two_of_three();
    deliver(&mut responder, &mut initiator, "so that both have received two");
    let (initiators, responders) = (initiator.opener.acknowledge(), responder.opener.acknowledge());
    assert_eq!(initiators.received, responders.received);
    refused(&mut initiator, &initiators);
    refused(&mut responder, &responders);
}

#[test]
fn an_acknowledgement_of_another_session_is_refused() {
    let (mut initiator, _) = two_of_three();
    let (_, other) = two_of_three();
    refused(&mut initiator, &other.opener.acknowledge());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_guess_is_taken(guesses: Vec<(u64, Vec<u8>)>) {
        let (mut initiator, _) = two_of_three();
        for (received, mac) in guesses {
            let guess = Ack { received, mac: mac.into() };
            prop_assert_eq!(initiator.sealer.accept(&guess), Err(SessionError::BadAck));
        }
        prop_assert_eq!(initiator.sealer.acknowledged(), 0);
    }
}
