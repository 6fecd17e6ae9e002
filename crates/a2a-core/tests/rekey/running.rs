//! Exchanges that succeed, with frames before, during and after them.

use a2a_core::crypto::kx::Suite;
use a2a_core::session::{Frame, Opened, RekeyPolicy, Session, SessionError};

use crate::live::{act, begin, exchange, take, unwrapped};
use crate::world::*;

#[test]
fn frames_cross_an_exchange_in_every_suite_and_pair_of_providers() {
    for (one, other) in pairs() {
        for suite in Suite::ALL {
            let pair = Pair::new(traveller().credential(one), helper().credential(other), suite);
            let (mut initiator, mut responder) = pair.established();
            for round in 0..3 {
                exchange_with_traffic(&mut initiator, &mut responder, round);
            }
        }
    }
}

fn both_ways(initiator: &mut Session, responder: &mut Session, epochs: (u32, u32)) {
    deliver(initiator, responder, "there");
    deliver(responder, initiator, "back");
    let there = seal(&mut initiator.sealer, "which epoch?");
    let back = seal(&mut responder.sealer, "this one");
    assert_eq!((there.epoch, back.epoch), epochs);
    open(&mut responder.opener, &there).unwrap();
    open(&mut initiator.opener, &back).unwrap();
}

fn exchange_with_traffic(initiator: &mut Session, responder: &mut Session, epoch: u32) {
    both_ways(initiator, responder, (epoch, epoch));
    let init = begin(initiator);
    assert!(initiator.rekey.is_under_way() && !responder.rekey.is_under_way());
    let reply = take(responder, &init).unwrap();
    assert!(responder.rekey.is_under_way());
    let overtaken = seal(&mut responder.sealer, "after M4, before the switch");
    let finish = take(initiator, &reply).unwrap();
    open(&mut initiator.opener, &overtaken).unwrap();
    let first = seal(&mut initiator.sealer, "right after M5");
    assert_eq!((finish.epoch, first.epoch), (epoch, epoch + 1));
    let done = take(responder, &finish).unwrap();
    assert_eq!(open(&mut responder.opener, &first).unwrap(), text(first.seq, "right after M5"));
    let back = seal(&mut responder.sealer, "right after M6");
    assert_eq!((done.epoch, back.epoch), (epoch, epoch + 1));
    assert!(take(initiator, &done).is_none());
    assert_eq!(open(&mut initiator.opener, &back).unwrap(), text(back.seq, "right after M6"));
    assert!(!initiator.rekey.is_under_way() && !responder.rekey.is_under_way());
    both_ways(initiator, responder, (epoch + 1, epoch + 1));
}

#[test]
fn only_the_initiator_begins_and_only_one_at_a_time() {
    let (mut initiator, mut responder) = sessions();
    assert_eq!(responder.rekey.begin().unwrap(), None);
    let init = begin(&mut initiator);
    assert_eq!(initiator.rekey.begin().unwrap(), None);
    let reply = take(&mut responder, &init).unwrap();
    assert_eq!(initiator.rekey.begin().unwrap(), None);
    let finish = take(&mut initiator, &reply).unwrap();
    assert_eq!(initiator.rekey.begin().unwrap(), None, "M6' has not come");
    let done = take(&mut responder, &finish).unwrap();
    assert_eq!(responder.rekey.begin().unwrap(), None);
    take(&mut initiator, &done);
    exchange(&mut initiator, &mut responder);
}

/// The new keys do not follow from the old ones: a receiver that has not taken part cannot derive them by `upd`.
#[test]
fn the_keys_really_change() {
    let (mut initiator, mut responder) = sessions();
    let init = begin(&mut initiator);
    let reply = take(&mut responder, &init).unwrap();
    let finish = take(&mut initiator, &reply).unwrap();
    let payload = unwrapped(&mut responder, &finish);
    let step = responder.rekey.receive(&payload).unwrap();

    let fresh = seal(&mut initiator.sealer, "fresh");
    assert_eq!(fresh.epoch, finish.epoch + 1);
    assert_eq!(open(&mut responder.opener, &fresh).unwrap_err(), SessionError::BadFrame, "not by upd");
    let done = act(&mut responder, step).unwrap();
    assert_eq!(open(&mut responder.opener, &fresh).unwrap(), text(fresh.seq, "fresh"));

    let back = seal(&mut responder.sealer, "fresh too");
    let payload = unwrapped(&mut initiator, &done);
    let step = initiator.rekey.receive(&payload).unwrap();
    assert_eq!(open(&mut initiator.opener, &back).unwrap_err(), SessionError::BadFrame, "not by upd");
    act(&mut initiator, step);
    open(&mut initiator.opener, &back).unwrap();
}

#[test]
fn after_the_exchange_a_frame_of_the_old_epoch_is_refused() {
    let (mut initiator, mut responder) = sessions();
    exchange(&mut initiator, &mut responder);
    let good = seal(&mut initiator.sealer, "new");
    assert_eq!(good.epoch, 1);
    let old = Frame { epoch: 0, ..good.clone() };
    assert_eq!(open(&mut responder.opener, &old).unwrap_err(), SessionError::BadFrame);
    open(&mut responder.opener, &good).unwrap();
}

#[test]
fn both_kinds_of_rekeying_mix() {
    let policy = RekeyPolicy { frames: 3, ..RekeyPolicy::default() };
    let (mut initiator, mut responder) = Pair { policy, ..pair(Suite::X25519MlKem768) }.established();
    for round in 0..40 {
        deliver(&mut initiator, &mut responder, &format!("there {round}"));
        deliver(&mut responder, &mut initiator, &format!("back {round}"));
        if round % 5 == 0 {
            exchange(&mut initiator, &mut responder);
        }
    }
    assert!(seal(&mut initiator.sealer, "").epoch > 16, "more than by the exchanges alone");
}

/// Acknowledgements are in flight while their key changes: the former one holds until the new one has been seen.
#[test]
fn acknowledgements_cross_the_change_of_their_key() {
    let (mut initiator, mut responder) = sessions();
    let init = begin(&mut initiator);
    let reply = take(&mut responder, &init).unwrap();
    let before = seal(&mut initiator.sealer, "before");
    let finish = take(&mut initiator, &reply).unwrap();
    let behind = seal(&mut initiator.sealer, "behind");

    open(&mut responder.opener, &before).unwrap();
    let old_ack = responder.opener.acknowledge();
    assert_eq!(initiator.sealer.accept(&old_ack).unwrap(), 2, "the initiator has switched already");

    let payload = unwrapped(&mut responder, &finish);
    let older_than_switch = responder.opener.acknowledge();
    let step = responder.rekey.receive(&payload).unwrap();
    let done = act(&mut responder, step).unwrap();
    let of_finish = responder.opener.acknowledge();
    assert_ne!(of_finish, older_than_switch, "the same frames, under another key");
    assert_eq!(initiator.sealer.accept(&older_than_switch).unwrap(), 3);

    open(&mut responder.opener, &behind).unwrap();
    assert_eq!(initiator.sealer.accept(&responder.opener.acknowledge()).unwrap(), 4);
    assert_eq!(initiator.sealer.accept(&old_ack).unwrap_err(), SessionError::BadAck, "its time is over");
    assert_eq!(initiator.sealer.accept(&of_finish).unwrap(), 4);

    // The other direction: the responder has switched, the initiator acknowledges M6' before it does.
    let payload = unwrapped(&mut initiator, &done);
    let old_ack = initiator.opener.acknowledge();
    assert_eq!(responder.sealer.accept(&old_ack).unwrap(), 3);
    let step = initiator.rekey.receive(&payload).unwrap();
    act(&mut initiator, step);
    assert_eq!(responder.sealer.accept(&initiator.opener.acknowledge()).unwrap(), 3);
    assert_eq!(responder.sealer.accept(&old_ack).unwrap_err(), SessionError::BadAck);
}

/// Rekey frames are frames: one that is lost and sent again is taken once.
#[test]
fn a_rekey_frame_that_comes_twice_is_taken_once() {
    let (mut initiator, mut responder) = sessions();
    let init = begin(&mut initiator);
    let reply = take(&mut responder, &init).unwrap();
    assert_eq!(open(&mut responder.opener, &init).unwrap(), Opened::Duplicate);
    let finish = take(&mut initiator, &reply).unwrap();
    let done = take(&mut responder, &finish).unwrap();
    assert_eq!(open(&mut responder.opener, &finish).unwrap(), Opened::Duplicate);
    take(&mut initiator, &done);
    deliver(&mut initiator, &mut responder, "on we go");
}
